"""Short fits of an encoder: a few steps of any tasks, and affinities until known by heart."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer

from hemenet_lab.encoders.base import Encoder
from hemenet_lab.loading.datamodule import ProteinMTDataModule
from hemenet_lab.model.module import MultiTaskModule
from hemenet_lab.store.entry import Entry
from hemenet_lab.store.reader import Store, StoreWriter
from tests.store.small_store import trainer

AFFINITIES = ["lba", "ppa"]


class StopBelow(Callback):
    """Keeps the training losses, and stops below a limit."""

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self.losses: list[float] = []

    def on_train_batch_end(self, trainer: Trainer, *args: Any) -> None:
        self.losses.append(float(trainer.callback_metrics["train/loss"]))
        trainer.should_stop = self.losses[-1] < self.limit


def eight_complexes(store: Path, folder: Path) -> Path:
    """Copies the four smallest complexes of each affinity, all for training by default.

    Of the split ``halves``, every other one is for validation.
    """
    source = Store(store)
    smallest = sorted(range(len(source)), key=lambda index: source.num_atoms[index])
    chosen: list[Entry] = []
    for task in AFFINITIES:
        chosen += [source[index] for index in smallest if task in source[index].values][:4]
    with StoreWriter(folder, source.tasks) as writer:
        for entry in chosen:
            writer.add(entry)
        writer.set_split("default", {entry.id: "train" for entry in chosen})
        parts = {entry.id: ("train", "val")[number % 2] for number, entry in enumerate(chosen)}
        writer.set_split("halves", parts)
        writer.close()
    counts = Store(folder).counts()["train"]
    assert (counts["lba"], counts["ppa"]) == (4, 4)
    return folder


@dataclass
class Memory:
    """What `memorise` leaves."""

    module: MultiTaskModule
    data: ProteinMTDataModule
    losses: list[float]
    """Sum of both tasks' mean squared errors at each step, pKd²."""


def memorise(
    encoder: Encoder, store: Path, folder: Path, limit: float, epochs: int, lr: float = 5e-3
) -> Memory:
    """Adam on all training complexes as one batch per epoch, until the loss is below ``limit``."""
    module = MultiTaskModule(
        encoder,
        tasks=AFFINITIES,
        optimizer=lambda parameters: torch.optim.Adam(parameters, lr=lr),
        lr_scheduler=None,
    )
    data = ProteinMTDataModule(str(store), tasks=AFFINITIES, batch_graphs=8)
    stop = StopBelow(limit)
    trainer(folder, max_epochs=epochs, limit_val_batches=0, callbacks=[stop]).fit(module, data)
    return Memory(module, data, stop.losses)


def check_training(
    encoder: Encoder,
    data: ProteinMTDataModule,
    folder: Path,
    tasks: list[str] | None,
    precision: str,
) -> MultiTaskModule:
    """Two steps and a validation batch: finite losses of every task, and weights that move.

    Args:
        encoder: What is trained.
        data: Data with labels of all the tasks in training and validation.
        folder: Working folder of the trainer.
        tasks: Tasks to learn, all of the data's if None.
        precision: Lightning's name, such as ``bf16-mixed``.
    """
    module = MultiTaskModule(encoder, tasks=tasks)
    limits = {"max_steps": 2, "limit_val_batches": 1, "val_check_interval": 1}
    run = trainer(folder, precision=precision, gradient_clip_val=10.0, **limits)
    before = [parameter.clone() for parameter in encoder.parameters()]
    run.fit(module, data)
    with_terms = [task.name for task in data.store.tasks if task.num_outputs]
    assert [task.name for task in module.tasks] == (tasks or with_terms)
    losses = {key: float(value) for key, value in run.callback_metrics.items() if "loss" in key}
    assert {f"train/{task.name}/loss" for task in module.tasks} <= set(losses)
    assert {"train/loss", "val/loss"} <= set(losses)
    assert all(math.isfinite(value) for value in losses.values()), losses
    assert all(bool(parameter.isfinite().all()) for parameter in module.parameters())
    moved = [not torch.equal(a, b) for a, b in zip(before, encoder.parameters(), strict=True)]
    assert sum(moved) > 0.9 * len(moved)
    return module
