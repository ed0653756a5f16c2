"""Callbacks around training steps: random numbers, throughput, shared statistics."""

from __future__ import annotations

import resource
import sys
import time
import zlib
from collections.abc import Sequence
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelSummary
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from hemenet_lab.graphs import count_graphs


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
    """Logs speed and memory per epoch.

    ``train/graphs_per_second`` and ``train/atoms_per_second`` count all processes (this one's
    batches times their number); the time includes loading, not validation.
    ``train/peak_memory_mib`` is the most that this process has taken so far, on its GPU if it has
    one.
    """

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._restart()

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._restart()  # not called in the epoch that a resumed run starts within

    def _restart(self) -> None:
        self._graphs = 0
        self._atoms: Tensor | int = 0  # added up where the batches are: nothing waits for a GPU
        self._seconds = 0.0
        self._mark = time.perf_counter()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        now = time.perf_counter()
        self._seconds += now - self._mark
        self._mark = now
        self._graphs += count_graphs(batch)
        self._atoms = self._atoms + batch.channel_mask.sum()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._mark = time.perf_counter()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._seconds > 0:
            rates = {
                "train/graphs_per_second": self._graphs * trainer.world_size / self._seconds,
                "train/atoms_per_second": int(self._atoms) * trainer.world_size / self._seconds,
                "train/peak_memory_mib": peak_memory_mib(pl_module.device),
            }
            for logger in trainer.loggers:
                logger.log_metrics(rates, step=trainer.global_step)


class PartsSummary(ModelSummary):
    """The model's parts with their numbers of weights, and the sum, before a fit.

    Lightning's own table also counts operations, of which nothing is known before a batch.
    """

    @staticmethod
    def summarize(
        summary_data: list[tuple[str, list[str]]],
        total_parameters: int,
        trainable_parameters: int,
        *counts: Any,
        **options: Any,
    ) -> None:
        columns = dict(summary_data)
        table = Table()
        shown = ("Name", "Type", "Params")
        for name in shown:
            table.add_column(name, justify="right" if name == "Params" else "left", no_wrap=True)
        for row in zip(*(columns[name] for name in shown), strict=True):
            table.add_row(*(text.strip() for text in row))
        console = Console()
        console.print(table)
        console.print(
            f"{total_parameters:,} weights, {trainable_parameters:,} of them trained",
            highlight=False,
        )


def peak_memory_mib(device: torch.device) -> float:
    """Most memory that this process has taken so far, MiB: of its GPU, or resident on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


class SharedRunningStatistics(Callback):
    """Running statistics of batch normalisation as one process would have them.

    DDP keeps rank 0's, which has seen only its own batches. Here the updates of all ranks are
    applied one after the other, in the order in which one process would take the batches.
    """

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        if trainer.world_size > 1:
            self._before = [_statistics(norm).clone() for norm in _batch_norms(pl_module)]

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, *args: Any, **kwargs: Any
    ) -> None:
        norms = _batch_norms(pl_module)
        if trainer.world_size == 1 or not norms:
            return
        after = torch.cat([_statistics(norm).flatten() for norm in norms])
        gathered = [torch.empty_like(after) for _ in range(trainer.world_size)]
        torch.distributed.all_gather(gathered, after)
        sizes = [before.numel() for before in self._before]
        for norm, before, *ranks in zip(
            norms, self._before, *(flat.split(sizes) for flat in gathered), strict=True
        ):
            merged = merge_updates(before, ranks, float(norm.momentum or 0.0))
            norm.running_mean.copy_(merged[0])  # type: ignore[union-attr]  # tracks statistics
            norm.running_var.copy_(merged[1])  # type: ignore[union-attr]


def merge_updates(before: Tensor, after: Sequence[Tensor], momentum: float) -> Tensor:
    """Exponential averages that each made one update from ``before``, as updates in sequence."""
    merged = before
    for value in after:
        update = value.view_as(before) - (1 - momentum) * before
        merged = (1 - momentum) * merged + update
    return merged


def _batch_norms(module: LightningModule) -> list[_BatchNorm]:
    return [
        part
        for part in module.modules()
        if isinstance(part, _BatchNorm) and part.running_mean is not None
    ]


def _statistics(norm: _BatchNorm) -> Tensor:
    """Running mean and variance, [2, d]."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    return torch.stack([norm.running_mean, norm.running_var])
