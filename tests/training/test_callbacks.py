from __future__ import annotations

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor, nn

from hemenet_lab.training.callbacks import (
    SharedRunningStatistics,
    Throughput,
    _batch_norms,
    _statistics,
    merge_updates,
    peak_memory_mib,
)


def test_merged_updates_are_those_of_one_process() -> None:
    generator = torch.Generator().manual_seed(0)
    start, first, second = torch.randn(3, 2, 5, generator=generator).unbind()
    momentum = 0.1
    alone = start
    for batch in (first, second):
        alone = (1 - momentum) * alone + momentum * batch
    ranks = [(1 - momentum) * start + momentum * batch for batch in (first, second)]
    merged = merge_updates(start, [rank.flatten() for rank in ranks], momentum)
    torch.testing.assert_close(merged, alone)
    assert not torch.allclose(merged, ranks[0])


class Normalised(LightningModule):
    """Two batch norms."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.BatchNorm1d(3), nn.BatchNorm1d(3))

    def take(self, number: int) -> None:
        """A training batch."""
        generator = torch.Generator().manual_seed(number)
        self.net(torch.randn(7 + number, 3, generator=generator) * (1 + number))


def test_two_processes_have_the_statistics_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Trainer, "world_size", 2)
    trainer, ranks = Trainer(logger=False), [Normalised(), Normalised()]
    callbacks = [SharedRunningStatistics(), SharedRunningStatistics()]
    for step in range(2):
        for rank, (callback, module) in enumerate(zip(callbacks, ranks, strict=True)):
            callback.on_train_batch_start(trainer, module, None, step)
            module.take(2 * step + rank)
        sent = [
            torch.cat([_statistics(norm).flatten() for norm in _batch_norms(one)]) for one in ranks
        ]

        def all_gather(found: list[Tensor], own: Tensor, sent: list[Tensor] = sent) -> None:
            assert any(torch.equal(own, one) for one in sent)
            for place, one in zip(found, sent, strict=True):
                place.copy_(one)

        monkeypatch.setattr(torch.distributed, "all_gather", all_gather)
        for callback, module in zip(callbacks, ranks, strict=True):
            callback.on_train_batch_end(trainer, module)
    alone = Normalised()
    for number in range(4):
        alone.take(number)
    for module in ranks:
        for ours, theirs in zip(_batch_norms(module), _batch_norms(alone), strict=True):
            torch.testing.assert_close(_statistics(ours), _statistics(theirs))


def test_peak_memory_grows_with_what_is_held() -> None:
    before = peak_memory_mib(torch.device("cpu"))
    held = torch.ones(int(before + 64) * 2**18)  # float32, more than the peak so far
    assert peak_memory_mib(torch.device("cpu")) >= before + 32
    del held


def test_throughput_counts_graphs_and_atoms(monkeypatch: pytest.MonkeyPatch) -> None:
    logged: list[dict[str, float]] = []
    now = iter([10.0, 11.0, 14.0])
    monkeypatch.setattr("hemenet_lab.training.callbacks.time.perf_counter", lambda: next(now))

    class Batch:
        num_graphs = 3
        channel_mask = torch.tensor([[True, False], [True, True]])

    class Log:
        def log_metrics(self, metrics: dict[str, float], step: int) -> None:
            logged.append(metrics)

    callback, module, trainer = Throughput(), LightningModule(), Trainer(logger=False)
    monkeypatch.setattr(Trainer, "loggers", [Log()])
    callback.on_train_epoch_start(trainer, module)
    for number in range(2):
        callback.on_train_batch_end(trainer, module, None, Batch(), number)
    callback.on_train_epoch_end(trainer, module)
    assert logged[0]["train/graphs_per_second"] == 6 / 4
    assert logged[0]["train/atoms_per_second"] == 6 / 4
