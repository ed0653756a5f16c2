"""Checkpoints of a run: when they are written, and what they can be resumed from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer

from hemenet_lab.loading.datamodule import ProteinMTDataModule
from hemenet_lab.tracking import Tracker, tracker_of
from hemenet_lab.training.checkpoints import RunCheckpoint
from tests.store.small_store import Recorder, small_store, trainer


class Watched(RunCheckpoint):
    """Keeps (optimizer steps, batches) at each time that ``last.ckpt`` is written."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.written: list[tuple[int, int]] = []

    def _save_last_checkpoint(self, trainer: Trainer, monitor_candidates: Any) -> None:
        super()._save_last_checkpoint(trainer, monitor_candidates)
        batches = trainer.fit_loop.epoch_loop.batch_progress.total.ready
        self.written.append((trainer.global_step, batches))


def fit(store: Path, folder: Path, ckpt_path: str | None = None, **options: Any) -> Watched:
    checkpoint = Watched(every_n_train_steps=options.pop("every", None))
    run = trainer(
        folder,
        callbacks=[checkpoint],
        enable_checkpointing=True,
        limit_val_batches=0,
        **options,
    )
    data = ProteinMTDataModule(str(store), batch_graphs=6)
    run.fit(Recorder(str(folder)), datamodule=data, ckpt_path=ckpt_path)
    return checkpoint


def test_no_checkpoint_between_batches_whose_gradients_are_added(tmp_path: Path) -> None:
    store = small_store(tmp_path / "store")
    whole: dict[str, Any] = {"max_epochs": 2, "accumulate_grad_batches": 2, "every": 1}
    first = fit(store.path, tmp_path, **whole)
    written = first.written
    steps = [step for step, _ in written[:3]]
    assert steps == [1, 2, 3]
    assert [batches for _, batches in written[:3]] == [2, 4, 6]
    more: dict[str, Any] = whole | {"max_epochs": 3}
    resumed = fit(store.path, tmp_path, ckpt_path=first.last_model_path, **more).written
    assert resumed[0][0] == written[-1][0] + 1


def test_last_checkpoint_of_every_epoch_without_validation(tmp_path: Path) -> None:
    store = small_store(tmp_path / "store")
    watched = fit(store.path, tmp_path, max_epochs=3)
    per_epoch = watched.written[0][0]
    assert [step for step, _ in watched.written] == [per_epoch * (n + 1) for n in range(3)]
    last = torch.load(watched.last_model_path, weights_only=True)
    assert last["global_step"] == 3 * per_epoch


class LogEach(Callback):
    """Logs a number at each batch, however fast they come."""

    def on_train_batch_end(self, trainer: Trainer, *args: Any, **options: Any) -> None:
        tracker_of(trainer).log_metrics({"x": 1.0}, trainer.global_step)  # type: ignore[union-attr]


class CountRecorded(RunCheckpoint):
    """Keeps (optimizer steps, values in the database) at each ``last.ckpt``."""

    def __init__(self) -> None:
        super().__init__(every_n_train_steps=3)
        self.found: list[tuple[int, int]] = []

    def _save_last_checkpoint(self, trainer: Trainer, monitor_candidates: Any) -> None:
        super()._save_last_checkpoint(trainer, monitor_candidates)
        tracker = tracker_of(trainer)
        assert tracker is not None
        assert tracker.run_id is not None
        values = tracker.experiment.get_metric_history(tracker.run_id, "x")
        self.found.append((trainer.global_step, len(values)))


def test_what_was_logged_before_a_checkpoint_is_in_the_database(tmp_path: Path) -> None:
    store, checkpoint = small_store(tmp_path / "store"), CountRecorded()
    run = trainer(
        tmp_path,
        callbacks=[LogEach(), checkpoint],
        logger=Tracker(folder=str(tmp_path)),
        enable_checkpointing=True,
        limit_val_batches=0,
        max_epochs=1,
    )
    run.fit(Recorder(str(tmp_path)), ProteinMTDataModule(str(store.path), batch_graphs=4))
    assert len(checkpoint.found) > 2
    assert all(step == values for step, values in checkpoint.found)
