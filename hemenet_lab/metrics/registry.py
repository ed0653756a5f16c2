"""The metrics, each described once: name, title, unit, direction, and what it is used for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hemenet_lab.metrics.aupr import AUPR
from hemenet_lab.metrics.base import MaskedMetric
from hemenet_lab.metrics.fmax import Fmax, FmaxGrid
from hemenet_lab.metrics.regression import MAE, RMSE, Pearson, Spearman
from hemenet_lab.tasks import Kind, Task


@dataclass(frozen=True)
class MetricInfo:
    """One metric.

    Args:
        name: Its name in logs, CSV files and MLflow.
        title: Its name for people.
        kind: Kind of the tasks that have it.
        cls: Its class.
        options: Settings of the class.
        has_unit: It is in the task's unit; otherwise it has none.
        main: A task's skill, its figures and its gains are made from it; one for each kind.
        in_paper: The paper prints it, so its tables show it, with intervals and marks.
        test_only: It is computed in tests only, since it would cost time or memory in each epoch.
        has_interval: The bootstrap gives it an interval.
    """

    name: str
    title: str
    kind: Kind
    cls: type[MaskedMetric]
    options: Mapping[str, Any] = field(default_factory=dict)
    has_unit: bool = False
    main: bool = False
    in_paper: bool = False
    test_only: bool = False
    has_interval: bool = True

    @property
    def higher_is_better(self) -> bool:
        """Direction."""
        return bool(self.cls.higher_is_better)

    @property
    def heading(self) -> str:
        """Title and direction, for the head of a column: ``RMSE ↓``."""
        return f"{self.title} {'↑' if self.higher_is_better else '↓'}"

    def axis_label(self, unit: str = "") -> str:
        """Title, unit and direction, for the axis of a figure: ``RMSE (pKd) ↓``.

        Args:
            unit: That of the task; empty if it is not known.
        """
        shown = f" ({unit})" if unit and self.has_unit else ""
        return f"{self.title}{shown} {'↑' if self.higher_is_better else '↓'}"

    def make(self, task: Task) -> MaskedMetric:
        """A new metric for a task of this kind."""
        made: Callable[..., MaskedMetric] = self.cls
        width = () if self.kind == "regression" else (task.num_outputs,)
        return made(*width, **self.options)


METRICS = {
    info.name: info
    for info in (
        MetricInfo("rmse", "RMSE", "regression", RMSE, has_unit=True, main=True, in_paper=True),
        MetricInfo("mae", "MAE", "regression", MAE, has_unit=True, in_paper=True),
        MetricInfo("pearson", "Pearson", "regression", Pearson),
        MetricInfo("spearman", "Spearman", "regression", Spearman),
        MetricInfo("fmax", "Fmax", "multilabel", Fmax, main=True, in_paper=True),
        MetricInfo("aupr", "AUPR", "multilabel", AUPR),
        # as the paper computes Fmax, to compare with its numbers like for like
        MetricInfo("fmax_20", "Fmax (20 thresholds)", "multilabel", FmaxGrid, test_only=True),
        # as DeepFRI computes AUPR; it has no interval, since items that are drawn twice raise the
        # average precision of rare terms, so that most resamples lie above the value itself
        MetricInfo(
            "aupr_macro",
            "AUPR (mean over terms)",
            "multilabel",
            AUPR,
            {"average": "macro"},
            test_only=True,
            has_interval=False,
        ),
    )
}
"""All metrics by name; regression first, in the order in which they are shown."""

PAPER_METRICS = tuple(name for name, info in METRICS.items() if info.in_paper)
"""Metrics of the paper's tables, in their order."""

MAIN_METRICS = tuple(name for name, info in METRICS.items() if info.main)
"""The main metric of each kind of task."""


def main_metric(kind: Kind) -> MetricInfo:
    """The metric that stands for a task of this kind where only one is shown."""
    return next(info for info in METRICS.values() if info.main and info.kind == kind)


def task_metrics(task: Task, *, test: bool = False) -> dict[str, MaskedMetric]:
    """New metrics of a task by name; none for a task without outputs.

    Multi-label metrics take probabilities, regression metrics values in the task's unit.

    Args:
        task: What is predicted.
        test: Include those that are computed in tests only.
    """
    if task.num_outputs == 0:
        return {}
    return {
        name: info.make(task)
        for name, info in METRICS.items()
        if info.kind == task.kind and (test or not info.test_only)
    }
