"""Runs the commands as a user does: in this process, or in one of its own."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hemenet_lab.cli import lightning

ROOT = Path(__file__).resolve().parents[2]
SMALL = (
    *("--model.encoder.hidden_dim=16", "--model.encoder.num_layers=2"),
    *("--model.encoder.channel_dim=8", "--model.encoder.relation_dim=8"),
)
"""A HeMeNet small enough for a test."""


def run_here(monkeypatch: pytest.MonkeyPatch, folder: Path, *args: str) -> None:
    """`lightning ARGS` in this process, with ``folder`` as the working directory."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["lightning"])
    lightning(args)
    gc.collect()  # trainer and module point at each other; a published size takes a gigabyte


def run_apart(folder: Path, *args: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """`lightning ARGS` in a process of its own; tests' callbacks can be imported there."""
    command = [sys.executable, "-m", "hemenet_lab.cli", *args]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )
    assert not check or done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done


def fit_args(store: Path, *more: str, recipe: str = "experiments/multitask.yaml") -> list[str]:
    """Arguments of a small fit on a store."""
    return [
        "fit",
        f"--config={ROOT / recipe}",
        f"--data.root={store}",
        "--trainer.accelerator=cpu",
        "--trainer.enable_progress_bar=false",
        *more,
    ]


def only(paths: list[Path]) -> Path:
    """The one path of a list."""
    assert len(paths) == 1, paths
    return paths[0]
