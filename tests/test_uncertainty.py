from __future__ import annotations

import numpy as np
import pytest
import torch

from hemenet_lab.metrics import task_metrics
from hemenet_lab.tasks import EC, LBA, Task
from hemenet_lab.uncertainty import (
    Interval,
    _percentiles,
    bootstrap,
    bootstrap_difference,
    group_score,
)


def width(interval: Interval) -> float:
    assert interval.low is not None
    assert interval.high is not None
    return interval.high - interval.low


def affinities(n: int = 200, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    target = rng.normal(6, 2, n)
    return target + rng.normal(size=n), target


def terms(n: int = 80, count: int = 20) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    target = rng.random((n, count)) < 0.15
    return 1 / (1 + np.exp(-rng.normal(3 * target - 2, 1.5))), target.astype(float)


@pytest.mark.parametrize("task", [LBA, EC.with_terms(map(str, range(20)))], ids=lambda t: t.name)
def test_value_is_the_metric(task: Task) -> None:
    prediction, target = affinities() if task is LBA else terms()
    for name, metric in task_metrics(task).items():
        interval = bootstrap(name, prediction, target, resamples=200)
        mask = torch.ones(len(target), dtype=torch.bool)
        metric.update(torch.from_numpy(prediction), torch.from_numpy(target), mask)
        assert interval.value == pytest.approx(metric.compute().value, rel=1e-6)
        assert interval.value is not None
        assert interval.low is not None
        assert interval.low < interval.value < interval.low + width(interval)
        assert interval.n == len(target)


def test_width_follows_theory() -> None:
    """The mean of n items has a normal interval of ±1.96 standard errors."""
    prediction, target = affinities(400)
    errors = np.abs(prediction - target)
    want = 2 * 1.96 * errors.std() / np.sqrt(400)
    assert width(bootstrap("mae", prediction, target)) == pytest.approx(want, rel=0.1)


def test_seeded() -> None:
    data = affinities()
    assert bootstrap("rmse", *data, seed=1) == bootstrap("rmse", *data, seed=1)
    assert bootstrap("rmse", *data, seed=1) != bootstrap("rmse", *data, seed=2)


@pytest.mark.parametrize("metric", ["mae", "spearman"])
def test_copies_are_no_evidence(metric: str) -> None:
    """Ten copies of each item: by group the interval stays, by item it would shrink by √10."""
    prediction, target = affinities(150)
    names = np.arange(150).astype(str)
    single = bootstrap(metric, prediction, target)
    copies = [np.repeat(part, 10) for part in (prediction, target, names)]
    grouped = bootstrap(metric, *copies[:2], groups=copies[2])
    assert (grouped.n, single.n) == (1500, 150)
    assert grouped.value == pytest.approx(single.value)
    assert width(grouped) == pytest.approx(width(single), rel=0.15)
    assert width(bootstrap(metric, *copies[:2])) < 0.5 * width(single)


def test_score_per_group() -> None:
    prediction, target = np.array([1.0, 1.0, 1.0, 3.0]), np.zeros(4)
    groups = ["a", "a", "a", "b"]
    assert group_score("mae", prediction, target, groups) == pytest.approx(2.0)
    assert bootstrap("mae", prediction, target, groups=groups).value == pytest.approx(1.5)
    whole = bootstrap("mae", prediction, target, groups=groups, per_group=True)
    assert (whole.value, whole.low, whole.high, whole.n) == pytest.approx((2.0, 1.0, 3.0, 4))


def test_fmax_per_group_ignores_copies() -> None:
    prediction, target = terms(30)
    times = np.arange(30) % 4 + 1
    copies = [np.repeat(part, times, axis=0) for part in (prediction, target, np.arange(30))]
    want = bootstrap("fmax", prediction, target, resamples=0).value
    assert group_score("fmax", *copies) == pytest.approx(want, abs=1e-9)
    assert bootstrap("fmax", *copies[:2], resamples=0).value != pytest.approx(want, abs=1e-4)


def test_paired_difference() -> None:
    first, target = affinities(200)
    second = first + np.random.default_rng(9).normal(0.05, 0.02, 200)  # nearly the same errors
    paired = bootstrap_difference("rmse", first, second, target)
    alone = [bootstrap("rmse", model, target) for model in (first, second)]
    values = np.array([interval.value for interval in alone], dtype=float)
    assert paired.value == pytest.approx(values[0] - values[1])
    assert width(paired) < 0.3 * width(alone[0])
    assert bootstrap_difference("rmse", first, first, target) == (0.0, 0.0, 0.0, 200)


def test_few_thresholds_change_the_interval_little(monkeypatch: pytest.MonkeyPatch) -> None:
    data = terms(60)
    assert data[1].sum() > 150
    exact = {name: bootstrap(name, *data) for name in ("fmax", "aupr")}
    monkeypatch.setattr("hemenet_lab.uncertainty._THRESHOLDS", 100)
    for name, interval in exact.items():
        quick = bootstrap(name, *data)
        assert quick != interval
        assert quick == pytest.approx(interval, abs=0.01)


def test_memory_bound_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = bootstrap("spearman", *affinities(50), resamples=100)
    monkeypatch.setattr("hemenet_lab.uncertainty._WEIGHTS", 300)
    assert bootstrap("spearman", *affinities(50), resamples=100) == pytest.approx(whole)


def test_absent() -> None:
    assert bootstrap("fmax", np.zeros((0, 3)), np.zeros((0, 3))) == (None, None, None, 0)
    assert bootstrap("rmse", [1.0], [2.0]) == (1.0, None, None, 1)
    assert bootstrap("pearson", [1.0, 1.0], [2.0, 3.0]) == (None, None, None, 2)
    assert bootstrap("mae", [1.0, 2.0], [2.0, 2.0], groups=["a", "a"]) == (0.5, None, None, 2)
    broken = bootstrap("mae", [float("nan"), 1.0], [1.0, 1.0])
    assert broken.value != broken.value
    assert broken.low is None


def test_undefined_resamples() -> None:
    # about a third of the resamples lack the only item that differs
    interval = bootstrap("pearson", [1.0, 1, 1, 1, 2], [1.0, 2, 3, 4, 5])
    assert width(interval) > 0
    assert _percentiles(np.array([np.nan, 1.0, 1.0])) == (1.0, 1.0)
    assert _percentiles(np.array([np.nan, np.nan, 1.0])) == (None, None)


def test_wrong_calls() -> None:
    with pytest.raises(ValueError, match="give groups"):
        bootstrap("mae", [1.0], [1.0], per_group=True)
    with pytest.raises(ValueError, match="one per item"):
        bootstrap("mae", [1.0, 2.0], [1.0, 2.0], groups=["a"])
    with pytest.raises(ValueError, match="allowed: fmax"):
        bootstrap("accuracy", [], [])
