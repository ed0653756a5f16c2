"""All figures of a grid, from the same tidy table as its tables."""

from __future__ import annotations

import io
import re
from collections.abc import Collection
from pathlib import Path

from hemenet_lab.benchmark.compare_transfer import transfer_gains
from hemenet_lab.benchmark.figures_bars import bars, efficiency
from hemenet_lab.benchmark.figures_cost import cost
from hemenet_lab.benchmark.figures_curves import learning_curves
from hemenet_lab.benchmark.figures_matrix import transfer_matrix
from hemenet_lab.benchmark.figures_prompts import prompts_drawing
from hemenet_lab.benchmark.figures_style import Drawing, style
from hemenet_lab.benchmark.results import read_grid
from hemenet_lab.benchmark.table_cells import ResultTable, tabulate
from hemenet_lab.benchmark.table_scores import Scores


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


def write_figures(
    grid: str,
    out: Path,
    *,
    folder: str | Path = "runs",
    tracking_uri: str | None = None,
    identities: Collection[str] | None = None,
    store: str | None = None,
    settings: str | None = None,
) -> list[Path]:
    """Writes every figure of a grid as ``<grid>-<name>.png`` and ``.svg``; returns their paths.

    Arguments as for `table.print_table`; ``out`` is a folder.
    """
    results = read_grid(
        grid,
        folder=folder,
        tracking_uri=tracking_uri,
        identities=identities,
        store=store,
        settings=settings,
    )
    scores = Scores(results.runs)
    out.mkdir(parents=True, exist_ok=True)
    paths = []
    for drawing in draw_figures(tabulate(results, scores), scores):
        path = out / f"{grid}-{drawing.name}"
        path.with_suffix(".svg").write_text(svg(drawing) + "\n", encoding="utf-8")
        with style(drawing.name):
            drawing.figure.savefig(path.with_suffix(".png"))
        paths += [path.with_suffix(".png"), path.with_suffix(".svg")]
    return paths
