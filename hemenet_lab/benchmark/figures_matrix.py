"""Matrices: gains between tasks, and correlations of task prompts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hemenet_lab.benchmark.compare_transfer import ALL, LEFT_OUT, PAIR, Gain
from hemenet_lab.benchmark.figures_style import WIDTH, Drawing, say_synthetic
from hemenet_lab.benchmark.table_rows import label_of
from hemenet_lab.tasks import PROTEIN_MT

_ORDER = [task.name for task in PROTEIN_MT]
_COLOURS = "PuOr"
_STRONGEST = 0.3
"""Relative gain with the full colour."""
_TITLES = {
    PAIR: "learned with one other task, against alone",
    ALL: "learned with all tasks, against alone",
    LEFT_OUT: "learned with all tasks, against all but one",
}


def transfer_matrix(gains: Sequence[Gain], synthetic: bool) -> Drawing | None:
    """Gains with intervals, a panel per kind and model; None without any."""
    grouped: dict[tuple[str, str], list[Gain]] = {}
    for gain in gains:
        model = "" if gain.kind == ALL else label_of(gain.model)
        grouped.setdefault((gain.kind, model), []).append(gain)
    if not grouped:
        return None
    several = len({gain.model for gain in gains}) > 1
    heights = [0.55 + 0.36 * len(_row_names(found)) for found in grouped.values()]
    figure = Figure(figsize=(WIDTH, sum(heights)), layout="constrained")
    axes = figure.subplots(len(grouped), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axis, ((kind, model), found) in zip(axes, grouped.items(), strict=True):
        _gain_panel(axis, found)
        axis.set_title(f"{model}: {_TITLES[kind]}" if several and model else _TITLES[kind])
    say_synthetic(figure, synthetic)
    caption = (
        "Gain of the column's task (positive is better, RMSE in pKd or Fmax) from the row's; in "
        "brackets the paired 95 % interval over sequence clusters and seeds; bold where it "
        "excludes 0. Colour: gain relative to the score without."
    )
    return Drawing("transfer", "Which task helps which", caption, figure)


def _row_names(gains: Sequence[Gain]) -> list[str]:
    names = {_row_name(gain) for gain in gains}
    return sorted(names, key=lambda name: (_place(name), name))


def _row_name(gain: Gain) -> str:
    return (label_of(gain.model) or gain.helper) if gain.kind == ALL else gain.helper


def _gain_panel(axis: Axes, gains: Sequence[Gain]) -> None:
    rows = _row_names(gains)
    columns = sorted({gain.task for gain in gains}, key=lambda name: (_place(name), name))
    colours = np.full((len(rows), len(columns)), np.nan)
    for gain in gains:
        place = rows.index(_row_name(gain)), columns.index(gain.task)
        colours[place] = gain.relative
        low, high = gain.gain.low, gain.gain.high
        interval = "" if low is None else f"\n[{low:+.2f}, {high:+.2f}]"
        axis.text(
            place[1],
            place[0],
            f"{gain.gain.value:+.3f}{interval}",
            ha="center",
            va="center",
            fontsize=6.5,
            color=_ink(gain.relative / _STRONGEST),
            weight="bold" if gain.gain.established else "normal",
        )
    axis.imshow(colours, cmap=_COLOURS, vmin=-_STRONGEST, vmax=_STRONGEST, aspect="auto")
    _name_ticks(axis, rows, columns)
    axis.set_ylabel("model" if gains[0].kind == ALL and len(rows) > 1 else "helping task")


def prompt_heatmap(
    names: Sequence[str], mean: NDArray[np.float64], spread: NDArray[np.float64] | None, runs: int
) -> Figure:
    """Correlations [T, T] between prompts, mean over runs, with standard deviations if given."""
    side = min(WIDTH * 0.62, 1.2 + 0.55 * len(names))
    figure = Figure(figsize=(side, side * 0.86), layout="constrained")
    axis = figure.subplots()
    image = axis.imshow(mean, cmap=_COLOURS, vmin=-1, vmax=1)
    for row in range(len(names)):
        for column in range(len(names)):
            text = f"{mean[row, column]:.2f}"
            if spread is not None and runs > 1 and row != column:
                text += f"\n±{spread[row, column]:.2f}"
            ink = _ink(mean[row, column])
            axis.text(column, row, text, ha="center", va="center", fontsize=6.5, color=ink)
    _name_ticks(axis, names, names)
    figure.colorbar(image, ax=axis, shrink=0.8, label="Pearson correlation")
    return figure


def _ink(strength: float) -> str:
    """Black or white, whichever is read better on the colour of a value from -1 to 1."""
    red, green, blue, _ = colormaps[_COLOURS]((strength + 1) / 2)
    return "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.55 else "white"


def _name_ticks(axis: Axes, rows: Sequence[str], columns: Sequence[str]) -> None:
    axis.set_xticks(range(len(columns)), columns)
    axis.set_yticks(range(len(rows)), rows)
    axis.grid(visible=False)
    axis.spines[:].set_visible(False)


def _place(name: str) -> int:
    return _ORDER.index(name) if name in _ORDER else len(_ORDER)
