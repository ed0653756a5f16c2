"""Bootstrap intervals over labelled items, so that every number says how sure it is."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hemenet_lab.metrics.weighted import Values, Weighted, weighted_metric

LEVEL = 0.95
"""Probability of the interval."""
_THRESHOLDS = 1000
"""Thresholds of resampled Fmax and AUPR."""
_WEIGHTS = 5_000_000
"""Weights (resamples × items) at a time, to bound the memory."""


class Interval(NamedTuple):
    """A value with the 95 % percentile interval of its bootstrap distribution."""

    value: float | None
    """None where there is no item or the metric is undefined; NaN if a prediction is not finite."""
    low: float | None
    """None where there is no interval: fewer than 2 items (or groups), or the metric is undefined
    in most resamples."""
    high: float | None
    n: int
    """Labelled items."""


def bootstrap(
    metric: str,
    predictions: ArrayLike,
    targets: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    per_group: bool = False,
    resamples: int = 1000,
    seed: int = 0,
) -> Interval:
    """Value of a metric, and its interval when items are drawn again with replacement.

    Resampled Fmax and AUPR use at most 1,000 thresholds, evenly chosen by rank; the small
    difference to all thresholds, known for the value itself, is added to the interval.

    Args:
        metric: ``fmax``, ``aupr`` (micro), ``rmse``, ``mae``, ``pearson`` or ``spearman``.
        predictions: [n, out], or [n]; probabilities for multi-label metrics.
        targets: The same shape.
        groups: [n], such as the sequence cluster of each item. Whole groups are drawn then, since
            members of a group are no independent evidence.
        per_group: Each group counts once, whatever its size (weights 1 / size).
        resamples: Number of resamples.
        seed: Same seed, same interval.

    Raises:
        ValueError: An unknown metric, shapes that do not fit, or ``per_group`` without groups.
    """
    return _interval(metric, [_columns(predictions)], targets, groups, per_group, resamples, seed)


def bootstrap_difference(
    metric: str,
    first: ArrayLike,
    second: ArrayLike,
    targets: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    per_group: bool = False,
    resamples: int = 1000,
    seed: int = 0,
) -> Interval:
    """Metric of ``first`` minus that of ``second`` on the same items, with a paired interval.

    Both models are judged on the same resamples, so that what makes an item hard for both cancels.
    An interval without 0 tells them apart. Arguments as for `bootstrap`.
    """
    both = [_columns(first), _columns(second)]
    return _interval(metric, both, targets, groups, per_group, resamples, seed)


def group_score(
    metric: str, predictions: ArrayLike, targets: ArrayLike, groups: ArrayLike
) -> float | None:
    """The metric with each group counted once (weights 1 / size); None where undefined.

    One protein that was crystallised 300 times then counts as much as one crystallised once.
    """
    return bootstrap(metric, predictions, targets, groups=groups, per_group=True, resamples=0).value


def _columns(values: ArrayLike) -> Values:
    array = np.asarray(values, dtype=np.float64)
    return array[:, None] if array.ndim == 1 else array


def _interval(
    metric: str,
    models: list[Values],
    targets: ArrayLike,
    groups: ArrayLike | None,
    per_group: bool,
    resamples: int,
    seed: int,
) -> Interval:
    truth = _columns(targets)
    n = len(truth)
    # made in any case, so that wrong names and shapes are told also when there is no item
    exact = [weighted_metric(metric, model, truth) for model in models]
    unit, base = _units(n, groups, per_group)
    if n == 0:
        return Interval(None, None, None, 0)
    if not all(np.isfinite(model).all() for model in models):
        return Interval(float("nan"), None, None, n)
    value = float(_difference(exact, base[None])[0])
    if np.isnan(value):
        return Interval(None, None, None, n)
    count = int(unit.max()) + 1
    if resamples == 0 or count < 2:
        return Interval(value, None, None, n)
    quick = [weighted_metric(metric, model, truth, _THRESHOLDS) for model in models]
    draws = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), resamples)
    parts = np.array_split(draws, -(-resamples * n // _WEIGHTS))
    values = np.concatenate([_difference(quick, part[:, unit] * base) for part in parts])
    values += value - _difference(quick, base[None])
    return Interval(value, *_percentiles(values), n)


def _units(n: int, groups: ArrayLike | None, per_group: bool) -> tuple[NDArray[np.int64], Values]:
    """Unit of resampling of each item [n], and its weight [n]."""
    if groups is None:
        if per_group:
            raise ValueError("per_group counts each group once; give groups")
        return np.arange(n), np.ones(n)
    names = np.asarray(groups)
    if names.shape != (n,):
        raise ValueError(f"groups have shape {names.shape}; there must be one per item, ({n},)")
    _, unit, size = np.unique(names, return_inverse=True, return_counts=True)
    return unit, 1 / size[unit] if per_group else np.ones(n)


def _difference(metrics: list[Weighted], weights: Values) -> Values:
    """Value of the metric, or that of the first model minus that of the second, [B]."""
    first, *rest = (metric(weights) for metric in metrics)
    return first - rest[0] if rest else first


def _percentiles(values: Values) -> tuple[float | None, float | None]:
    defined = values[~np.isnan(values)]
    if 2 * len(defined) < len(values):
        return None, None
    low, high = np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
