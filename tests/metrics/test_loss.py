from __future__ import annotations

import math

import pytest
import torch

from hemenet_lab.metrics import MeanLoss


def mean_of(*batches: tuple[float, int]) -> float:
    metric = MeanLoss()
    for loss, count in batches:
        metric.update(torch.tensor(loss), torch.tensor(count))
    return float(metric.compute())


def test_a_batch_counts_by_its_items() -> None:
    assert mean_of((1.0, 100), (7.0, 1)) == pytest.approx(107 / 101)


def test_a_batch_without_items_counts_nothing() -> None:
    assert mean_of((2.0, 3), (0.0, 0), (0.0, 0)) == 2.0
    assert math.isnan(mean_of((0.0, 0)))


def test_a_loss_that_is_not_finite_shows() -> None:
    assert math.isnan(mean_of((1.0, 2), (math.nan, 1), (1.0, 2)))
    assert mean_of((1.0, 2), (math.inf, 1)) == math.inf
    assert mean_of((1.0, 2), (math.nan, 0)) == 1.0


def test_reset_forgets() -> None:
    metric = MeanLoss()
    metric.update(torch.tensor(9.0), torch.tensor(4))
    metric.reset()
    metric.update(torch.tensor(1.0), torch.tensor(1))
    assert float(metric.compute()) == 1.0
