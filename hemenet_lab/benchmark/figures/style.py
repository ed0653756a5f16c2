"""Looks of the figures: colour-blind safe, readable at the width of a paper's column."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

WIDTH = 7.2
"""Inches; two columns of a paper."""
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000")
"""Okabe and Ito's palette, told apart with every common colour blindness."""
GREY = "#B8B8B8"
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "svg.fonttype": "path",
    "figure.facecolor": "white",
    "figure.dpi": 100,
    "savefig.dpi": 200,
    "legend.frameon": False,
}


@dataclass(frozen=True)
class Drawing:
    """A figure with its words."""

    name: str
    """Of its files."""
    title: str
    caption: str
    figure: Figure


@contextmanager
def style(name: str = "figure") -> Iterator[None]:
    """Draw and save within this; ids inside an SVG depend on ``name`` alone."""
    settings: dict[Any, Any] = {**_STYLE, "svg.hashsalt": name}
    with matplotlib.rc_context(settings):
        yield


def panels(number: int, columns: int, height: float) -> tuple[Figure, list[Axes]]:
    """A figure with ``number`` panels, ``columns`` side by side, each ``height`` inches high."""
    columns = min(columns, number)
    rows = -(-number // columns)
    width = WIDTH if columns > 1 else WIDTH * 0.62
    figure = Figure(figsize=(width, max(rows * height, 1.6)), layout="constrained")
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for spare in axes[number:]:
        spare.set_axis_off()
    return figure, axes[:number]


def say_synthetic(figure: Figure, synthetic: bool) -> None:
    """Write over the figure that its data are synthetic, if they are."""
    if synthetic:
        figure.suptitle("SYNTHETIC DATA", fontsize=8, color="#A00000", x=0.995, ha="right")
