"""Callbacks that tests hang into a run."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer


class KillAt(Callback):
    """Ends the process without warning (SIGKILL) before a training step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_start(self, trainer: Trainer, *args: Any, **kwargs: Any) -> None:
        if trainer.global_step == self.step:
            os.kill(os.getpid(), signal.SIGKILL)


class SaveWeights(Callback):
    """Writes the final weights, of rank 0, to a file."""

    def __init__(self, path: str) -> None:
        self.path = Path(path)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.is_global_zero:
            torch.save(pl_module.state_dict(), self.path)


class RecordBatches(Callback):
    """Appends the entries of every training batch to a file per rank."""

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        line = f"{trainer.current_epoch} {batch_idx} {' '.join(sorted(batch.entry_id))}\n"
        with (self.folder / f"rank{trainer.global_rank}.txt").open("a") as stream:
            stream.write(line)
