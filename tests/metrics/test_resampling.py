"""Intervals against theory, by hand, and against a bootstrap that repeats rows one draw a time."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hemenet_lab.metrics import (
    Interval,
    Resampled,
    bootstrap,
    difference,
    mean_interval,
    resample,
    task_metrics,
)
from hemenet_lab.metrics.resampling import _interval
from hemenet_lab.tasks import EC, LBA, Task

RNG = np.random.default_rng(0)
TARGET = RNG.normal(6, 2, (60, 1))
CLUSTER = np.arange(60) // 3
TERMS = (RNG.random((60, 6)) < 0.3).astype(float)
SCORES = 1 / (1 + np.exp(-(3 * TERMS - 1.5 + RNG.normal(0, 1.5, TERMS.shape))))


def width(interval: Interval) -> float:
    assert interval.low is not None
    assert interval.high is not None
    return interval.high - interval.low


def value_of(metric: str, prediction: np.ndarray, target: np.ndarray) -> float:
    value = bootstrap(metric, prediction, target, resamples=0).value
    assert value is not None
    return value


def affinities(n: int = 200, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    target = rng.normal(6, 2, n)
    return target + rng.normal(size=n), target


def terms(n: int = 80, count: int = 20) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    target = rng.random((n, count)) < 0.15
    return 1 / (1 + np.exp(-rng.normal(3 * target - 2, 1.5))), target.astype(float)


def one(
    noise: float, seed: int, metric: str = "rmse", cluster: np.ndarray = CLUSTER, shift: float = 0
) -> Resampled:
    prediction = TARGET + np.random.default_rng(seed).normal(shift, noise, TARGET.shape)
    value = value_of(metric, prediction, TARGET)
    return resample(metric, value, prediction, TARGET, cluster)


def by_repeating(
    metric: str, prediction: np.ndarray, target: np.ndarray, groups: np.ndarray, number: int = 200
) -> np.ndarray:
    """Scores on draws of whole groups: the slow form of the bootstrap."""
    names = np.unique(groups)
    draws = np.random.default_rng(0).multinomial(
        len(names), np.full(len(names), 1 / len(names)), number
    )
    scores = []
    for draw in draws:
        times = draw[np.searchsorted(names, groups)]
        rows = (np.repeat(part, times, axis=0) for part in (prediction, target))
        scores.append(value_of(metric, *rows))
    return np.array(scores)


# --- one model ------------------------------------------------------------------------------------


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


def test_few_thresholds_change_the_interval_little(monkeypatch: pytest.MonkeyPatch) -> None:
    data = terms(60)
    assert data[1].sum() > 150
    exact = {name: bootstrap(name, *data) for name in ("fmax", "aupr")}
    monkeypatch.setattr("hemenet_lab.metrics.resampling._THRESHOLDS", 100)
    for name, interval in exact.items():
        quick = bootstrap(name, *data)
        assert quick != interval
        assert quick == pytest.approx(interval, abs=0.01)


def test_absent() -> None:
    assert bootstrap("fmax", np.zeros((0, 3)), np.zeros((0, 3))) == (None, None, None, 0)
    assert bootstrap("rmse", [1.0], [2.0]) == (1.0, None, None, 1)
    assert bootstrap("pearson", [1.0, 1.0], [2.0, 3.0]) == (None, None, None, 2)
    broken = bootstrap("mae", [float("nan"), 1.0], [1.0, 1.0])
    assert broken.value != broken.value
    assert broken.low is None


def test_undefined_resamples() -> None:
    # about a third of the resamples lack the only item that differs
    interval = bootstrap("pearson", [1.0, 1, 1, 1, 2], [1.0, 2, 3, 4, 5])
    assert width(interval) > 0
    assert _interval(np.array([np.nan, 1.0, 1.0])) == (1.0, 1.0)
    assert _interval(np.array([np.nan, np.nan, 1.0])) == (None, None)
    assert _interval(np.array([1.0])) == (None, None), "one draw is no interval"
    assert bootstrap("mae", *affinities(20), resamples=1).low is None


def test_wrong_calls() -> None:
    with pytest.raises(ValueError, match="allowed: rmse, mae"):
        bootstrap("accuracy", [], [])
    with pytest.raises(ValueError, match="do not fit"):
        bootstrap("mae", [1.0, 2.0], [1.0])


# --- many runs ------------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", ["rmse", "fmax", "fmax_20"])
def test_equals_the_slow_form(metric: str) -> None:
    prediction, target = (TARGET + 0.5, TARGET) if metric == "rmse" else (SCORES, TERMS)
    prediction = prediction + RNG.normal(0, 0.01, prediction.shape).clip(-0.001, 0)
    value = value_of(metric, prediction, target)
    run = resample(metric, value, prediction, target, CLUSTER, resamples=200)
    items = by_repeating(metric, prediction, target, np.arange(60))
    assert run.by_item == pytest.approx(items, abs=1e-9)
    interval = bootstrap(metric, prediction, target, resamples=200)
    assert (interval.low, interval.high) == pytest.approx(tuple(np.quantile(items, [0.025, 0.975])))
    clusters = by_repeating(metric, prediction, target, CLUSTER)
    assert mean_interval([run]) == pytest.approx(tuple(np.quantile(clusters, [0.025, 0.975])))
    unknown = resample(metric, value, prediction, target, np.full(60, -1), resamples=200)
    assert mean_interval([unknown]) == pytest.approx((interval.low, interval.high))
    assert run.by_cluster == pytest.approx(clusters)
    assert run.per_cluster == pytest.approx(value), "all clusters have 3 items"
    assert run.clusters == 20


def test_score_per_cluster_by_hand() -> None:
    errors = np.array([[1.0], [1.0], [1.0], [3.0]])
    run = resample("mae", 1.5, errors, np.zeros((4, 1)), np.array([5, 5, 5, 2]))
    assert run.per_cluster == pytest.approx(2.0)
    assert run.by_cluster is not None
    assert set(run.by_cluster.round(9)) == {1.0, 1.5, 3.0}


def test_fmax_per_cluster_ignores_copies() -> None:
    prediction, target = terms(30)
    times = np.arange(30) % 4 + 1
    copies = [np.repeat(part, times, axis=0) for part in (prediction, target, np.arange(30))]
    value = value_of("fmax", *copies[:2])
    run = resample("fmax", value, *copies)
    assert run.per_cluster == pytest.approx(value_of("fmax", prediction, target), abs=1e-9)
    assert run.per_cluster != pytest.approx(value, abs=1e-4)


def test_ten_copies_of_each_item_are_no_evidence() -> None:
    """By cluster the interval stays, by item it shrinks by √10."""
    prediction, target = affinities(150)
    single = width(bootstrap("mae", prediction, target))
    copies = [np.repeat(part, 10) for part in (prediction, target)]
    run = resample(
        "mae",
        value_of("mae", *copies),
        *(part[:, None] for part in copies),
        np.repeat(np.arange(150), 10),
    )
    low, high = np.quantile(run.by_cluster, [0.025, 0.975])
    assert high - low == pytest.approx(single, rel=0.15)
    low, high = np.quantile(run.by_item, [0.025, 0.975])
    assert high - low < 0.5 * single


def test_difference_of_single_runs_is_paired() -> None:
    noise = np.random.default_rng(9).normal(0, 1, TARGET.shape)
    first, second = TARGET + noise, TARGET + noise + 0.05  # nearly the same errors
    runs = [
        resample("rmse", value_of("rmse", p, TARGET), p, TARGET, CLUSTER) for p in (first, second)
    ]
    got = difference([runs[0]], [runs[1]])
    assert got.value == pytest.approx(runs[0].value - runs[1].value)
    assert got.low is not None
    assert got.high is not None
    apart = np.subtract(*np.quantile(runs[0].by_cluster, [0.975, 0.025]))
    assert got.high - got.low < 0.3 * apart
    ends = np.quantile(runs[0].by_cluster - runs[1].by_cluster, [0.025, 0.975])
    assert (got.low, got.high) == pytest.approx(tuple(ends))


def test_clear_difference_is_established_and_none_is_not() -> None:
    good, bad = ([one(noise, seed) for seed in range(3)] for noise in (0.5, 2.0))
    other = [one(0.5, seed) for seed in (10, 11, 12)]
    assert difference(good, bad).established
    assert not difference(good[:2], bad).established, "two seeds are too few to say so"
    assert difference(bad, good).value == pytest.approx(-difference(good, bad).value)
    assert not difference(good, other).excludes_zero
    assert not difference(good, good).excludes_zero


def test_one_lucky_seed_is_no_evidence() -> None:
    """Each run of the first side beats most of the other, but its seeds scatter too much."""
    steady = [one(1.0, seed) for seed in range(3)]
    lucky = [one(0.2, 20), one(1.1, 21), one(1.2, 22)]
    assert difference(lucky, steady).value < 0
    assert difference([lucky[0]], steady).excludes_zero
    assert not difference(lucky, steady).excludes_zero


def test_copies_are_no_evidence_for_a_difference() -> None:
    """The first is better on one cluster of 40 copies only."""
    cluster = np.r_[np.zeros(40, dtype=int), np.arange(1, 21)]
    better = np.where(cluster[:, None] == 0, 0.9, 1.1)
    first, second = (
        resample("mae", float(error.mean()), TARGET + error, TARGET, cluster)
        for error in (better, np.ones_like(better))
    )
    assert not difference([first], [second]).excludes_zero
    items = np.arange(60)
    first, second = (
        resample("mae", float(error.mean()), TARGET + error, TARGET, items)
        for error in (better, np.ones_like(better))
    )
    assert difference([first], [second]).excludes_zero


def test_unknown_clusters() -> None:
    unknown = one(1.0, 0, cluster=np.full(60, -1))
    assert (unknown.clusters, unknown.per_cluster, unknown.by_cluster) == (0, None, None)
    assert difference([unknown], [one(3.0, 1, cluster=np.full(60, -1))]).excludes_zero
    partly = one(1.0, 0, cluster=np.r_[np.full(58, -1), 7, 7])
    assert partly.clusters == 59
    single = one(1.0, 0, cluster=np.zeros(60, dtype=int))
    assert (single.clusters, single.by_cluster) == (1, None)
    assert difference([single], [one(3.0, 1, cluster=np.zeros(60, dtype=int))]).low is None


def test_memory_bound_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = one(1.0, 0)
    monkeypatch.setattr("hemenet_lab.metrics.resampling._WEIGHTS", 700)
    assert one(1.0, 0).by_item == pytest.approx(whole.by_item)
