"""RMSE, MAE and the correlations of Pearson and Spearman."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata
from torch import Tensor

from hemenet_lab.metrics.base import Score, StoredRows, labelled_rows

Values = NDArray[np.float64]


class Regression(StoredRows):
    """A metric of predicted and true values, [n] or [n, 1] in the task's unit."""

    def __init__(self, **options: Any) -> None:
        super().__init__(1, **options)

    def update(self, prediction: Tensor, target: Tensor, mask: Tensor) -> None:
        """Add predictions and targets [n, 1] or [n] of the rows where ``mask`` [n] holds."""
        prediction, target = labelled_rows(prediction, target, mask, 1)
        self.store(prediction, target)

    def compute(self) -> Score:
        """The value over all labelled rows; absent without any, or where undefined."""
        prediction, target = (x.flatten().double().cpu().numpy() for x in self.rows())
        n = len(target)
        if n == 0:
            return Score(None, 0)
        if not np.isfinite(prediction).all():
            return Score(float("nan"), n)
        order = np.lexsort((prediction, target))  # so that the sum's order is always the same
        return Score(self.value(prediction[order], target[order]), n)

    def value(self, prediction: Values, target: Values) -> float | None:
        """The metric of two arrays [n], n ≥ 1; None where it is undefined."""
        raise NotImplementedError


class RMSE(Regression):
    """Root mean squared error."""

    higher_is_better = False

    def value(self, prediction: Values, target: Values) -> float:
        """√ mean (p − t)²."""
        return float(np.sqrt(np.mean((prediction - target) ** 2)))


class MAE(Regression):
    """Mean absolute error."""

    higher_is_better = False

    def value(self, prediction: Values, target: Values) -> float:
        """Mean |p − t|."""
        return float(np.mean(np.abs(prediction - target)))


class Pearson(Regression):
    """Pearson's correlation; absent where predictions or targets are all equal."""

    higher_is_better = True

    def value(self, prediction: Values, target: Values) -> float | None:
        """Covariance over the product of the standard deviations."""
        return pearson(prediction, target)


class Spearman(Regression):
    """Spearman's rank correlation, ties sharing their mean rank; absent as for `Pearson`."""

    higher_is_better = True

    def value(self, prediction: Values, target: Values) -> float | None:
        """Pearson's correlation of the ranks."""
        return pearson(rankdata(prediction), rankdata(target))


def pearson(first: Values, second: Values) -> float | None:
    """Correlation of two arrays [n]; None where either is constant."""
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    a, b = first - first.mean(), second - second.mean()
    # scaled before squaring, so that tiny or huge values neither vanish nor overflow
    a, b = a / np.abs(a).max(), b / np.abs(b).max()
    return float(np.clip(np.sum(a * b) / np.sqrt(np.sum(a * a) * np.sum(b * b)), -1.0, 1.0))
