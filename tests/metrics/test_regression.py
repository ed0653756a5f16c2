from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from hemenet_lab.metrics import MAE, RMSE, Pearson, Spearman
from hemenet_lab.metrics.regression import Regression, pearson

CLASSES = (RMSE, MAE, Pearson, Spearman)


def computed(metric: Regression, prediction: list[float], target: list[float]) -> float | None:
    metric.update(
        torch.tensor(prediction), torch.tensor(target), torch.ones(len(target), dtype=torch.bool)
    )
    return metric.compute().value


def test_hand_computed() -> None:
    prediction, target = [1.0, 2.0, 4.0], [1.0, 4.0, 3.0]  # errors 0, -2, 1
    assert computed(RMSE(), prediction, target) == pytest.approx((5 / 3) ** 0.5)
    assert computed(MAE(), prediction, target) == pytest.approx(1.0)
    assert computed(Spearman(), prediction, target) == pytest.approx(0.5)
    # deviations (-4, -1, 5)/3 and (-5, 4, 1)/3
    assert computed(Pearson(), prediction, target) == pytest.approx(21 / (42 * 42) ** 0.5)


values = st.lists(
    st.tuples(st.integers(-4, 4), st.integers(-4, 4)), min_size=2, max_size=40
).filter(lambda pairs: all(len({pair[k] for pair in pairs}) > 1 for k in (0, 1)))


@settings(max_examples=100, deadline=None)
@given(values)
def test_correlations_equal_scipy_with_ties(pairs: list[tuple[int, int]]) -> None:
    first, second = (list(map(float, column)) for column in zip(*pairs, strict=True))
    linear, ranked = stats.pearsonr(first, second)[0], stats.spearmanr(first, second)[0]
    assert computed(Pearson(), first, second) == pytest.approx(linear, abs=1e-12)
    assert computed(Spearman(), first, second) == pytest.approx(ranked, abs=1e-12)


@pytest.mark.parametrize("metric", [Pearson, Spearman])
def test_correlation_with_a_constant_is_absent(metric: type[Regression]) -> None:
    assert computed(metric(), [3.0, 3.0], [1.0, 2.0]) is None
    assert computed(metric(), [1.0], [2.0]) is None


def test_pearson_of_tiny_values_does_not_vanish() -> None:
    x = np.linspace(0, 1, 11)
    assert pearson(x * 1e-200, 2 * x) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("metric", CLASSES)
def test_masked_rows_do_not_count(metric: type[Regression]) -> None:
    full, masked = metric(), metric()
    prediction, target = torch.randn(10, 1), torch.randn(10, 1)
    mask = torch.arange(10) % 3 > 0
    full.update(prediction[mask], target[mask], mask[mask])
    masked.update(torch.where(mask[:, None], prediction, torch.nan), target, mask)
    assert masked.compute() == full.compute()
    assert masked.n == int(mask.sum())


@pytest.mark.parametrize("metric", CLASSES)
def test_not_finite_prediction_shows(metric: type[Regression]) -> None:
    value = computed(metric(), [1.0, float("inf")], [1.0, 2.0])
    assert value is not None
    assert np.isnan(value)
