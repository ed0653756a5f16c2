"""Former names: modules that have moved, so that what was stored or written under them still works.

Checkpoints, saved configs and encoders of users name modules of ours. `MODULES` is the one table of
those that have moved; `install` lets Python import them under their former names as well.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

MODULES = {
    "hemenet_lab.checkpoint_io": "hemenet_lab.training",
    "hemenet_lab.callbacks": "hemenet_lab.training.callbacks",
    "hemenet_lab.data": "",
    "hemenet_lab.data.build_graph": "hemenet_lab.graphs.build",
    "hemenet_lab.data.convert": "hemenet_lab.store.convert",
    "hemenet_lab.data.datamodule": "hemenet_lab.loading.datamodule",
    "hemenet_lab.data.edge_cache": "hemenet_lab.graphs.edge_cache",
    "hemenet_lab.data.entry": "hemenet_lab.store.entry",
    "hemenet_lab.data.graph": "hemenet_lab.graphs.graph",
    "hemenet_lab.data.store": "hemenet_lab.store",
    "hemenet_lab.data.store_fields": "hemenet_lab.store.fields",
    "hemenet_lab.data.view": "hemenet_lab.graphs.view",
    "hemenet_lab.heads": "hemenet_lab.model.heads",
    "hemenet_lab.losses": "hemenet_lab.model.losses",
    "hemenet_lab.module": "hemenet_lab.model.module",
    "hemenet_lab.plugins": "hemenet_lab.saved.plugins",
    "hemenet_lab.predict": "hemenet_lab.prediction.predictor",
    "hemenet_lab.prediction_table": "hemenet_lab.prediction.table",
    "hemenet_lab.readout": "hemenet_lab.model.readout",
    "hemenet_lab.results": "hemenet_lab.training.results",
    "hemenet_lab.run_record": "hemenet_lab.training",
}
"""Former module → module that has its public names now; none for a folder that is no more."""

CLASSES = {
    "hemenet_lab.callbacks.NonFiniteGuard": "hemenet_lab.training.NonFiniteGuard",
    "hemenet_lab.callbacks.ReproducibleSteps": "hemenet_lab.training.ReproducibleSteps",
    "hemenet_lab.callbacks.SharedRunningStatistics": "hemenet_lab.training.SharedRunningStatistics",
    "hemenet_lab.callbacks.Throughput": "hemenet_lab.training.Throughput",
    "hemenet_lab.checkpoint_io.AtomicCheckpointIO": "hemenet_lab.training.AtomicCheckpointIO",
    "hemenet_lab.data.view.GraphView": "hemenet_lab.graphs.GraphView",
    "hemenet_lab.prediction_table.PredictionTable": "hemenet_lab.prediction.PredictionTable",
    "hemenet_lab.readout.Mean": "hemenet_lab.model.Mean",
    "hemenet_lab.readout.Sum": "hemenet_lab.model.Sum",
    "hemenet_lab.readout.TaskAware": "hemenet_lab.model.TaskAware",
    "hemenet_lab.readout.Weighted": "hemenet_lab.model.Weighted",
    "hemenet_lab.results.ResultsTable": "hemenet_lab.training.ResultsTable",
    "hemenet_lab.run_record.RunCheckpoint": "hemenet_lab.training.RunCheckpoint",
    "hemenet_lab.run_record.RunRecord": "hemenet_lab.training.RunRecord",
}
"""Former class path → class path, for what a run's identity hashes as text."""


def former_paths(value: Any) -> Any:
    """The same settings with class paths as they were first written, so that hashes stay."""
    if isinstance(value, dict):
        return {key: former_paths(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [former_paths(inner) for inner in value]
    return _former().get(value, value) if isinstance(value, str) else value


def present_name(path: str, table: dict[str, str] | None = None) -> str:
    """The present name of a class path; the same text if it was never moved.

    Args:
        path: Dotted path such as ``hemenet_lab.tracking.Tracker``.
        table: Former → present names; `MODULES` if None.
    """
    table = MODULES if table is None else table
    parts = path.split(".")
    for length in range(len(parts), 0, -1):
        found = table.get(".".join(parts[:length]))
        if found:
            return ".".join([found, *parts[length:]])
    return path


def present_names(content: Any, table: dict[str, str] | None = None) -> Any:
    """A copy of plain settings with present names in every ``class_path``."""
    if isinstance(content, dict):
        return {
            key: present_name(value, table)
            if key == "class_path" and isinstance(value, str)
            else present_names(value, table)
            for key, value in content.items()
        }
    if isinstance(content, list):
        return [present_names(value, table) for value in content]
    return content


@cache
def _former() -> dict[str, str]:
    """Each way to write a class of `CLASSES` today → its former path."""
    return {
        path: former
        for former, now in CLASSES.items()
        for path in (now, present_name(former), f"hemenet_lab.{now.rpartition('.')[2]}")
    }


class _Loader(Loader):
    """Gives the module that a former name stands for."""

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        if not MODULES[spec.name]:
            return None
        module = import_module(MODULES[spec.name])
        self._spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        # the module ran when it was imported under its own name; Python has just renamed it
        if hasattr(self, "_spec"):
            module.__spec__ = self._spec


class _Finder(MetaPathFinder):
    """Finds modules by the names of `MODULES`."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in MODULES:
            return None
        return ModuleSpec(fullname, _Loader(), is_package=not MODULES[fullname])


def install() -> None:
    """Makes former names importable; safe to call again."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
