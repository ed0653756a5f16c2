"""Metrics over labelled items, right under DDP; see `base.MaskedMetric` for what they share."""

from __future__ import annotations

from hemenet_lab.metrics.aupr import AUPR
from hemenet_lab.metrics.base import MaskedMetric, Score
from hemenet_lab.metrics.fmax import Fmax
from hemenet_lab.metrics.fmax_grid import FmaxGrid
from hemenet_lab.metrics.loss import MeanLoss
from hemenet_lab.metrics.regression import MAE, RMSE, Pearson, Spearman
from hemenet_lab.tasks import Task

__all__ = [
    "AUPR",
    "MAE",
    "RMSE",
    "Fmax",
    "FmaxGrid",
    "MaskedMetric",
    "MeanLoss",
    "Pearson",
    "Score",
    "Spearman",
    "task_metrics",
]


def task_metrics(task: Task, *, constant_memory: bool = False) -> dict[str, MaskedMetric]:
    """New metrics of a task by name; none for a task without outputs.

    Multi-label tasks have ``fmax`` and ``aupr`` and take probabilities; regression tasks have
    ``rmse``, ``mae``, ``pearson`` and ``spearman``.

    Args:
        task: What is predicted.
        constant_memory: `FmaxGrid` instead of `Fmax` and no ``aupr``, so that memory does not grow
            with the number of items.
    """
    if task.num_outputs == 0:
        return {}
    if task.kind == "regression":
        return {"rmse": RMSE(), "mae": MAE(), "pearson": Pearson(), "spearman": Spearman()}
    if constant_memory:
        return {"fmax": FmaxGrid(task.num_outputs)}
    return {"fmax": Fmax(task.num_outputs), "aupr": AUPR(task.num_outputs)}
