"""The bootstrap over labelled test items, from which every interval is.

One metric of one model: `bootstrap`. Many runs beside each other: `resample` keeps each run's score
on every draw, and all runs with the same items meet the same draws, so that means over seeds and
differences between configurations (`mean_interval`, `difference`) follow from them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hemenet_lab.metrics.weighted import Values, Weighted, weighted_metric

LEVEL = 0.95
"""Probability of the intervals."""
FEWEST_SEEDS = 3
"""Seeds from which on a spread is shown, and a difference is called established."""
RESAMPLES = 1000
_THRESHOLDS = 1000
"""Thresholds of resampled multi-label metrics."""
_WEIGHTS = 5_000_000
"""Weights (resamples × items) at a time, to bound the memory."""


class Interval(NamedTuple):
    """A value with the 95 % percentile interval of its bootstrap distribution."""

    value: float | None
    """None where there is no item or the metric is undefined; NaN if a prediction is not finite."""
    low: float | None
    """None where there is no interval: fewer than 2 items, or the metric is undefined in most
    resamples."""
    high: float | None
    n: int
    """Labelled items."""


@dataclass(frozen=True)
class Resampled:
    """Scores of a run on the draws that all runs with these test items share."""

    value: float
    by_item: Values
    """[B], items drawn with replacement."""
    by_cluster: Values | None
    """[B], whole sequence clusters drawn; None with fewer than 2 clusters."""
    per_cluster: float | None
    """Score with each cluster counted once, whatever its size; None if no cluster is known."""
    clusters: int
    """Clusters; an item whose cluster is unknown counts as one. 0 if none is known."""


@dataclass(frozen=True)
class Difference:
    """Mean over seeds of one configuration minus that of another, with its 95 % interval."""

    value: float
    low: float | None
    high: float | None
    seeds: int
    """Of the side that has fewer."""

    @property
    def excludes_zero(self) -> bool:
        """True if the whole interval is on one side of 0."""
        return self.low is not None and self.high is not None and self.low * self.high > 0

    @property
    def established(self) -> bool:
        """True if the interval excludes 0 and stands on enough seeds to say so."""
        return self.excludes_zero and self.seeds >= FEWEST_SEEDS


def bootstrap(
    metric: str,
    predictions: ArrayLike,
    targets: ArrayLike,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Value of a metric, and its interval when items are drawn again with replacement.

    Resampled multi-label metrics use at most 1,000 thresholds, evenly chosen by rank; the small
    difference to all thresholds, known for the value itself, is added to the interval.

    Args:
        metric: A name of `hemenet_lab.metrics.METRICS` that has intervals.
        predictions: [n, out], or [n]; probabilities for multi-label metrics.
        targets: The same shape.
        resamples: Number of resamples; 0 for the value alone.
        seed: Same seed, same interval.

    Raises:
        ValueError: An unknown metric, or shapes that do not fit.
    """
    prediction, target = _columns(predictions), _columns(targets)
    # made in any case, so that wrong names and shapes are told also when there is no item
    exact = weighted_metric(metric, prediction, target)
    n = len(target)
    if n == 0:
        return Interval(None, None, None, 0)
    if not np.isfinite(prediction).all():
        return Interval(float("nan"), None, None, n)
    value = _plain(exact, n)
    if np.isnan(value):
        return Interval(None, None, None, n)
    if resamples == 0 or n < 2:
        return Interval(value, None, None, n)
    quick = weighted_metric(metric, prediction, target, _THRESHOLDS)
    scores = _on_draws(quick, np.arange(n), resamples, seed)
    return Interval(value, *_interval(scores + (value - _plain(quick, n))), n)


