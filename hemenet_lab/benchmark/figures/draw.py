"""All figures of a grid, drawn from the same tidy table as its tables."""

from __future__ import annotations

import io
import re
from pathlib import Path

from hemenet_lab.benchmark.figures.bars import bars, efficiency
from hemenet_lab.benchmark.figures.curves import cost, learning_curves, reliability
from hemenet_lab.benchmark.figures.matrices import (
    prompts_drawing,
    transfer_gains,
    transfer_matrix,
)
from hemenet_lab.benchmark.figures.style import Drawing, style
from hemenet_lab.benchmark.tables import ResultTable, Scores


def draw_figures(table: ResultTable, scores: Scores) -> list[Drawing]:
    """The figures that the runs of a grid allow; those without data are left out."""
    results = table.results
    with style():
        drawings = [
            bars(table) if table.columns() else None,
            efficiency(table),
            transfer_matrix(transfer_gains(table, scores), results.synthetic),
            prompts_drawing(table),
            learning_curves(table),
            reliability(table),
            cost(table),
        ]
    return [drawing for drawing in drawings if drawing is not None]


def svg(drawing: Drawing) -> str:
    """The figure as an ``<svg>`` element that can stand inside a page."""
    with style(drawing.name):
        stream = io.StringIO()
        drawing.figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    text = stream.getvalue()
    return re.sub(r"(?s)<metadata>.*?</metadata>", "", text[text.index("<svg") :])


def write_figures(table: ResultTable, scores: Scores, out: Path) -> list[Path]:
    """Write every figure as ``<grid>-<name>.png`` and ``.svg``; return their paths.

    Args:
        table: The table of a grid.
        scores: Resampled scores of its runs.
        out: Folder; made if it is not there.
    """
    out.mkdir(parents=True, exist_ok=True)
    paths = []
    for drawing in draw_figures(table, scores):
        path = out / f"{table.results.grid}-{drawing.name}"
        path.with_suffix(".svg").write_text(svg(drawing) + "\n", encoding="utf-8")
        with style(drawing.name):
            drawing.figure.savefig(path.with_suffix(".png"))
        paths += [path.with_suffix(".png"), path.with_suffix(".svg")]
    return paths
