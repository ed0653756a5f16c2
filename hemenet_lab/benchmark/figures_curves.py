"""Learning curves: the validation score of every configuration by epoch."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from hemenet_lab.benchmark.figures_style import COLOURS, GREY, Drawing, panels, say_synthetic
from hemenet_lab.benchmark.table_cells import ResultTable
from hemenet_lab.benchmark.table_rows import Row, label_of, row_of, varying_axes

Curve = dict[float, list[float]]
"""Values of the runs by epoch."""


def learning_curves(table: ResultTable, metric: str = "val/score") -> Drawing | None:
    """One panel per configuration, the others in grey behind it; None if nothing was logged."""
    curves: dict[Row, Curve] = {}
    for run in table.results.runs:
        for epoch, value in run.history(metric):
            curve = curves.setdefault(row_of(run), {})
            curve.setdefault(epoch, []).append(value)
    rows = [row for row in table.rows if row in curves]
    if not rows:
        return None
    figure, axes = panels(len(rows), 4, 1.45)
    shown = varying_axes(table.rows)
    for axis, row in zip(axes, rows, strict=True):
        for other in rows:
            axis.plot(*_mean(curves[other]), color=GREY, linewidth=0.6)
        _highlight(axis, curves[row])
        axis.set_title(label_of(row, shown), fontsize=7)
        axis.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    for axis in axes[-4:]:
        axis.set_xlabel("epoch")
    for axis in axes[::4]:
        axis.set_ylabel("val. score ↑" if metric == "val/score" else metric)
    lowest = min(min(_mean(curve)[1]) for curve in curves.values())
    highest = max(max(_mean(curve)[1]) for curve in curves.values())
    last = max(max(curve) for curve in curves.values())
    for axis in axes:
        axis.set_ylim(lowest - 0.05, highest + 0.05)
        axis.set_xlim(0, last + 0.5)
    say_synthetic(figure, table.results.synthetic)
    caption = (
        "Validation score (mean skill over tasks) by epoch: mean over the runs of a row, shaded: "
        "their range, grey: the other rows."
    )
    return Drawing("learning", "Learning curves", caption, figure)


def _mean(curve: Curve) -> tuple[list[float], list[float]]:
    epochs = sorted(curve)
    return epochs, [float(np.mean(curve[epoch])) for epoch in epochs]


def _highlight(axis: Axes, curve: Curve) -> None:
    epochs, means = _mean(curve)
    marker = "o" if len(epochs) == 1 else None
    axis.plot(epochs, means, color=COLOURS[0], linewidth=1.5, marker=marker, markersize=3)
    low, high = ([pick(curve[epoch]) for epoch in epochs] for pick in (min, max))
    axis.fill_between(epochs, low, high, color=COLOURS[0], alpha=0.2, linewidth=0)
