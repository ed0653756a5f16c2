"""Learning curves by epoch, and cost against score."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter, LogLocator, MaxNLocator, NullFormatter

from hemenet_lab.benchmark.figures.style import (
    COLOURS,
    GREY,
    MARKERS,
    Drawing,
    panels,
    say_synthetic,
)
from hemenet_lab.benchmark.tables import (
    FIRST_AXES,
    ResultTable,
    Row,
    block_of,
    label_of,
    row_of,
    varying_axes,
)
from hemenet_lab.tracking import RecordedRun

EpochCurve = dict[float, list[float]]
"""Values of the runs by epoch."""

COSTS = {
    "train/graphs_per_second": "training speed (structures / s) →",
    "train/peak_memory_mib": "← peak memory (MiB)",
    "parameters/encoder": "← encoder parameters",
}
"""Metrics of a run that say what it costs, and their axes; arrows point to the cheaper side."""
SCORE = "test/score"
_BINS = 10
"""Of the reliability curve."""
Point = tuple[float, float]


def reliability(table: ResultTable) -> Drawing | None:
    """Share of true terms against probability, a panel per task; None without a calibrated run."""
    found: dict[str, dict[int, list[tuple[float, float, int]]]] = {}
    for run in table.results.runs:
        for task, known in run.calibration.get("terms", {}).items():
            for each in known["reliability"]:
                place = min(int(each["predicted"] * _BINS), _BINS - 1)
                row = (each["predicted"], each["found"], each["count"])
                found.setdefault(task, {}).setdefault(place, []).append(row)
    tasks = [task for task in table.tasks if task in found]
    if not tasks:
        return None
    figure, axes = panels(len(tasks), 4, 1.9)
    for axis, task in zip(axes, tasks, strict=True):
        points = []
        for _, rows in sorted(found[task].items()):
            predicted, true, count = np.array(rows).T
            points.append((np.average(predicted, weights=count), np.average(true, weights=count)))
            size = 4 + 8 * np.log10(max(10.0, float(count.sum())))
            axis.scatter(*points[-1], s=size, color=COLOURS[0], zorder=3)
        axis.plot((0, 1), (0, 1), color=GREY, linewidth=0.8)
        axis.plot(*np.array(points).T, color=COLOURS[0], linewidth=0.8)
        axis.set(title=task, xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), xlabel="probability")
    axes[0].set_ylabel("share that is true")
    say_synthetic(figure, table.results.synthetic)
    caption = (
        "Calibrated probabilities of terms on validation data, all runs together: share of "
        "true ones in ten bins of probability; larger dots have more predictions. Grey: perfectly "
        "calibrated."
    )
    return Drawing("reliability", "Reliability of the probabilities", caption, figure)


def learning_curves(table: ResultTable, metric: str = "val/score") -> Drawing | None:
    """One panel per configuration, the others in grey behind it; None if nothing was logged."""
    curves: dict[Row, EpochCurve] = {}
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
            axis.plot(*_mean_curve(curves[other]), color=GREY, linewidth=0.6)
        _highlight(axis, curves[row])
        axis.set_title(label_of(row, shown), fontsize=7)
        axis.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    for axis in axes[-4:]:
        axis.set_xlabel("epoch")
    for axis in axes[::4]:
        axis.set_ylabel("val. score ↑" if metric == "val/score" else metric)
    lowest = min(min(_mean_curve(curve)[1]) for curve in curves.values())
    highest = max(max(_mean_curve(curve)[1]) for curve in curves.values())
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


def _mean_curve(curve: EpochCurve) -> tuple[list[float], list[float]]:
    epochs = sorted(curve)
    return epochs, [float(np.mean(curve[epoch])) for epoch in epochs]


def _highlight(axis: Axes, curve: EpochCurve) -> None:
    epochs, means = _mean_curve(curve)
    marker = "o" if len(epochs) == 1 else None
    axis.plot(epochs, means, color=COLOURS[0], linewidth=1.5, marker=marker, markersize=3)
    low, high = ([pick(curve[epoch]) for epoch in epochs] for pick in (min, max))
    axis.fill_between(epochs, low, high, color=COLOURS[0], alpha=0.2, linewidth=0)


def cost(table: ResultTable) -> Drawing | None:
    """Time and memory against the mean skill on the test set; None if no run recorded any."""
    runs: dict[Row, list[RecordedRun]] = {}
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
        _cost_panel(axis, points, names)
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


def _cost_panel(axis: Axes, points: dict[Row, Point], names: list[str]) -> None:
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
    """Area by which a label at ``spot`` covers boxes (x, y, half a width), in panel fractions."""
    return sum(
        max(0.0, half + other - abs(spot[0] - x)) * max(0.0, 0.032 - abs(spot[1] - y))
        for x, y, other in boxes
    )


def _mean(runs: Sequence[RecordedRun], metric: str) -> float:
    return float(np.mean([run.metrics[metric] for run in runs]))
