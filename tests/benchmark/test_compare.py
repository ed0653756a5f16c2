from __future__ import annotations

import numpy as np
import pytest

from hemenet_lab.benchmark.compare import Resampled, difference, mean_interval, resample
from hemenet_lab.uncertainty import bootstrap, bootstrap_difference, group_score

RNG = np.random.default_rng(0)
TARGET = RNG.normal(6, 2, (60, 1))
CLUSTER = np.arange(60) // 3
TERMS = (RNG.random((60, 6)) < 0.3).astype(float)
SCORES = 1 / (1 + np.exp(-(3 * TERMS - 1.5 + RNG.normal(0, 1.5, TERMS.shape))))


def one(
    noise: float, seed: int, metric: str = "rmse", cluster: np.ndarray = CLUSTER, shift: float = 0
) -> Resampled:
    prediction = TARGET + np.random.default_rng(seed).normal(shift, noise, TARGET.shape)
    value = bootstrap(metric, prediction, TARGET, resamples=0).value
    assert value is not None
    return resample(metric, value, prediction, TARGET, cluster)


@pytest.mark.parametrize("metric", ["rmse", "fmax"])
def test_agrees_with_the_plain_bootstrap(metric: str) -> None:
    """The same draws as `uncertainty`, which knows one model at a time."""
    prediction, target = (TARGET + 0.5, TARGET) if metric == "rmse" else (SCORES, TERMS)
    prediction = prediction + RNG.normal(0, 0.01, prediction.shape)
    items = bootstrap(metric, prediction, target)
    clusters = bootstrap(metric, prediction, target, groups=CLUSTER)
    assert items.value is not None
    run = resample(metric, items.value, prediction, target, CLUSTER)
    assert mean_interval([run]) == pytest.approx((items.low, items.high), abs=1e-12)
    assert run.by_cluster is not None
    ends = np.quantile(run.by_cluster, [0.025, 0.975])
    assert ends == pytest.approx((clusters.low, clusters.high), abs=1e-12)
    assert run.per_cluster == pytest.approx(group_score(metric, prediction, target, CLUSTER))
    assert run.clusters == 20


def test_difference_of_single_runs_is_the_paired_bootstrap() -> None:
    errors = (1.0, 1), (1.5, 2)
    models = [
        TARGET + np.random.default_rng(s).normal(0, noise, TARGET.shape) for noise, s in errors
    ]
    want = bootstrap_difference("rmse", models[0], models[1], TARGET, groups=CLUSTER)
    got = difference([one(*errors[0])], [one(*errors[1])])
    assert (got.value, got.low, got.high) == pytest.approx((want.value, want.low, want.high))


def test_clear_difference_is_established_and_none_is_not() -> None:
    good, bad = ([one(noise, seed) for seed in range(3)] for noise in (0.5, 2.0))
    other = [one(0.5, seed) for seed in (10, 11, 12)]
    assert difference(good, bad).established
    assert difference(bad, good).value == pytest.approx(-difference(good, bad).value)
    assert not difference(good, other).established
    assert not difference(good, good).established


def test_one_lucky_seed_is_no_evidence() -> None:
    """Each run of the first side beats most of the other, but its seeds scatter too much."""
    steady = [one(1.0, seed) for seed in range(3)]
    lucky = [one(0.2, 20), one(1.1, 21), one(1.2, 22)]
    assert difference(lucky, steady).value < 0
    assert difference([lucky[0]], steady).established
    assert not difference(lucky, steady).established


def test_copies_are_no_evidence() -> None:
    """The first is better on one cluster of 40 copies only."""
    cluster = np.r_[np.zeros(40, dtype=int), np.arange(1, 21)]
    better = np.where(cluster[:, None] == 0, 0.9, 1.1)
    first, second = (
        resample("mae", float(error.mean()), TARGET + error, TARGET, cluster)
        for error in (better, np.ones_like(better))
    )
    assert not difference([first], [second]).established
    items = np.arange(60)
    first, second = (
        resample("mae", float(error.mean()), TARGET + error, TARGET, items)
        for error in (better, np.ones_like(better))
    )
    assert difference([first], [second]).established


def test_unknown_clusters() -> None:
    unknown = one(1.0, 0, cluster=np.full(60, -1))
    assert (unknown.clusters, unknown.per_cluster, unknown.by_cluster) == (0, None, None)
    assert difference([unknown], [one(3.0, 1, cluster=np.full(60, -1))]).established
    partly = one(1.0, 0, cluster=np.r_[np.full(58, -1), 7, 7])
    assert partly.clusters == 59
    single = one(1.0, 0, cluster=np.zeros(60, dtype=int))
    assert (single.clusters, single.by_cluster) == (1, None)
    assert difference([single], [one(3.0, 1, cluster=np.zeros(60, dtype=int))]).low is None


def test_memory_bound_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = one(1.0, 0)
    monkeypatch.setattr("hemenet_lab.benchmark.compare._WEIGHTS", 700)
    assert one(1.0, 0).by_item == pytest.approx(whole.by_item)
