"""Bars per task with intervals, and label efficiency."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes

from hemenet_lab.benchmark.figures.style import (
    COLOURS,
    MARKERS,
    Drawing,
    panels,
    say_synthetic,
)
from hemenet_lab.benchmark.results import number_or_none, paper_value
from hemenet_lab.benchmark.tables import (
    Cell,
    ResultTable,
    Row,
    block_of,
    label_of,
    varying_axes,
)
from hemenet_lab.metrics import MAIN_METRICS, METRICS

_SEED_DOTS: dict[str, Any] = {
    "linestyle": "",
    "marker": "o",
    "markersize": 2.4,
    "markerfacecolor": "white",
    "markeredgecolor": "black",
    "markeredgewidth": 0.5,
}
_PAPER: dict[str, Any] = {
    "color": "black",
    "linestyle": ":",
    "linewidth": 1,
    "marker": "D",
    "markersize": 4,
    "markerfacecolor": "none",
}


def bars(table: ResultTable) -> Drawing:
    """Score of every row on every task, with 95 % intervals over clusters of test items."""
    columns = table.columns(MAIN_METRICS)
    height = max(1.3, 0.55 + 0.19 * len(table.rows))
    figure, axes = panels(len(columns), 3, height)
    shown = varying_axes(table.rows)
    blocks = list(dict.fromkeys(block_of(row) for row in table.rows))
    colours = {block: COLOURS[place % len(COLOURS)] for place, block in enumerate(blocks)}
    for place, (axis, column) in enumerate(zip(axes, columns, strict=True)):
        labels = [label_of(row, shown) for row in table.rows] if place % 3 == 0 else None
        _bar_panel(axis, table, column, colours, labels)
    say_synthetic(figure, table.results.synthetic)
    caption = (
        "Bars: mean over seeds, whiskers: 95 % bootstrap interval over clusters, dots: seeds, "
        "dashed: constant predictor"
    )
    caption += "." if table.results.synthetic else "; diamonds: the paper's number."
    return Drawing("bars", "Score per task", caption, figure)


def _bar_panel(
    axis: Axes,
    table: ResultTable,
    column: tuple[str, str],
    colours: dict[str, str],
    labels: list[str] | None,
) -> None:
    task, metric = column
    for place, row in enumerate(table.rows):
        cell = table.cell(row, task, metric)
        if cell is None or cell.mean is None:
            continue
        axis.barh(place, cell.mean, color=colours[block_of(row)], alpha=0.75, height=0.72)
        if cell.low is not None and cell.high is not None:
            axis.plot([cell.low, cell.high], [place, place], color="black", linewidth=1)
        known = [value for value in cell.values if value is not None]
        axis.plot(known, [place + 0.2] * len(known), **_SEED_DOTS)
        if cell.paper and not table.results.synthetic:
            axis.plot(cell.paper.value, place, **_PAPER)
    constants = [c.constant for row in table.rows if (c := table.cell(row, task, metric))]
    for value in {round(c, 4) for c in constants if c is not None}:
        axis.axvline(value, color="#555555", linestyle="--", linewidth=0.8)
    axis.set_yticks(range(len(table.rows)), labels or [""] * len(table.rows))
    axis.set_ylim(len(table.rows) - 0.4, -0.6)
    axis.grid(axis="y", visible=False)
    counts = sorted({c.n for row in table.rows if (c := table.cell(row, task, metric))})
    axis.set_title(f"{task}, n = {', '.join(counts)}")
    axis.set_xlabel(METRICS[metric].axis_label(table.results.unit(task)))


def numeric_axis(rows: Sequence[Row]) -> str | None:
    """The axis whose choices are all numbers, at least two of them."""
    for axis in varying_axes(rows):
        choices = {dict(row).get(axis, "") for row in rows}
        if len(choices) > 1 and all(number_or_none(c.rstrip("% ")) is not None for c in choices):
            return axis
    return None


def efficiency(table: ResultTable) -> Drawing | None:
    """Score against the share of training labels; None for a grid without an axis of numbers."""
    axis_name = numeric_axis(table.rows)
    if axis_name is None:
        return None
    columns = table.columns(MAIN_METRICS)
    figure, axes = panels(len(columns), 3, 2.1)
    groups: dict[Row, list[Row]] = {}
    for row in table.rows:
        groups.setdefault(tuple(pair for pair in row if pair[0] != axis_name), []).append(row)
    for axis, column in zip(axes, columns, strict=True):
        for place, (group, rows) in enumerate(groups.items()):
            _curve(axis, table, rows, column, axis_name, place, label_of(group))
        _paper_curve(axis, table, column, axis_name)
        axis.set_title(column[0])
        axis.set_ylabel(METRICS[column[1]].axis_label(table.results.unit(column[0])))
        axis.set_xlabel(axis_name.replace("_", " "))
    handles = {
        str(line.get_label()): line
        for axis in axes
        for line in axis.get_lines()
        if not str(line.get_label()).startswith("_")
    }
    if len(handles) > 1:
        figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=4)
    say_synthetic(figure, table.results.synthetic)
    caption = "Mean over seeds; bars: 95 % bootstrap interval over clusters of test items."
    return Drawing("efficiency", "Label efficiency", caption, figure)


def _curve(
    axis: Axes,
    table: ResultTable,
    rows: list[Row],
    column: tuple[str, str],
    name: str,
    place: int,
    label: str,
) -> None:
    cells = [cell for row in rows if (cell := table.cell(row, *column)) and cell.mean is not None]
    points = [(_share(cell, name), cell.mean) for cell in cells]
    if not points:
        return
    colour, marker = COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)]
    axis.plot(
        *zip(*points, strict=True), color=colour, marker=marker, markersize=4, label=label or "here"
    )
    for cell in cells:
        if cell.low is not None and cell.high is not None:
            axis.plot([_share(cell, name)] * 2, [cell.low, cell.high], color=colour, linewidth=1)


def _paper_curve(axis: Axes, table: ResultTable, column: tuple[str, str], name: str) -> None:
    """The paper's numbers; never beside synthetic data."""
    if table.results.synthetic:
        return
    shares = sorted({dict(row)[name] for row in table.rows}, key=lambda c: float(c.rstrip("% ")))
    found = [(share, paper_value(table.results.grid, [share], *column)) for share in shares]
    points = [(float(share.rstrip("% ")), value.value) for share, value in found if value]
    if points:
        axis.plot(*zip(*points, strict=True), **_PAPER, label="the paper")


def _share(cell: Cell, name: str) -> float:
    return float(dict(cell.row)[name].rstrip("% "))
