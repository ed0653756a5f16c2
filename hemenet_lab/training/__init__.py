"""Around the training loop: callbacks, checkpoints, the run's record and results."""

from hemenet_lab.training.calibrate import calibrate_checkpoint
from hemenet_lab.training.callbacks import (
    ReproducibleSteps,
    SharedRunningStatistics,
    Throughput,
)
from hemenet_lab.training.checkpoints import RunCheckpoint
from hemenet_lab.training.files import AtomicCheckpointIO, CannotWrite
from hemenet_lab.training.guard import NonFiniteGuard, first_non_finite, load_case
from hemenet_lab.training.loops import prepare_trainer, without_noise
from hemenet_lab.training.preemption import (
    EXIT_STATUS,
    Preemption,
    continue_run,
    finish_run,
    join_run,
)
from hemenet_lab.training.recompute import Recompute
from hemenet_lab.training.record import RunRecord, git_revision, run_folder
from hemenet_lab.training.results import ResultsTable, scored_values

__all__ = [
    "EXIT_STATUS",
    "AtomicCheckpointIO",
    "CannotWrite",
    "NonFiniteGuard",
    "Preemption",
    "Recompute",
    "ReproducibleSteps",
    "ResultsTable",
    "RunCheckpoint",
    "RunRecord",
    "SharedRunningStatistics",
    "Throughput",
    "calibrate_checkpoint",
    "continue_run",
    "finish_run",
    "first_non_finite",
    "git_revision",
    "join_run",
    "load_case",
    "prepare_trainer",
    "run_folder",
    "scored_values",
    "without_noise",
]
