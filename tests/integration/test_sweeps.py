"""The search of docs/sweeps.md, as it stands there."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path

import pytest

from tests.integration.run import ROOT, SMALL

PAGE = (ROOT / "docs" / "sweeps.md").read_text(encoding="utf-8")


def test_three_trials(tiny_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    optuna = pytest.importorskip("optuna")
    (program,) = re.findall(r"```python\n# sweep.py\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "sweep.py").write_text(program)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["lightning"])
    sweep = importlib.import_module("sweep")
    short = ("--trainer.max_epochs=2", "--trainer.limit_train_batches=1", "--model.tasks=[ec]")
    short += ("--trainer.limit_val_batches=1", "--trainer.limit_test_batches=1")
    words = (*SMALL, *short, f"--data.root={tiny_store}", "--trainer.enable_progress_bar=false")
    study = sweep.search(2, *words)
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 2
    assert all(len(trial.intermediate_values) == 2 for trial in study.trials)
    assert study.best_value == max(max(t.intermediate_values.values()) for t in study.trials)
    # going on, with a trial that the pruner gives up: it ends after its first validation
    monkeypatch.setattr(optuna.Trial, "should_prune", lambda self: True)
    study = sweep.search(1, *words)
    assert len(study.trials) == 3
    assert len(study.trials[2].intermediate_values) == 1
    assert (tmp_path / "runs" / "optuna.db").is_file()
    del sys.modules["sweep"]
