"""Averaged weights, and a whole fit by the steady recipe."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from hemenet_lab.training.averaging import CURRENT_KEY, AveragedWeights
from tests.integration.run import SMALL, fit_args, run_here
from tests.store.small_store import small_store

RECIPE = "experiments/real/all.yaml"


@pytest.mark.parametrize("decay", [-0.1, 1.0])
def test_decays_outside_their_range_are_refused(decay: float) -> None:
    with pytest.raises(ValueError, match="from 0 to below 1"):
        AveragedWeights(decay)


class Steps:
    """Stands in for a trainer."""

    global_step = 0


def test_the_average_follows_the_weights() -> None:
    module, trainer = torch.nn.Linear(1, 1, bias=False), Steps()
    callback = AveragedWeights(0.5)
    module.weight.data.fill_(0.0)
    callback.on_fit_start(trainer, module)  # type: ignore[arg-type]
    wanted = 0.0
    for step in (1, 2, 3):
        trainer.global_step = step
        module.weight.data.fill_(float(step))
        for _ in range(2):  # the second batch of a step only adds up gradients
            callback.on_train_batch_end(trainer, module)  # type: ignore[arg-type]
        keep = min(0.5, (1 + step) / (10 + step))
        wanted = keep * wanted + (1 - keep) * step
    callback.on_validation_epoch_start(trainer, module)  # type: ignore[arg-type]
    assert float(module.weight.detach()) == pytest.approx(wanted)
    callback.on_validation_epoch_end(trainer, module)  # type: ignore[arg-type]
    assert float(module.weight.detach()) == 3.0


def test_a_steady_fit_tests_the_average_and_goes_on_from_its_own_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = small_store(tmp_path / "store")
    args = fit_args(store.path, *SMALL, recipe=RECIPE)
    run_here(monkeypatch, tmp_path, *args, "--trainer.max_epochs=2")
    [last] = tmp_path.rglob("last.ckpt")
    kept = torch.load(last, weights_only=True)
    name = "encoder.node_embedding.weight"
    assert not torch.equal(kept["state_dict"][name], kept[CURRENT_KEY][name])
    mean, deviation = kept["target_scales"]["lba"]
    split = store.split()
    chosen = [store[i].values["lba"] for i in range(len(store)) if split[i] == 0 and i % 4 == 0]
    assert (mean, deviation) == pytest.approx(
        (sum(chosen) / len(chosen), torch.tensor(chosen).std(correction=0).item()), rel=1e-5
    )
    run_here(monkeypatch, tmp_path, *args, "--trainer.max_epochs=3", f"--ckpt_path={last}")
    found = [torch.load(path, weights_only=True)["epoch"] for path in tmp_path.rglob("last.ckpt")]
    assert max(found) == 2