def resample(
    metric: str,
    value: float,
    prediction: Values,
    target: Values,
    cluster: NDArray[np.int64],
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Resampled:
    """Scores of one run on ``resamples`` draws of items and of clusters.

    Multi-label metrics use at most 1,000 thresholds, evenly chosen by rank; the small difference to
    ``value`` is added to all scores, that per cluster included.

    Args:
        metric: A name of `hemenet_lab.metrics.METRICS`.
        value: The exact score.
        prediction: [n, out], finite.
        target: [n, out].
        cluster: [n]; -1 where unknown: such an item is a cluster of its own.
        resamples: B.
        seed: The same seed and number of items (clusters) give the same draws for every run.
    """
    score = weighted_metric(metric, prediction, target, _THRESHOLDS)
    n = len(target)
    shift = value - _plain(score, n)
    by_item = _on_draws(score, np.arange(n), resamples, seed) + shift
    if not bool((cluster >= 0).any()):
        return Resampled(value, by_item, None, None, 0)
    units = _units(cluster)
    sizes = np.bincount(units)
    once = float(score((1 / sizes[units])[None])[0]) + shift
    by_cluster = _on_draws(score, units, resamples, seed) + shift if len(sizes) > 1 else None
    return Resampled(value, by_item, by_cluster, None if np.isnan(once) else once, len(sizes))


def mean_interval(runs: Sequence[Resampled]) -> tuple[float | None, float | None]:
    """95 % interval of the mean over seeds when whole sequence clusters are drawn again.

    Near-copies are no independent evidence: 884 complexes of 15 clusters say less than 884. Single
    items are drawn where no cluster is known; items of one cluster have no interval.
    """
    drawn = _drawn(runs, known=all(run.clusters for run in runs))
    return (None, None) if drawn is None else _interval(np.mean(drawn, axis=0))


def difference(
    first: Sequence[Resampled], second: Sequence[Resampled], seed: int = 0
) -> Difference:
    """Mean of ``first`` minus mean of ``second``, both lists being the seeds of a configuration.

    Each resample draws whole sequence clusters of test items, the same for both (paired), and the
    seeds of each side: near-copies are no independent evidence, and neither is one lucky seed.
    Single items are drawn where no cluster is known.
    """
    value = float(np.mean([r.value for r in first]) - np.mean([r.value for r in second]))
    seeds = min(len(first), len(second))
    known = all(run.clusters for run in (*first, *second))
    sides = [_drawn(side, known=known) for side in (first, second)]
    rng = np.random.default_rng(seed)
    means = [_seeds_drawn(side, rng) for side in sides if side is not None]
    if len(means) < 2:
        return Difference(value, None, None, seeds)
    return Difference(value, *_interval(means[0] - means[1]), seeds)


def _drawn(runs: Sequence[Resampled], *, known: bool) -> Values | None:
    """Scores [runs, B] on draws of clusters, or of items if clusters are not known."""
    scores = [run.by_cluster if known else run.by_item for run in runs]
    found = [each for each in scores if each is not None]
    return np.array(found, dtype=np.float64) if len(found) == len(runs) else None


def _columns(values: ArrayLike) -> Values:
    array = np.asarray(values, dtype=np.float64)
    return array[:, None] if array.ndim == 1 else array


def _plain(score: Weighted, n: int) -> float:
    """The score with every item counted once."""
    return float(score(np.ones((1, n)))[0])


def _on_draws(score: Weighted, units: NDArray[np.int64], resamples: int, seed: int) -> Values:
    """Score [B] on each draw, with replacement, of whole units.

    Args:
        score: The metric.
        units: [n], unit of each item, from 0 without gaps.
        resamples: B.
        seed: Of the draws.
    """
    count = int(units.max()) + 1
    draws = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), resamples)
    parts = np.array_split(draws, max(1, -(-resamples * len(units) // _WEIGHTS)))
    return np.concatenate([score(part[:, units].astype(np.float64)) for part in parts])


def _units(cluster: NDArray[np.int64]) -> NDArray[np.int64]:
    """Consecutive numbers of clusters [n], one of its own for each unknown item."""
    own = cluster.max(initial=0) + 1 + np.arange(len(cluster))
    return np.unique(np.where(cluster < 0, own, cluster), return_inverse=True)[1].reshape(-1)


def _seeds_drawn(scores: Values, rng: np.random.Generator) -> Values:
    """Mean over seeds drawn with replacement, [B], of scores [seeds, B]."""
    number, resamples = scores.shape
    times = rng.multinomial(number, np.full(number, 1 / number), resamples)
    return (times.T * scores).sum(axis=0) / number


def _interval(values: Values) -> tuple[float | None, float | None]:
    """Ends of the interval; None where the metric is undefined in most resamples."""
    defined = values[~np.isnan(values)]
    if len(defined) < 2 or 2 * len(defined) < len(values):
        return None, None
    low, high = np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
