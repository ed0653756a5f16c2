"""What an encoder costs against what it reaches."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter, LogLocator, MaxNLocator, NullFormatter

from hemenet_lab.benchmark.figures_style import COLOURS, MARKERS, Drawing, panels, say_synthetic
from hemenet_lab.benchmark.results import Run
from hemenet_lab.benchmark.table_cells import ResultTable
from hemenet_lab.benchmark.table_rows import (
    FIRST_AXES,
    Row,
    block_of,
    label_of,
    row_of,
    varying_axes,
)

COSTS = {
    "train/graphs_per_second": "training speed (structures / s) →",
    "train/peak_memory_mib": "← peak memory (MiB)",
    "parameters/encoder": "← encoder parameters",
}
"""Metrics of a run that say what it costs, and their axes; arrows point to the cheaper side."""
SCORE = "test/score"
Point = tuple[float, float]


def cost(table: ResultTable) -> Drawing | None:
    """Time and memory against the mean skill on the test set; None if no run recorded any."""
    runs: dict[Row, list[Run]] = {}
    for run in table.results.runs:
        runs.setdefault(row_of(run), []).append(run)
    every = {
        metric: {
            row: (_mean(runs[row], metric), _mean(runs[row], SCORE))
            for row in table.rows
            if all({metric, SCORE} <= set(run.metrics) for run in runs[row])
        }
        for metric in COSTS
    }
    found = {metric: points for metric, points in every.items() if points}
    if not found:
        return None
    figure, axes = panels(len(found), 3, 3.2)
    shown = varying_axes(table.rows)
    names = [name for name in shown if name not in FIRST_AXES] or shown
    for axis, (metric, points) in zip(axes, found.items(), strict=True):
        _panel(axis, points, names)
        axis.set_xlabel(COSTS[metric])
    axes[0].set_ylabel("mean skill on the test set ↑")
    handles, labels = axes[0].get_legend_handles_labels()
    if len(labels) > 1:
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    say_synthetic(figure, table.results.synthetic)
    caption = (
        "Mean over runs. Skill: 0 for the constant predictor, 1 for a perfect model. Speeds are "
        "those of the machines that the runs happened to use; memory is that of the GPU, or of "
        "the whole process where there was none."
    )
    missing = [name for name in COSTS if name not in found]
    caption += f" Not recorded by these runs: {', '.join(missing)}." if missing else ""
    return Drawing("cost", "Cost against score", caption, figure)


def _panel(axis: Axes, points: dict[Row, Point], names: list[str]) -> None:
    blocks = list(dict.fromkeys(block_of(row) for row in points))
    axis.set_xscale("log")
    for place, block in enumerate(blocks):
        here = [point for row, point in points.items() if block_of(row) == block]
        axis.plot(
            *zip(*here, strict=True),
            linestyle="",
            marker=MARKERS[place % len(MARKERS)],
            markersize=4,
            color=COLOURS[place % len(COLOURS)],
            label=block,
        )
    costs = [x for x, _ in points.values()]
    wide = max(costs) > 8 * min(costs)
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)) if wide else MaxNLocator(3))
    axis.xaxis.set_major_formatter(EngFormatter(sep=""))
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.margins(x=0.12, y=0.08)
    positions = _positions(axis, list(points.values()))
    labels = [label_of(row, names) for row in points]
    for label, spot in zip(labels, _spots(positions, labels), strict=True):
        axis.annotate(label, spot, xycoords="axes fraction", fontsize=5.5, va="center", ha="center")


def _positions(axis: Axes, points: Sequence[Point]) -> list[Point]:
    """Points as fractions of the panel."""
    to_panel = axis.transData + axis.transAxes.inverted()
    axis.get_xlim()  # settles the limits
    return [(float(x), float(y)) for x, y in to_panel.transform(np.array(points))]


def _spots(points: Sequence[Point], labels: Sequence[str]) -> list[Point]:
    """A place for the middle of each label, near its point and off other labels and points."""
    boxes: list[tuple[float, float, float]] = [(x, y, 0.02) for x, y in points]
    spots = []
    for (x, y), label in zip(points, labels, strict=True):
        half = 0.012 * len(label)
        sides = [(half + 0.03, 0.0), (-half - 0.03, 0.0)]
        around = [(dx, dy) for dy in (0.035, -0.035, 0.065, -0.065) for dx in (0.0, half, -half)]
        tried = [(x + dx, y + dy) for dx, dy in (*sides, *around)]
        inside = [spot for spot in tried if half < spot[0] < 1.05 - half] or tried
        best = min(inside, key=lambda spot: (_overlap(spot, half, boxes), tried.index(spot)))
        boxes.append((*best, half))
        spots.append(best)
    return spots


def _overlap(spot: Point, half: float, boxes: Sequence[tuple[float, float, float]]) -> float:
    """How much a label at ``spot`` covers boxes (x, y, half a width), in panel fractions."""
    return sum(
        max(0.0, half + other - abs(spot[0] - x)) * max(0.0, 0.032 - abs(spot[1] - y))
        for x, y, other in boxes
    )


def _mean(runs: Sequence[Run], metric: str) -> float:
    return float(np.mean([run.metrics[metric] for run in runs]))
