"""One cell of a table: the scores of one configuration on one task and metric, from all seeds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hemenet_lab.benchmark.paper import PaperValue
from hemenet_lab.benchmark.table_rows import Row

METRICS = ("rmse", "mae", "fmax", "pearson", "spearman", "aupr")
COMPARED = ("rmse", "mae", "fmax")
"""Metrics of the paper: they get intervals, scores per cluster and marks."""


@dataclass(frozen=True)
class Cell:
    """Scores of one configuration on one task and metric."""

    row: Row
    task: str
    metric: str
    seeds: tuple[int, ...]
    values: tuple[float | None, ...]
    """One per seed; None where the metric is undefined."""
    counts: tuple[int, ...]
    """Labelled test items, one per seed."""
    constant: float | None
    """Score of the constant predictor, mean over seeds."""
    low: float | None = None
    """Ends of the 95 % bootstrap interval of the mean over test items."""
    high: float | None = None
    per_cluster: float | None = None
    """Mean score with each sequence cluster counted once."""
    clusters: int = 0
    paper: PaperValue | None = None
    mark: str = ""
    """``best``, ``second`` or nothing."""

    @property
    def mean(self) -> float | None:
        """Mean over seeds; None if the metric is undefined for one of them."""
        known = [value for value in self.values if value is not None]
        return float(np.mean(known)) if len(known) == len(self.values) else None

    @property
    def std(self) -> float | None:
        """Standard deviation over seeds (n - 1 in the denominator); None for a single seed."""
        known = [value for value in self.values if value is not None]
        return float(np.std(known, ddof=1)) if len(known) == len(self.values) > 1 else None

    @property
    def n(self) -> str:
        """Labelled test items; two numbers if the seeds were tested on different ones."""
        few, many = min(self.counts), max(self.counts)
        return str(few) if few == many else f"{few}-{many}"
