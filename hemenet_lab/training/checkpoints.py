"""Checkpoints of a run, in its own folder, that a resumed run goes on from bit for bit.

What Lightning writes at the end of a validation lacks the rest of the epoch: the plateau schedule
steps, and callbacks count, after it. Here the checkpoints of an epoch are written when all of that
is done, and those within an epoch say whether a validation is still to come. The functions at the
end name what of Lightning's loops this takes; the tests that kill runs fail if it changes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import (
    EarlyStopping,
    ModelCheckpoint,
    StochasticWeightAveraging,
)
from lightning.pytorch.callbacks.early_stopping import EarlyStoppingReason
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities import rank_zero_info, rank_zero_warn
from torch import Tensor

from hemenet_lab.training.files import cannot_write
from hemenet_lab.training.record import share_run_folder

METRICS_KEY = "callback_metrics"
"""Where a checkpoint keeps the metrics that schedules and callbacks may still ask for."""

AVERAGED = "averaged.ckpt"
"""Weights averaged over epochs (SWA), which exist at the end of the training only."""


class Place(Enum):
    """Where in the loops a checkpoint is made."""

    EPOCH_DONE = "epoch done"
    """All of an epoch is done, nothing of the next one."""
    BATCH_DONE = "batch done"
    """After an optimizer step, with further batches to come."""
    BEFORE_VALIDATION = "before validation"
    """After an optimizer step, or within the validation that follows it: that is to be done."""
    VALIDATED = "validated"
    """After a validation within an epoch."""


class RunCheckpoint(ModelCheckpoint):
    """ModelCheckpoint in the run's own folder, ``<run folder>/checkpoints``.

    Keeps the best checkpoint by ``monitor``, and the last one after every epoch and every
    validation. Both can be resumed from without any difference to a run that never stopped.

    Args:
        monitor: Metric to compare; ``val/score`` weighs all tasks alike.
        mode: ``max`` or ``min``.
        save_top_k: How many of the best are kept.
        every_n_train_steps: Also write the last checkpoint within an epoch, for long epochs.
    """

    def __init__(
        self,
        monitor: str = "val/score",
        mode: str = "max",
        save_top_k: int = 1,
        every_n_train_steps: int | None = None,
    ) -> None:
        super().__init__(
            monitor=monitor,
            mode=mode,
            save_top_k=save_top_k,
            save_last=True,
            filename="epoch{epoch:03d}",
            auto_insert_metric_name=False,
            enable_version_counter=False,  # an epoch that is repeated replaces its checkpoint
        )
        self.last_every_n_steps = every_n_train_steps
        self._place: Place | None = None
        self._last_written = 0
        """Optimizer step of ``last.ckpt``."""
        self._candidates: dict[str, Tensor] = {}
        """Metrics of the epoch that has just ended."""
        self._rank_epoch = False
        """Whether that epoch's checkpoint may be one of the best."""
        self._step_before = 0
        self._resumed_metrics: dict[str, Tensor] | None = None
        self._resumed_rates: list[float] = []

    # --- when -----------------------------------------------------------------------------------

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if stage == "fit":
            folder = share_run_folder(trainer)
            if self.dirpath is None:
                self.dirpath = str(folder / "checkpoints")
            if not any(isinstance(one, _EpochEdge) for one in _callbacks(trainer)):
                trainer.callbacks = [_EpochEdge(self), *_callbacks(trainer)]  # type: ignore[attr-defined]
        super().setup(trainer, pl_module, stage)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        super().on_train_start(trainer, pl_module)
        self._last_written = trainer.global_step
        if self._resumed_metrics is not None:
            trainer.callback_metrics.update(self._resumed_metrics)
            self._resumed_metrics = None
            _stop_again(trainer)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        groups = trainer.optimizers[0].param_groups
        for group, rate in zip(groups, self._resumed_rates, strict=False):
            group["lr"] = rate
        self._resumed_rates = []

    def on_train_batch_start(self, trainer: Trainer, *args: Any, **kwargs: Any) -> None:
        self._step_before = trainer.global_step

    def on_train_batch_end(self, trainer: Trainer, *args: Any, **kwargs: Any) -> None:
        every, step = self.last_every_n_steps, trainer.global_step
        due = every and step % every == 0 and step > self._last_written
        if due and not trainer.fast_dev_run:  # type: ignore[attr-defined]
            self.save_within_epoch(trainer)

    def save_within_epoch(self, trainer: Trainer) -> bool:
        """Write ``last.ckpt`` at the end of a batch, if this is a place to go on from.

        It is none between batches whose gradients are added, nor at an epoch's end: there
        `epoch_done` follows at once.
        """
        validates = _validates_next(trainer)
        if trainer.global_step == self._step_before or (_is_last_batch(trainer) and not validates):
            return False
        if _averages_epochs(trainer):
            return False  # Lightning begins such an epoch in ways that cannot be taken up within it
        self.write_last(trainer, Place.BEFORE_VALIDATION if validates else Place.BATCH_DONE)
        return True

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._should_skip_saving_checkpoint(trainer):
            return
        if _is_last_batch(trainer):
            self._rank_epoch = True
        else:
            with self._at(Place.VALIDATED):
                self._save_topk_checkpoint(trainer, self._monitor_candidates(trainer))
            if not _averages_epochs(trainer):
                self.write_last(trainer, Place.VALIDATED)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._candidates = self._monitor_candidates(trainer)
        if not self._should_skip_saving_checkpoint(trainer):
            self._rank_epoch |= self._should_save_on_train_epoch_end(trainer)

    def epoch_done(self, trainer: Trainer) -> None:
        """Write what an epoch leaves, when the schedules have stepped and all callbacks counted."""
        if not trainer.fast_dev_run and trainer.global_step > self._last_written:  # type: ignore[attr-defined]
            if self._rank_epoch:
                with self._at(Place.EPOCH_DONE):
                    self._save_topk_checkpoint(trainer, self._candidates)
            self.write_last(trainer, Place.EPOCH_DONE)
        self._rank_epoch = False

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep weights averaged over epochs, for the test: no checkpoint has had them yet."""
        if not trainer.fast_dev_run and _averages_epochs(trainer):  # type: ignore[attr-defined]
            path = f"{self.dirpath}/{AVERAGED}"
            with self._at(Place.EPOCH_DONE):
                trainer.save_checkpoint(path)
            self.best_model_path = path
            rank_zero_info(f"The averaged weights are those that count: {path}")

    # --- what -----------------------------------------------------------------------------------

    def write_last(self, trainer: Trainer, place: Place) -> None:
        """Write ``last.ckpt``, and still let this step's checkpoint be kept as one of the best."""
        step = self._last_global_step_saved
        self._last_written = trainer.global_step
        with self._at(place):
            self._save_last_checkpoint(trainer, self._monitor_candidates(trainer))
        self._last_global_step_saved = step

    @contextmanager
    def _at(self, place: Place) -> Iterator[None]:
        self._place = place
        try:
            yield
        finally:
            self._place = None

    def _save_checkpoint(self, trainer: Trainer, filepath: str) -> None:
        if self._last_checkpoint_saved and not Path(self.dirpath or "").exists():
            rank_zero_warn(
                f"{self.dirpath} was removed under the run, with the checkpoints there; it is made "
                "anew and training goes on"
            )
        with cannot_write(Path(filepath)):
            super()._save_checkpoint(trainer, filepath)

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        if trainer.state.fn == TrainerFn.FITTING:
            metrics = trainer.callback_metrics
            checkpoint[METRICS_KEY] = {name: value.detach() for name, value in metrics.items()}
            _set_counters(checkpoint["loops"]["fit_loop"], self._place)

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        if trainer.state.fn == TrainerFn.FITTING:
            self._resumed_metrics = checkpoint.get(METRICS_KEY, {})  # not in former checkpoints
            if any(state.get("n_averaged") for state in checkpoint["callbacks"].values()):
                # SWA makes its schedule anew at the start of the epoch, which changes the rates
                groups = checkpoint["optimizer_states"][0]["param_groups"]
                self._resumed_rates = [group["lr"] for group in groups]
        elif "current_model_state" in checkpoint:
            # WeightAveraging has put the weights of the last step in place of the averaged ones
            pl_module.load_state_dict(checkpoint["state_dict"])

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        self.current_score = state_dict.get("current_score")  # which Lightning saves only


