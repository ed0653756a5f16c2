"""What happens around training: reproducible steps, throughput, a guard, and the final table."""

from __future__ import annotations

import time
import zlib
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from hemenet_lab.data.graph import ProteinGraph, count_graphs


class ReproducibleSteps(Callback):
    """Seeds every training step by (seed, epoch, batch), so that a resumed run repeats exactly.

    Checkpoints hold no random state; with this, dropout draws the same numbers in a straight run,
    in a resumed one, and on two processes as on one that accumulates two batches.

    Args:
        seed: Base of the seeds.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        number = batch_idx * trainer.world_size + trainer.global_rank
        text = f"{self.seed}/{trainer.current_epoch}/{number}"
        torch.manual_seed(zlib.crc32(text.encode()))


class Throughput(Callback):
    """Logs training speed per epoch: ``train/graphs_per_second``, ``train/atoms_per_second``.

    Counts this process's batches; the time includes loading, not validation.
    """

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._restart()

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._restart()  # not called in the epoch that a resumed run starts within

    def _restart(self) -> None:
        self._graphs = self._atoms = 0
        self._seconds = 0.0
        self._mark = time.perf_counter()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        now = time.perf_counter()
        self._seconds += now - self._mark
        self._mark = now
        self._graphs += count_graphs(batch)
        self._atoms += int(batch.channel_mask.sum())

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._mark = time.perf_counter()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._seconds > 0:
            rates = {
                "train/graphs_per_second": self._graphs * trainer.world_size / self._seconds,
                "train/atoms_per_second": self._atoms * trainer.world_size / self._seconds,
            }
            for logger in trainer.loggers:
                logger.log_metrics(rates, step=trainer.global_step)


class NonFiniteGuard(Callback):
    """Stops training at the first loss that is not finite, naming the entries of the batch."""

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        loss = outputs["loss"] if isinstance(outputs, dict) else outputs
        if loss is not None and not bool(torch.isfinite(loss).all()):
            raise FloatingPointError(
                f"the training loss is {float(loss)} in epoch {trainer.current_epoch}, batch "
                f"{batch_idx}, entries {_entry_ids(batch)}; lower the learning rate, use "
                "--trainer.precision=32-true, or look at these structures"
            )


def _entry_ids(batch: ProteinGraph) -> list[str]:
    ids = getattr(batch, "entry_id", [])
    return [ids] if isinstance(ids, str) else list(ids)
