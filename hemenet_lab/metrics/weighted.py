"""Metrics as functions of row weights, for many sets of weights at once, as resampling needs them.

A weight of k counts a row k times; weights 1 / (size of its cluster) count each cluster once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hemenet_lab.metrics.aupr import average_precision
from hemenet_lab.metrics.fmax import TWENTY_THRESHOLDS, counts_above, exact_fmax
from hemenet_lab.metrics.registry import METRICS

Values = NDArray[np.float64]
Weighted = Callable[[Values], Values]
"""From weights [B, n], none all 0, to values [B]; NaN where the metric is undefined."""

_BLOCK = 512
"""Thresholds at a time."""


def weighted_metric(
    name: str, predictions: Values, targets: Values, max_thresholds: int | None = None
) -> Weighted:
    """The metric of rows as a function of their weights.

    Args:
        name: A key of `METRICS` that has intervals.
        predictions: [n, out], finite; probabilities for multi-label metrics.
        targets: [n, out].
        max_thresholds: Thresholds that ``fmax`` and ``aupr`` use, evenly chosen by rank from the
            scores of positives; all of them if None, which is exact: between two of them recall
            does not change, and precision only falls with the threshold.

    Raises:
        ValueError: An unknown name, or shapes that do not fit it.
    """
    known = [each for each, info in METRICS.items() if info.has_interval]
    if name not in known:
        raise ValueError(f"metric {name!r}; allowed: {', '.join(known)}")
    if predictions.shape != targets.shape or predictions.ndim != 2:
        raise ValueError(
            f"predictions {predictions.shape} and targets {targets.shape} do not fit; both must "
            "be [n, out]"
        )
    if METRICS[name].kind == "multilabel":
        rows = _MultilabelRows(predictions, targets, max_thresholds)
        functions: dict[str, Weighted] = {
            "fmax": rows.fmax,
            "fmax_20": rows.fmax_20,
            "aupr": rows.aupr,
        }
        return functions[name]
    if predictions.shape[1] != 1:
        raise ValueError(f"{name} needs one column, not {predictions.shape[1]}")
    return _regression(name, predictions[:, 0], targets[:, 0])


class _MultilabelRows:
    """Counts of each row at each threshold, from which Fmax and AUPR follow."""

    def __init__(self, scores: Values, targets: Values, max_thresholds: int | None) -> None:
        self.scores = torch.from_numpy(scores)
        self.targets = torch.from_numpy(targets > 0)
        self.positives = (targets > 0).sum(axis=1).astype(np.float64)
        self.max_thresholds = max_thresholds
        self.levels = torch.from_numpy(_thinned(np.unique(scores[targets > 0]), max_thresholds))

    def _blocks(self, thresholds: Tensor) -> Iterator[tuple[Values, Values]]:
        """Predicted terms and hits [n, T] of each row at some thresholds, from the lowest up."""
        for levels in thresholds.split(_BLOCK) if len(thresholds) else ():
            predicted, hits = counts_above(self.scores, self.targets, levels)
            yield predicted.double().numpy(), hits.double().numpy()

    def _plain(self, weights: Values) -> bool:
        """Return whether sorting gives the same, much sooner than all thresholds would."""
        equal = len(weights) == 1 and np.ptp(weights) == 0
        return self.max_thresholds is None and bool(equal and self.positives.any())

    def fmax(self, weights: Values) -> Values:
        """Protein-centric Fmax [B]."""
        if self._plain(weights):
            return np.array([exact_fmax(self.scores, self.targets)])
        return self._largest_f(weights, self.levels)

    def fmax_20(self, weights: Values) -> Values:
        """Protein-centric Fmax over 20 thresholds [B]."""
        # in float32 first, as `FmaxGrid` keeps them
        return self._largest_f(weights, torch.tensor(TWENTY_THRESHOLDS, dtype=torch.float32))

    def _largest_f(self, weights: Values, thresholds: Tensor) -> Values:
        best = np.zeros(len(weights))
        total = weights.sum(axis=1, keepdims=True)
        positives = np.maximum(self.positives, 1.0)[:, None]
        for predicted, hits in self._blocks(thresholds):
            covered = weights @ (predicted > 0)
            summed = weights @ (hits / np.maximum(predicted, 1.0))
            precision = summed / np.where(covered > 0, covered, 1.0)
            recall = weights @ (hits / positives) / total
            both = precision + recall
            f_score = 2 * precision * recall / np.where(both > 0, both, 1.0)
            best = np.maximum(best, f_score.max(axis=1))
        return best

    def aupr(self, weights: Values) -> Values:
        """Average precision over all pairs of row and term [B]; NaN without positives."""
        if self._plain(weights):
            pairs = self.scores.flatten(), self.targets.flatten()
            return np.array([float(average_precision(*pairs))])
        area, last = np.zeros(len(weights)), None
        for predicted, hits in self._blocks(self.levels):
            tp, count = weights @ hits, weights @ predicted
            precision = tp / np.where(count > 0, count, 1.0)
            area += ((tp[:, :-1] - tp[:, 1:]) * precision[:, :-1]).sum(axis=1)
            if last is not None:
                area += (last[0] - tp[:, 0]) * last[1]
            last = tp[:, -1], precision[:, -1]
        if last is not None:
            area += last[0] * last[1]
        positives = weights @ self.positives
        return np.where(positives > 0, area / np.where(positives > 0, positives, 1.0), np.nan)


def _thinned(levels: Values, most: int | None) -> Values:
    """At most ``most`` of the levels, evenly chosen by rank; the ends are among them."""
    if most is None or len(levels) <= most:
        return levels
    return levels[np.linspace(0, len(levels) - 1, most).round().astype(int)]


def _regression(name: str, prediction: Values, target: Values) -> Weighted:
    if name == "rmse":
        return lambda weights: np.sqrt(_mean(weights, (prediction - target) ** 2))
    if name == "mae":
        return lambda weights: _mean(weights, np.abs(prediction - target))
    if name == "pearson":
        x, y = prediction - prediction.mean(), target - target.mean()
        return lambda weights: _correlation(weights, x, y)
    first, second = _Ranks(prediction), _Ranks(target)
    return lambda weights: _correlation(weights, first(weights), second(weights))


def _mean(weights: Values, x: Values) -> Values:
    """Weighted mean over the last dimension of x [n] or [B, n], for weights [B, n]."""
    return (weights * x).sum(axis=1) / weights.sum(axis=1)


def _correlation(weights: Values, x: Values, y: Values) -> Values:
    """Weighted Pearson correlation [B]; NaN where the weighted rows of x or y are all equal."""
    x, y = (z - _mean(weights, z)[:, None] for z in (x, y))
    variances = _mean(weights, x * x), _mean(weights, y * y)
    defined = np.ones(len(weights), dtype=bool)
    for z, variance in zip((x, y), variances, strict=True):
        largest = np.abs(z).max(axis=1, where=weights > 0, initial=0.0)
        # a constant leaves rounding errors of the mean only
        defined &= (variance > 0) & (largest > 1e-12 * (np.abs(z).max(axis=1) + 1e-300))
    scale = np.sqrt(np.where(defined, variances[0] * variances[1], 1.0))
    return np.where(defined, np.clip(_mean(weights, x * y) / scale, -1.0, 1.0), np.nan)


class _Ranks:
    """Mean ranks of values [n] under weights: weight below, and half of that at the same value."""

    def __init__(self, values: Values) -> None:
        _, self.level = np.unique(values, return_inverse=True)

    def __call__(self, weights: Values) -> Values:
        at = np.zeros((len(weights), self.level.max() + 1))
        np.add.at(at.T, self.level, weights.T)
        return (at.cumsum(axis=1) - at / 2)[:, self.level]
