"""Checkpoints of a run, in its own folder, that a resumed run goes on from bit for bit.

What Lightning writes at the end of a validation lacks the rest of the epoch: the plateau schedule
steps, and callbacks count, after it. Here the checkpoints of an epoch are written when all of that
is done, and those within an epoch say whether a validation is still to come.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import (
    EarlyStopping,
    ModelCheckpoint,
    StochasticWeightAveraging,
    WeightAveraging,
)
from lightning.pytorch.callbacks.early_stopping import EarlyStoppingReason
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities import rank_zero_info, rank_zero_warn
from torch import Tensor

from hemenet_lab.tracking import tracker_of
from hemenet_lab.training.files import cannot_write
from hemenet_lab.training.loops import (
    Place,
    begin_whole_epoch,
    begin_whole_validation,
    is_last_batch,
    like_any_epoch,
    log_now,
    set_counters,
    to_be_logged,
    validates_next,
)
from hemenet_lab.training.preemption import preemption_of
from hemenet_lab.training.record import share_run_folder

METRICS_KEY = "callback_metrics"
"""Where a checkpoint keeps the metrics that schedules and callbacks may still ask for."""
UNLOGGED_KEY = "unlogged_metrics"
"""Where it keeps those of its step, which Lightning gives to the loggers a moment later."""

AVERAGED = "averaged.ckpt"
"""Weights averaged over epochs (SWA), which exist at the end of the training only."""


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
        """Check that that epoch's checkpoint may be one of the best."""
        self._step_before = 0
        self._epoch_ended = False
        self._resumed_metrics: dict[str, Tensor] | None = None
        self._resumed_rates: list[float] = []
        self._unlogged: dict[str, Any] = {}

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
            log_now(trainer, self._unlogged)
            self._resumed_metrics, self._unlogged = None, {}
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
        if (due or _asked_to_end(trainer)) and not trainer.fast_dev_run:  # type: ignore[attr-defined]
            self._save_within_epoch(trainer)

    def on_validation_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, *args: Any, **kwargs: Any
    ) -> None:
        if trainer.state.fn != TrainerFn.FITTING or not _asked_to_end(trainer):
            return
        for one in _callbacks(trainer):
            if isinstance(one, WeightAveraging):
                one.on_validation_epoch_end(trainer, pl_module)  # gives the weights back
        if not _averages_epochs(trainer):
            self.write_last(trainer, Place.BEFORE_VALIDATION)
        self._leave(trainer)

    def _save_within_epoch(self, trainer: Trainer) -> None:
        """Write ``last.ckpt`` at the end of a batch, if this is a place to go on from.

        It is none between batches whose gradients are added, nor at an epoch's end: there
        `epoch_done` follows at once.
        """
        validates = validates_next(trainer)
        if trainer.global_step == self._step_before or (is_last_batch(trainer) and not validates):
            return
        if not _averages_epochs(trainer):  # such an epoch cannot be taken up within
            place = Place.BEFORE_VALIDATION if validates else Place.BATCH_DONE
            self.write_last(trainer, place)
        if _asked_to_end(trainer):
            self._leave(trainer)

    def _leave(self, trainer: Trainer) -> None:
        preemption = preemption_of(trainer)
        assert preemption is not None
        last = Path(self.last_model_path) if self.last_model_path else None
        preemption.leave(trainer, last)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._should_skip_saving_checkpoint(trainer):
            return
        if is_last_batch(trainer):
            self._rank_epoch = True
        else:
            with self._at(Place.VALIDATED):
                self._save_topk_checkpoint(trainer, self._monitor_candidates(trainer))
            if not _averages_epochs(trainer):
                self.write_last(trainer, Place.VALIDATED)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._candidates = self._monitor_candidates(trainer)
        # one that was stopped within stays as its last validation has left it
        self._epoch_ended = is_last_batch(trainer) or trainer.global_step > self._last_written
        if not self._should_skip_saving_checkpoint(trainer):
            self._rank_epoch |= self._should_save_on_train_epoch_end(trainer)

    def epoch_done(self, trainer: Trainer) -> None:
        """Write what an epoch leaves, when the schedules have stepped and all callbacks counted."""
        if self._epoch_ended and not trainer.fast_dev_run:  # type: ignore[attr-defined]
            if self._rank_epoch:
                with self._at(Place.EPOCH_DONE):
                    self._save_topk_checkpoint(trainer, self._candidates)
            if not _updates_statistics(trainer):
                self.write_last(trainer, Place.EPOCH_DONE)
        self._rank_epoch = self._epoch_ended = False
        if _asked_to_end(trainer):
            self._leave(trainer)

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
        if (tracker := tracker_of(trainer)) is not None:
            tracker.send_held()  # a run that is resumed here does not log them again
        with cannot_write(Path(filepath)):
            super()._save_checkpoint(trainer, filepath)

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        if trainer.state.fn == TrainerFn.FITTING:
            metrics = trainer.callback_metrics
            checkpoint[METRICS_KEY] = {name: value.detach() for name, value in metrics.items()}
            set_counters(checkpoint["loops"]["fit_loop"], self._place, trainer.validating)
            if self._place in (Place.BATCH_DONE, Place.BEFORE_VALIDATION) and trainer.training:
                checkpoint[UNLOGGED_KEY] = to_be_logged(trainer)

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        if trainer.state.fn == TrainerFn.FITTING:
            self._resumed_metrics = checkpoint.get(METRICS_KEY, {})  # not in former checkpoints
            self._unlogged = checkpoint.get(UNLOGGED_KEY, {})
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
        begin_whole_epoch(trainer)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._checkpoint.epoch_done(trainer)

    def on_train_batch_start(self, trainer: Trainer, *args: Any, **kwargs: Any) -> None:
        like_any_epoch(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        like_any_epoch(trainer)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.state.fn == TrainerFn.FITTING:
            begin_whole_validation(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._checkpoint.epoch_done(trainer)


def _callbacks(trainer: Trainer) -> list[Callback]:
    return trainer.callbacks  # type: ignore[attr-defined]  # a plain list


def _asked_to_end(trainer: Trainer) -> bool:
    preemption = preemption_of(trainer)
    return preemption is not None and preemption.asked(trainer)


def _averages_epochs(trainer: Trainer) -> bool:
    """Check that `StochasticWeightAveraging` has begun to average."""
    return any(
        isinstance(one, StochasticWeightAveraging) and int(one.n_averaged or 0) > 0
        for one in _callbacks(trainer)
    )


def _updates_statistics(trainer: Trainer) -> bool:
    """Check that SWA's epoch for batch normalisation is next: no resumed run can begin with it.

    It repeats the epoch before.
    """
    return trainer.current_epoch < (trainer.fit_loop.max_epochs or 0) and any(
        isinstance(one, StochasticWeightAveraging) and trainer.current_epoch == one.swa_end + 1
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
