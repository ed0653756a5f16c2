"""Calibration of a run's best checkpoint, kept in that file and beside it."""

from __future__ import annotations

import json
from pathlib import Path

from lightning.pytorch import LightningDataModule, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_warn

from hemenet_lab.calibration import CALIBRATION_KEY, Calibration, calibrate
from hemenet_lab.model import MultiTaskModule
from hemenet_lab.saved import module_from_checkpoint, read_checkpoint
from hemenet_lab.store import Store
from hemenet_lab.tracking import Artifact, tracker_of
from hemenet_lab.training.files import AtomicCheckpointIO, write_whole
from hemenet_lab.training.record import run_folder


def keep_calibration(
    trainer: Trainer, model: LightningModule, data: LightningDataModule, path: Path
) -> None:
    """Calibrate a checkpoint that a fit has left, and keep the result in it.

    The numbers come from the very weights that lie beside them in the file, which is replaced as a
    whole or not at all. The run's folder gets `Artifact.CALIBRATION`, for reports. A checkpoint of
    another module, or of data without a store, stays as it is, and so does one without any
    validation.

    Args:
        trainer: Has fitted; its ``limit_val_batches`` holds here too.
        model: The module; it gets the weights of the checkpoint.
        data: Its data.
        path: The checkpoint.
    """
    store = getattr(data, "store", None)
    if not isinstance(model, MultiTaskModule) or not isinstance(store, Store):
        return
    limit = trainer.limit_val_batches
    if not limit:
        return
    content = read_checkpoint(path)
    if not model.tasks:  # trained by processes of its own, this one has only begun it
        model.on_load_checkpoint(content)
    model.load_state_dict(content["state_dict"])
    found = calibrate(
        model,
        store,
        getattr(data, "split_name", "default"),
        device=trainer.strategy.root_device,
        max_batches=limit if isinstance(limit, int) else None,
    )
    AtomicCheckpointIO().save_checkpoint({**content, CALIBRATION_KEY: found.to_dict()}, path)
    report = json.dumps(found.report(), indent=1)
    write_whole(run_folder(trainer) / Artifact.CALIBRATION, report.encode())
    tracker = tracker_of(trainer)
    if tracker is not None:
        tracker.log_text(report, Artifact.CALIBRATION)


def calibrate_checkpoint(
    path: str | Path, store: str | Path, split: str = "default", *, trust: bool = False
) -> Calibration:
    """Calibrate a checkpoint from before there was calibration, and keep the result in it.

    Args:
        path: The checkpoint, which is replaced.
        store: Folder of the store that it was trained on.
        split: The split that it was trained on.
        trust: Build any class that it names.

    Raises:
        ValueError: No such checkpoint or store, or tasks that are not the store's.
    """
    module, content = module_from_checkpoint(MultiTaskModule, path, trust=trust)
    opened = Store(store)
    theirs = {task.name: task.terms for task in opened.tasks}
    other = [task.name for task in module.tasks if theirs.get(task.name) != task.terms]
    if other:
        raise ValueError(
            f"{path} predicts {other} with other terms than {store} has; give the store that it "
            "was trained on"
        )
    found = calibrate(module, opened, split)
    if not found.terms and not found.values:
        rank_zero_warn(f"split {split!r} of {store} has no validation labels for {path}")
    AtomicCheckpointIO().save_checkpoint({**content, CALIBRATION_KEY: found.to_dict()}, path)
    return found
