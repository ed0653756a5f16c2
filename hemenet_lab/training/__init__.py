"""Around the training loop: callbacks, checkpoints and results."""

from hemenet_lab.training.averaging import AveragedWeights
from hemenet_lab.training.callbacks import (
    NonFiniteGuard,
    ReproducibleSteps,
    SharedRunningStatistics,
    Throughput,
)
from hemenet_lab.training.checkpoints import RUN_KEY, AtomicCheckpointIO, RunCheckpoint, RunRecord
from hemenet_lab.training.results import ResultsTable

__all__ = [
    "RUN_KEY",
    "AtomicCheckpointIO",
    "AveragedWeights",
    "NonFiniteGuard",
    "ReproducibleSteps",
    "ResultsTable",
    "RunCheckpoint",
    "RunRecord",
    "SharedRunningStatistics",
    "Throughput",
]
