"""Private parts of Lightning's loops and connectors that we use, in one place.

The tests that kill runs, and those of signals, fail if a new version changes it.
"""

from __future__ import annotations

import logging
import warnings
from enum import Enum
from functools import partial
from typing import Any

from lightning.fabric.plugins.environments import SLURMEnvironment
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import (
    BatchSizeFinder,
    LearningRateFinder,
    ModelSummary,
    ProgressBar,
    RichModelSummary,
)
from lightning.pytorch.strategies.launchers.multiprocessing import _MultiProcessingLauncher
from lightning.pytorch.trainer.connectors.checkpoint_connector import _CheckpointConnector

from hemenet_lab.training.callbacks import PartsSummary


class Place(Enum):
    """Place in the loops at which a checkpoint is made."""

    EPOCH_DONE = "epoch done"
    """All of an epoch is done, nothing of the next one."""
    BATCH_DONE = "batch done"
    """After an optimizer step, with further batches to come."""
    BEFORE_VALIDATION = "before validation"
    """After an optimizer step, or within the validation that follows it: that is to be done."""
    VALIDATED = "validated"
    """After a validation within an epoch."""


def is_last_batch(trainer: Trainer) -> bool:
    """Check that the batch that has just been trained on ends the epoch."""
    return trainer.fit_loop.epoch_loop._num_ready_batches_reached()


def validates_next(trainer: Trainer) -> bool:
    """Check that a validation follows the batch that has just been trained on."""
    loop = trainer.fit_loop
    assert loop._data_fetcher is not None
    return loop.epoch_loop._should_check_val_fx(loop._data_fetcher)


def to_be_logged(trainer: Trainer) -> dict[str, float]:
    """Values for the loggers when the hooks at the end of a batch are done."""
    connector = trainer._logger_connector
    if not connector.should_update_logs:
        return {}
    return {name: float(value) for name, value in connector.metrics["log"].items()}


def set_counters(fit_loop: dict[str, Any], place: Place | None, validating: bool) -> None:
    """Make a checkpoint's counters say where it stands, as Lightning reads them.

    Args:
        fit_loop: The checkpoint's state of the loop.
        place: Where it stands.
        validating: The validation that is to be done was under way.
    """
    if place is Place.EPOCH_DONE:
        epochs = fit_loop["epoch_progress"]
        for counts in epochs["total"], epochs["current"]:
            counts["ready"] = counts["started"]
    if place is Place.BEFORE_VALIDATION:
        for counts in (
            (batches := fit_loop["epoch_loop.batch_progress"])["total"],
            batches["current"],
        ):
            counts["completed"] = counts["processed"]
        validation = fit_loop["epoch_loop.val_loop.batch_progress"]
        done = validation["total"]["ready"] - validating * validation["current"]["ready"]
        validation["is_last_batch"] = False
        validation["current"] = dict.fromkeys(validation["current"], 0)
        # those of the epoch's former ones, and one batch begun: a validation that was broken off
        begun = dict.fromkeys(("ready", "started"), done + 1)
        validation["total"] = begun | dict.fromkeys(("processed", "completed"), done)


def begin_whole_epoch(trainer: Trainer) -> None:
    """Let a run that was resumed between two epochs begin the next, also with ``max_steps``."""
    progress = trainer.fit_loop.epoch_progress.current
    if progress.ready == progress.processed:  # type: ignore[attr-defined]
        trainer.fit_loop._restarting = False
        trainer.fit_loop.epoch_loop.restarting = False


def like_any_epoch(trainer: Trainer) -> None:
    """Let the plateau schedule step at the end of an epoch that was resumed within."""
    trainer.fit_loop._restarting = False


def begin_whole_validation(trainer: Trainer) -> None:
    """Count the batches of a validation that is repeated from its beginning, after former ones."""
    loop = trainer.fit_loop.epoch_loop.val_loop
    if loop.restarted_mid_evaluation:
        total = loop.batch_progress.total
        total.ready = total.started = total.completed  # type: ignore[attr-defined]


