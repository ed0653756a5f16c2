"""Around the training loop: callbacks, checkpoints, the run's record and results."""

from hemenet_lab.training.callbacks import (
    NonFiniteGuard,
    ReproducibleSteps,
    SharedRunningStatistics,
    Throughput,
)
from hemenet_lab.training.checkpoints import RunCheckpoint
from hemenet_lab.training.files import AtomicCheckpointIO
from hemenet_lab.training.record import RUN_KEY, RunRecord
from hemenet_lab.training.results import ResultsTable

__all__ = [
    "RUN_KEY",
    "AtomicCheckpointIO",
    "NonFiniteGuard",
    "ReproducibleSteps",
    "ResultsTable",
    "RunCheckpoint",
    "RunRecord",
    "SharedRunningStatistics",
    "Throughput",
]
