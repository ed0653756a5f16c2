from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import stats

from hemenet_lab.metrics import METRICS
from hemenet_lab.metrics.weighted import weighted_metric
from hemenet_lab.tasks import EC
from tests.metrics.reference import average_precision_by_definition, fmax_by_definition

Values = NDArray[np.float64]
RESAMPLED = [name for name, info in METRICS.items() if info.has_interval]
MULTILABEL = [name for name in RESAMPLED if METRICS[name].kind == "multilabel"]


def rows(name: str, seed: int, levels: int = 6) -> tuple[Values, Values]:
    """Few levels, so that there are ties."""
    rng = np.random.default_rng(seed)
    if name in MULTILABEL:
        scores = rng.integers(0, levels, (9, 5)) / levels
        return scores, (rng.random((9, 5)) < 0.3).astype(float)
    target = rng.integers(0, levels, (12, 1)).astype(float)
    return target + rng.integers(-2, 3, (12, 1)), target


def by_definition(name: str, prediction: Values, target: Values) -> float:
    if name == "fmax":
        return fmax_by_definition(prediction.tolist(), target.tolist())
    if name == "fmax_20":
        # in float32, as the metric keeps scores and thresholds
        grid = [float(np.float32(step / 20)) for step in range(20)]
        return fmax_by_definition(prediction.tolist(), target.tolist(), grid)
    p, t = prediction.flatten(), target.flatten()
    slow: dict[str, Callable[..., Any]] = {
        "aupr": average_precision_by_definition,
        "rmse": lambda p, t: np.sqrt(np.mean((p - t) ** 2)),
        "mae": lambda p, t: np.mean(np.abs(p - t)),
        "pearson": lambda p, t: stats.pearsonr(p, t)[0],
        "spearman": lambda p, t: stats.spearmanr(p, t)[0],
    }
    return float(slow[name](p, t))


@pytest.mark.parametrize("name", RESAMPLED)
@pytest.mark.parametrize("seed", range(4))
def test_whole_weights_repeat_rows(name: str, seed: int) -> None:
    prediction, target = rows(name, seed)
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(len(target), np.full(len(target), 1 / len(target)), 20)
    got = weighted_metric(name, prediction, target)(weights.astype(float))
    for row, value in zip(weights, got, strict=True):
        repeated = [np.repeat(part, row, axis=0) for part in (prediction, target)]
        assert value == pytest.approx(by_definition(name, *repeated), abs=1e-10)


@pytest.mark.parametrize("name", RESAMPLED)
def test_scale_of_weights_does_not_matter(name: str) -> None:
    metric = weighted_metric(name, *rows(name, 0))
    weights = np.random.default_rng(0).random((3, 9 if name in MULTILABEL else 12))
    np.testing.assert_allclose(metric(weights), metric(7 * weights), rtol=1e-12)


@pytest.mark.parametrize("name", ["fmax", "aupr"])
def test_many_thresholds(name: str) -> None:
    """Several blocks of thresholds, and equal weights by sorting, agree with the definition."""
    rng = np.random.default_rng(1)
    targets = (rng.random((40, 40)) < 0.5).astype(float)
    scores = rng.random((40, 40)) + 0.4 * targets
    assert targets.sum() > 600
    value = by_definition(name, scores, targets)
    metric = weighted_metric(name, scores, targets)
    np.testing.assert_allclose(metric(np.ones((2, 40))), value, rtol=1e-10)
    np.testing.assert_allclose(metric(np.ones((1, 40))), value, rtol=1e-10)
    few = weighted_metric(name, scores, targets, max_thresholds=100)(np.ones((1, 40)))
    assert few[0] != value
    assert few[0] == pytest.approx(value, abs=0.02)


@pytest.mark.parametrize("name", ["pearson", "spearman"])
def test_constant_resample_is_undefined(name: str) -> None:
    prediction = np.array([[0.1], [0.1], [0.1], [5.0]])
    target = np.array([[1.0], [2.0], [3.0], [4.0]])
    weights = np.array([[1.0, 1, 1, 0], [1.0, 1, 1, 1], [0.0, 0, 0, 4]])
    values = weighted_metric(name, prediction, target)(weights)
    assert np.isnan(values).tolist() == [True, False, True]


def test_no_positives() -> None:
    scores, targets = np.random.default_rng(0).random((3, 2)), np.zeros((3, 2))
    for name in ("fmax", "fmax_20"):
        assert weighted_metric(name, scores, targets)(np.ones((1, 3))).tolist() == [0.0]
    assert np.isnan(weighted_metric("aupr", scores, targets)(np.ones((1, 3)))).all()


def test_scores_on_a_threshold_are_predicted() -> None:
    """0.05 and 0.3 have no exact float; predictions are kept in float32."""
    scores = np.array([[0.05, 0.3], [0.3, 0.05]], np.float32).astype(np.float64)
    targets = np.array([[0.0, 1.0], [1.0, 0.0]])
    assert weighted_metric("fmax_20", scores, targets)(np.ones((1, 2))).tolist() == [1.0]
    metric = METRICS["fmax_20"].make(EC.with_terms(["1", "2"]))
    rows = (torch.from_numpy(part).float() for part in (scores, targets))
    metric.update(*rows, torch.ones(2, dtype=torch.bool))
    assert metric.compute() == (1.0, 2)


def test_wrong_calls() -> None:
    with pytest.raises(ValueError, match="metric 'f1'; allowed: rmse, mae, pearson"):
        weighted_metric("f1", np.ones((2, 1)), np.ones((2, 1)))
    with pytest.raises(ValueError, match="do not fit"):
        weighted_metric("rmse", np.ones((2, 1)), np.ones((3, 1)))
    with pytest.raises(ValueError, match="one column, not 2"):
        weighted_metric("rmse", np.ones((2, 2)), np.ones((2, 2)))