def log_now(trainer: Trainer, metrics: dict[str, float]) -> None:
    """Give the loggers the metrics of the step that a resumed run has last done."""
    if metrics:
        trainer._logger_connector.log_metrics(metrics)  # type: ignore[arg-type]


def prepare_trainer(trainer: Trainer) -> None:
    """Keep a trainer from what Lightning does behind a run's back; called before it is used.

    Its ``hpc_ckpt_*.ckpt`` above all: at SIGUSR1 under SLURM it would write them into the working
    folder, and any later run there would open them, whoever's they are.

    Raises:
        ValueError: It has a callback or a precision that cannot work here.
    """
    if trainer.precision in ("16-true", "bf16-true"):
        mixed = trainer.precision.replace("true", "mixed")
        raise ValueError(
            f"precision {trainer.precision} cannot be used: small updates would be lost in weights "
            f"of 16 bits; use --trainer.precision={mixed}, which is as fast, or 32-true"
        )
    callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]  # a plain list
    for number, one in enumerate(callbacks):
        if isinstance(one, (LearningRateFinder, BatchSizeFinder)):
            raise ValueError(f"{type(one).__name__} cannot be used: {_INSTEAD[type(one)]}")
        if isinstance(one, ModelSummary) and type(one) in (ModelSummary, RichModelSummary):
            callbacks[number] = PartsSummary(max_depth=one._max_depth)
        if isinstance(one, ProgressBar):
            vars(one)["get_metrics"] = _WithoutVersion(one)  # in front of its class's
    trainer._checkpoint_connector = _OwnCheckpoints(trainer)
    environment = trainer._accelerator_connector.cluster_environment
    if isinstance(environment, SLURMEnvironment):
        environment.auto_requeue = False


class _WithoutVersion:
    """A progress bar's metrics without Lightning's ``v_num``, a run's id that fills half a line.

    A class, so that a bar goes to processes that a strategy spawns.
    """

    def __init__(self, bar: ProgressBar) -> None:
        self._bar = bar

    def __call__(self, *args: Any) -> dict[str, Any]:
        found = type(self._bar).get_metrics(self._bar, *args)
        return {name: value for name, value in found.items() if name != "v_num"}


def spawns(trainer: Trainer) -> bool:
    """Check that the trainer's work is done in processes that it spawns or forks."""
    return isinstance(trainer.strategy.launcher, _MultiProcessingLauncher)


_INSTEAD = {
    LearningRateFinder: "the rate belongs to model.optimizer, which it cannot set; compare short "
    "runs, as --trainer.max_epochs=2 --model.optimizer.lr=1e-3",
    BatchSizeFinder: "batches are bounded by data.max_atoms_per_batch and data.max_edges_per_batch "
    "(per process), not by a fixed size; lower these if memory runs out, or data.batch_graphs",
}


class _OwnCheckpoints(_CheckpointConnector):
    _hpc_resume_path = None


def without_noise() -> None:
    """Keep messages that no user of ours can act on out of the terminal."""
    warnings.filterwarnings("ignore", message=".*treespec, LeafSpec.*")
    # each run has a folder of its own for its checkpoints, and a resumed run has its own again
    warnings.filterwarnings("ignore", message="The dirpath has changed")
    warnings.filterwarnings("ignore", message="Checkpoint directory .* exists and is not empty")
    # what we log at the end of an epoch is the same on every process already
    warnings.filterwarnings("ignore", message="It is recommended to use `self.log")
    for name, noise in (
        ("lightning.pytorch.utilities.rank_zero", "Tip:"),
        ("lightning.pytorch.loggers.mlflow", "not found. Creating it"),  # in a new folder
    ):
        logging.getLogger(name).addFilter(partial(_is_no, noise))


def _is_no(noise: str, record: logging.LogRecord) -> bool:
    return noise not in record.getMessage()