class _EpochEdge(Callback):
    """First of all callbacks: what it does lies before all that they do for the next epoch."""

    def __init__(self, checkpoint: RunCheckpoint) -> None:
        self._checkpoint = checkpoint

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        _begin_whole_epoch(trainer)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._checkpoint.epoch_done(trainer)

    def on_train_batch_start(self, trainer: Trainer, *args: Any, **kwargs: Any) -> None:
        _like_any_epoch(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        _like_any_epoch(trainer)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.state.fn == TrainerFn.FITTING:
            _begin_whole_validation(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._checkpoint.epoch_done(trainer)


def _callbacks(trainer: Trainer) -> list[Callback]:
    return trainer.callbacks  # type: ignore[attr-defined]  # a plain list


def _averages_epochs(trainer: Trainer) -> bool:
    """Whether `StochasticWeightAveraging` has begun to average."""
    return any(
        isinstance(one, StochasticWeightAveraging) and int(one.n_averaged or 0) > 0
        for one in _callbacks(trainer)
    )


def _stop_again(trainer: Trainer) -> None:
    """End a resumed run at once that had been stopped early, unless its settings now go further."""
    for one in _callbacks(trainer):
        if isinstance(one, EarlyStopping) and (
            one.stopping_reason == EarlyStoppingReason.PATIENCE_EXHAUSTED
            and one.wait_count >= one.patience
        ):
            trainer.should_stop = True


# --- Lightning's loops ------------------------------------------------------------------------


def _is_last_batch(trainer: Trainer) -> bool:
    """Whether the batch that has just been trained on ends the epoch."""
    return trainer.fit_loop.epoch_loop._num_ready_batches_reached()


def _validates_next(trainer: Trainer) -> bool:
    """Whether a validation follows the batch that has just been trained on."""
    loop = trainer.fit_loop
    assert loop._data_fetcher is not None
    return loop.epoch_loop._should_check_val_fx(loop._data_fetcher)


def _set_counters(fit_loop: dict[str, Any], place: Place | None) -> None:
    """Make a checkpoint's counters say where it stands, as Lightning reads them."""
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
        validation["is_last_batch"] = False
        validation["current"] = dict.fromkeys(validation["current"], 0)
        # one batch begun and none done: a validation that was broken off
        validation["total"] = {"ready": 1, "started": 1, "processed": 0, "completed": 0}


def _begin_whole_epoch(trainer: Trainer) -> None:
    """Let a run that was resumed between two epochs begin the next, also with ``max_steps``."""
    progress = trainer.fit_loop.epoch_progress.current
    if progress.ready == progress.processed:  # type: ignore[attr-defined]
        trainer.fit_loop._restarting = False
        trainer.fit_loop.epoch_loop.restarting = False


def _like_any_epoch(trainer: Trainer) -> None:
    """Let the plateau schedule step at the end of an epoch that was resumed within."""
    trainer.fit_loop._restarting = False


def _begin_whole_validation(trainer: Trainer) -> None:
    """Count the batches of a validation that is repeated from its beginning."""
    loop = trainer.fit_loop.epoch_loop.val_loop
    if loop.restarted_mid_evaluation:
        loop.batch_progress.total.reset()
