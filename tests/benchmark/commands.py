"""Runs the benchmark command as a user does, with trainings in this process where that will do."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from hemenet_lab.benchmark.grids.grid import load_grid
from hemenet_lab.benchmark.grids.identities import Identities
from hemenet_lab.benchmark.grids.run import GridOptions, GridRun, Resolve
from hemenet_lab.benchmark.launch import (
    Launch,
    Processes,
    RunStatus,
    launch_grid,
    run_statuses,
    tracker_settings,
)
from hemenet_lab.cli import lightning
from hemenet_lab.model.module import MultiTaskModule
from hemenet_lab.tracking import RunDatabase

ROOT = Path(__file__).resolve().parents[2]
SMOKE = ROOT / "configs" / "trainer" / "smoke.yaml"
NARROW = tuple(
    f"model.encoder.init_args.{name}=8" for name in ("hidden_dim", "channel_dim", "relation_dim")
)
"""A HeMeNet small enough for a test."""


class Here(Processes):
    """Trains in this process; keeps the commands."""

    def __init__(self) -> None:
        super().__init__()
        self.commands: list[tuple[str, ...]] = []

    def run(self, arguments: Sequence[str], log: Path, environment: Mapping[str, str]) -> int:
        self.commands.append(tuple(arguments))
        log.parent.mkdir(parents=True, exist_ok=True)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", ["lightning"])
            try:
                lightning(arguments)
            except Exception:
                log.write_text(traceback.format_exc())
                return 1
        return 0


class Bench:
    """The benchmark over one folder of runs.

    Args:
        folder: Where runs are recorded.
        store: Data of all runs.
        resolve: Makes the config of a command.
    """

    def __init__(self, folder: Path, store: Path, resolve: Resolve) -> None:
        self.folder, self.store, self.resolve = folder, store, resolve
        self.said: list[str] = []
        self.here = Here()

    def options(self, *settings: str, only: Sequence[str] = (), seeds: int = 1) -> GridOptions:
        return GridOptions(
            seeds=seeds,
            configs=(SMOKE,),
            settings=(f"data.root={self.store}", *settings),
            only=tuple(only),
            folder=str(self.folder),
        )

    def run(self, grid: Path, options: GridOptions, **launch: object) -> int:
        """Exit status of ``hemenet benchmark run``, trainings in this process."""
        self.said.clear()
        self.here.commands.clear()
        how = Launch(**{"processes": self.here, "say": self.said.append, **launch})  # type: ignore[arg-type]  # as given
        return launch_grid(load_grid(grid), options, Identities(self.resolve), how)

    def runs(self, grid: Path, options: GridOptions) -> list[GridRun]:
        return load_grid(grid).runs(options)

    def statuses(self, grid: Path, options: GridOptions) -> list[RunStatus]:
        runs = self.runs(grid, options)
        identities = Identities(self.resolve)
        return run_statuses(runs, identities, RunDatabase.make(tracker_settings(runs, identities)))


def epochs_of_steps(patch: pytest.MonkeyPatch) -> list[int]:
    """A list that grows by the epoch of each training step."""
    epochs: list[int] = []
    original = MultiTaskModule.training_step

    def noting(model: MultiTaskModule, *args: Any) -> Any:
        epochs.append(model.current_epoch)
        return original(model, *args)

    patch.setattr(MultiTaskModule, "training_step", noting)
    return epochs
