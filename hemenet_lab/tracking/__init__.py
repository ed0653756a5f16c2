"""Tracking: how runs are recorded in MLflow, and how they are found again.

`Tracker` is the logger, `RecordedRun` a run that it left, `RunDatabase` where these are looked up,
and `run_identity` tells which runs are the same.
"""

from __future__ import annotations

from hemenet_lab.tracking.artifacts import Artifact, Predictions, Result, results_csv
from hemenet_lab.tracking.identity import (
    VOLATILE,
    RecordIdentity,
    hold,
    is_held,
    plain_config,
    run_identity,
)
from hemenet_lab.tracking.resolve import resolve_checkpoint
from hemenet_lab.tracking.runs import RecordedRun, RunDatabase, Tag, best_run, checkpoint_folder
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
    "best_run",
    "checkpoint_folder",
    "hold",
    "is_held",
    "plain_config",
    "resolve_checkpoint",
    "results_csv",
    "run_identity",
    "tracker_of",
]
