"""A whole fit by the steady recipe: scales, a rate that falls, averaged weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.integration.run import SMALL, fit_args, run_here
from tests.store.small_store import small_store

RECIPE = "experiments/real/all.yaml"


def test_a_steady_fit_tests_the_average_and_goes_on_from_its_own_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = small_store(tmp_path / "store")
    args = fit_args(store.path, *SMALL, recipe=RECIPE)
    run_here(monkeypatch, tmp_path, *args, "--trainer.max_epochs=2")
    [last] = tmp_path.rglob("last.ckpt")
    kept = torch.load(last, weights_only=True)
    name = "encoder.node_embedding.weight"
    assert not torch.equal(kept["state_dict"][name], kept["current_model_state"][name])
    mean, deviation = kept["target_scales"]["lba"]
    split = store.split()
    chosen = [store[i].values["lba"] for i in range(len(store)) if split[i] == 0 and i % 4 == 0]
    assert (mean, deviation) == pytest.approx(
        (sum(chosen) / len(chosen), torch.tensor(chosen).std(correction=0).item()), rel=1e-5
    )
    run_here(monkeypatch, tmp_path, *args, "--trainer.max_epochs=3", f"--ckpt_path={last}")
    went_on = torch.load(last, weights_only=True)
    assert went_on["global_step"] == kept["global_step"] * 3 // 2
