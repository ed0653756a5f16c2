from __future__ import annotations

import warnings

import pytest
import torch

from hemenet_lab.metrics import AUPR, MAE, RMSE, Fmax, FmaxGrid, MaskedMetric, Score, task_metrics
from hemenet_lab.tasks import EC, LBA

EC4 = EC.with_terms(["1", "2", "3", "4"])
ALL = {**task_metrics(LBA), **task_metrics(EC4, test=True)}


def test_names_by_kind() -> None:
    assert list(task_metrics(LBA)) == ["rmse", "mae", "pearson", "spearman"]
    assert list(task_metrics(EC4)) == ["fmax", "aupr"]
    assert list(task_metrics(EC4, test=True)) == ["fmax", "aupr", "fmax_20", "aupr_macro"]
    assert task_metrics(EC) == {}


@pytest.mark.parametrize("name", ALL)
def test_absent_without_labelled_rows(name: str) -> None:
    metric = ALL[name]
    metric.reset()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert metric.compute() == (None, 0)  # not even updated
    rows = torch.full((3, metric.width), torch.nan)
    metric.update(rows, rows, torch.zeros(3, dtype=torch.bool))
    assert metric.n == 0
    assert metric.compute() == Score(None, 0)


@pytest.mark.parametrize("name", ALL)
def test_value_does_not_depend_on_order_or_batches(name: str) -> None:
    """Exactly, bit for bit: this is what makes any number of processes agree."""
    metric = ALL[name]
    generator = torch.Generator().manual_seed(5)
    prediction = torch.rand(60, metric.width, generator=generator)
    target = (torch.rand(60, metric.width, generator=generator) < 0.3).float()
    mask = torch.rand(60, generator=generator) < 0.8
    scores = set()
    for size in (60, 7, 1):
        order = torch.randperm(60, generator=generator)
        metric.reset()
        for part in order.split(size):
            metric.update(prediction[part], target[part], mask[part])
        scores.add(metric.compute())
    assert len(scores) == 1
    assert scores.pop().value is not None


@pytest.mark.parametrize("metric", [Fmax(2), FmaxGrid(2), AUPR(2)])
def test_logits_are_refused(metric: MaskedMetric) -> None:
    with pytest.raises(ValueError, match="apply a sigmoid to logits first"):
        metric.update(torch.tensor([[-1.0, 3.0]]), torch.ones(1, 2), torch.tensor([True]))


@pytest.mark.parametrize(
    ("prediction", "target", "mask"), [((3, 1), (3, 2), 3), ((3, 2), (3, 2), 2), ((3,), (3, 2), 3)]
)
def test_shapes_that_do_not_fit(prediction: tuple, target: tuple, mask: int) -> None:
    with pytest.raises(ValueError, match="do not fit"):
        Fmax(2).update(torch.zeros(prediction), torch.zeros(target), torch.ones(mask).bool())


def test_mask_must_be_bool() -> None:
    with pytest.raises(ValueError, match="it must be bool"):
        MAE().update(torch.zeros(2), torch.zeros(2), torch.ones(2))


def test_reset_and_forward() -> None:
    metric = RMSE()
    mask = torch.ones(2, dtype=torch.bool)
    assert metric(torch.tensor([1.0, 1.0]), torch.zeros(2), mask).value == 1.0
    assert metric(torch.tensor([3.0, 3.0]), torch.zeros(2), mask).value == 3.0
    assert metric.compute() == (5**0.5, 4)
    metric.reset()
    assert metric.n == 0
