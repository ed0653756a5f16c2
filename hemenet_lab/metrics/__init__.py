"""Metrics over labelled items, right under DDP, and the bootstrap that says how sure they are.

`MaskedMetric` says what all metrics share, `METRICS` describes each of them once.
"""

from __future__ import annotations

from hemenet_lab.metrics.aupr import AUPR, average_precision
from hemenet_lab.metrics.base import MaskedMetric, Score, StoredRows, labelled_rows
from hemenet_lab.metrics.fmax import Fmax, FmaxGrid, exact_fmax, precision_recall
from hemenet_lab.metrics.loss import MeanLoss
from hemenet_lab.metrics.registry import (
    MAIN_METRICS,
    METRICS,
    PAPER_METRICS,
    MetricInfo,
    main_metric,
    task_metrics,
)
from hemenet_lab.metrics.regression import MAE, RMSE, Pearson, Spearman
from hemenet_lab.metrics.resampling import (
    FEWEST_SEEDS,
    Difference,
    Interval,
    Resampled,
    bootstrap,
    difference,
    mean_interval,
    resample,
)

__all__ = [
    "AUPR",
    "FEWEST_SEEDS",
    "MAE",
    "MAIN_METRICS",
    "METRICS",
    "PAPER_METRICS",
    "RMSE",
    "Difference",
    "Fmax",
    "FmaxGrid",
    "Interval",
    "MaskedMetric",
    "MeanLoss",
    "MetricInfo",
    "Pearson",
    "Resampled",
    "Score",
    "Spearman",
    "StoredRows",
    "average_precision",
    "bootstrap",
    "difference",
    "exact_fmax",
    "labelled_rows",
    "main_metric",
    "mean_interval",
    "precision_recall",
    "resample",
    "task_metrics",
]
