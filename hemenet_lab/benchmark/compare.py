"""Bootstrap over the test items of many runs at once: every run meets the same resamples.

`hemenet_lab.uncertainty` judges one model, or two against each other. Here each run's score on
every resample is kept, so that means over seeds and all pairs of configurations follow from them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hemenet_lab.metrics.weighted import weighted_metric
from hemenet_lab.uncertainty import LEVEL

Values = NDArray[np.float64]
RESAMPLES = 1000
LOWER_IS_BETTER = ("rmse", "mae")
_THRESHOLDS = 1000
"""Thresholds of resampled Fmax and AUPR."""
_WEIGHTS = 5_000_000
"""Weights (resamples × items) at a time, to bound the memory."""


@dataclass(frozen=True)
class Resampled:
    """A run's score on the resamples that all runs with these test items share."""

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

    @property
    def established(self) -> bool:
        """Whether the interval excludes 0."""
        return self.low is not None and self.high is not None and self.low * self.high > 0


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

    Fmax and AUPR use at most 1,000 thresholds, evenly chosen by rank; the small difference to
    ``value`` is added to all scores.

    Args:
        metric: A metric of `hemenet_lab.metrics.weighted`.
        value: The exact score.
        prediction: [n, out].
        target: [n, out].
        cluster: [n]; -1 where unknown: such an item is a cluster of its own.
        resamples: B.
        seed: The same seed and number of items (clusters) give the same draws for every run.
    """
    score = weighted_metric(metric, prediction, target, _THRESHOLDS)
    n = len(target)
    items = np.arange(n)
    units = _units(cluster)
    draws = [_draws(items, resamples, seed)]
    number = int(units.max()) + 1
    known = bool((cluster >= 0).any())
    if known:
        base = 1 / np.bincount(units)[units]
        draws += [base[None], _draws(units, resamples if number > 1 else 0, seed)]
    parts = [np.ones((1, n)), *draws]
    scores = _in_parts(score, np.concatenate(parts))
    whole, by_item, *rest = np.split(scores, np.cumsum([len(part) for part in parts])[:-1])
    shift = value - whole[0]
    by_cluster = rest[1] + shift if known and number > 1 else None
    per_cluster = float(rest[0][0] + shift) if known and not np.isnan(rest[0][0]) else None
    return Resampled(value, by_item + shift, by_cluster, per_cluster, number if known else 0)


def _units(cluster: NDArray[np.int64]) -> NDArray[np.int64]:
    """Consecutive numbers of clusters [n], one of its own for each unknown item."""
    own = cluster.max(initial=0) + 1 + np.arange(len(cluster))
    return np.unique(np.where(cluster < 0, own, cluster), return_inverse=True)[1].reshape(-1)


def _draws(units: NDArray[np.int64], resamples: int, seed: int) -> Values:
    """How often each item is drawn, [B, n], when whole units are drawn with replacement."""
    count = int(units.max()) + 1
    times = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), resamples)
    return times[:, units].astype(np.float64)


def _in_parts(score: object, weights: Values) -> Values:
    assert callable(score)
    pieces = np.array_split(weights, max(1, -(-weights.size // _WEIGHTS)))
    return np.concatenate([score(piece) for piece in pieces])


def mean_interval(runs: Sequence[Resampled]) -> tuple[float | None, float | None]:
    """95 % interval of the mean over seeds when items are drawn again."""
    return _percentiles(np.mean([run.by_item for run in runs], axis=0))


def difference(
    first: Sequence[Resampled], second: Sequence[Resampled], seed: int = 0
) -> Difference:
    """Mean of ``first`` minus mean of ``second``, both lists being the seeds of a configuration.

    Each resample draws whole sequence clusters of test items, the same for both (paired), and the
    seeds of each side: near-copies are no independent evidence, and neither is one lucky seed.
    Single items are drawn where no cluster is known.
    """
    value = float(np.mean([r.value for r in first]) - np.mean([r.value for r in second]))
    known = all(run.clusters for run in (*first, *second))
    sides = [[run.by_cluster if known else run.by_item for run in side] for side in (first, second)]
    if any(scores is None for side in sides for scores in side):
        return Difference(value, None, None)
    rng = np.random.default_rng(seed)
    means = [_seeds_drawn(np.array(side, dtype=np.float64), rng) for side in sides]
    return Difference(value, *_percentiles(means[0] - means[1]))


def _seeds_drawn(scores: Values, rng: np.random.Generator) -> Values:
    """Mean over seeds drawn with replacement, [B], of scores [seeds, B]."""
    number, resamples = scores.shape
    times = rng.multinomial(number, np.full(number, 1 / number), resamples)
    return (times.T * scores).sum(axis=0) / number


def _percentiles(values: Values) -> tuple[float | None, float | None]:
    """Ends of the interval; None where the metric is undefined in most resamples."""
    defined = values[~np.isnan(values)]
    if len(defined) < 2 or 2 * len(defined) < len(values):
        return None, None
    low, high = np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
