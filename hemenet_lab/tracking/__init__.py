"""Tracking: how runs are recorded in MLflow, and how they are found again.

`Tracker` is the logger, `RecordedRun` a run that it left, `RunDatabase` where these are looked up,
and `run_identity` tells which runs are the same. Names are imported on first use: looking runs up
needs no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hemenet_lab.tracking.address import checkpoint_folder
    from hemenet_lab.tracking.artifacts import Artifact, Predictions, Result, results_csv
    from hemenet_lab.tracking.identity import (
        VOLATILE,
        RecordIdentity,
        hold,
        is_held,
        plain_config,
        run_identity,
    )
    from hemenet_lab.tracking.registry import register_model
    from hemenet_lab.tracking.resolve import best_checkpoint, resolve_checkpoint
    from hemenet_lab.tracking.runs import RecordedRun, RunDatabase, Tag
    from hemenet_lab.tracking.tracker import NoRecord, Tracker, tracker_of

__all__ = [
    "VOLATILE",
    "Artifact",
    "NoRecord",
    "Predictions",
    "RecordIdentity",
    "RecordedRun",
    "Result",
    "RunDatabase",
    "Tag",
    "Tracker",
    "best_checkpoint",
    "checkpoint_folder",
    "hold",
    "is_held",
    "plain_config",
    "register_model",
    "resolve_checkpoint",
    "results_csv",
    "run_identity",
    "tracker_of",
]

_MODULES = {
    "address": ("checkpoint_folder",),
    "artifacts": ("Artifact", "Predictions", "Result", "results_csv"),
    "identity": (
        *("VOLATILE", "RecordIdentity", "hold", "is_held", "plain_config", "run_identity"),
    ),
    "registry": ("register_model",),
    "resolve": ("best_checkpoint", "resolve_checkpoint"),
    "runs": ("RecordedRun", "RunDatabase", "Tag"),
    "tracker": ("NoRecord", "Tracker", "tracker_of"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value
