"""Around the training loop: callbacks, checkpoints and results."""

from hemenet_lab.training.callbacks import (
    NonFiniteGuard,
    ReproducibleSteps,
    SharedRunningStatistics,
    Throughput,
)
from hemenet_lab.training.checkpoints import RunCheckpoint
from hemenet_lab.training.record import RUN_KEY, CannotWrite, RunRecord, run_folder
from hemenet_lab.training.results import Result, ResultsTable

__all__ = [
    "RUN_KEY",
    "CannotWrite",
    "NonFiniteGuard",
    "ReproducibleSteps",
    "Result",
    "ResultsTable",
    "RunCheckpoint",
    "RunRecord",
    "SharedRunningStatistics",
    "Throughput",
    "run_folder",
]
