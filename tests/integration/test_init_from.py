"""`--init_from` on the command line."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from tests.integration.run import SMALL, fit_args, only, run_here


def test_a_fit_begins_with_the_weights_of_a_run(
    tiny_store: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    short = [*SMALL, "--trainer.max_epochs=1", "--trainer.limit_train_batches=2"]
    first = fit_args(tiny_store, *short, "--model.tasks=[ec]")
    run_here(monkeypatch, tmp_path, *first)
    best = only([*tmp_path.glob("runs/*/checkpoints/epoch*.ckpt")])
    args = fit_args(tiny_store, *short, recipe="experiments/finetune.yaml")
    with caplog.at_level(logging.INFO):
        run_here(monkeypatch, tmp_path, *args, f"--init_from={best.parents[1]}")
    said = caplog.text + "".join(capsys.readouterr())
    assert f"Weights from {best}:" in said
    assert "the checkpoint has no task lba" in said
    with pytest.raises(SystemExit) as stop:
        run_here(monkeypatch, tmp_path, *args, f"--init_from={best}", "--model.encoder=GCN")
    assert stop.value.code == 1
    assert "does not fit this encoder" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stop:
        run_here(monkeypatch, tmp_path, *args, "--init_from=nowhere.ckpt")
    assert stop.value.code == 2
    assert "nowhere.ckpt not found" in capsys.readouterr().err
