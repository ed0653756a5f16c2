"""`hemenet benchmark table`: a grid's results for people and for other programs."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

from hemenet_lab.benchmark.results import read_grid
from hemenet_lab.benchmark.table_cells import ResultTable, tabulate
from hemenet_lab.benchmark.table_csv import tidy_csv
from hemenet_lab.benchmark.table_latex import latex
from hemenet_lab.benchmark.table_markdown import markdown

STYLES: dict[str, Callable[[ResultTable], str]] = {
    "markdown": markdown,
    "latex": latex,
    "csv": tidy_csv,
}


def print_table(
    grid: str,
    *,
    folder: str | Path = "runs",
    tracking_uri: str | None = None,
    style: str = "markdown",
    out: Path | None = None,
    identities: Collection[str] | None = None,
    store: str | None = None,
    settings: str | None = None,
) -> None:
    """Prints the results of a grid's finished runs, or writes them to a file.

    Args:
        grid: Name of the grid.
        folder: Folder of ``mlruns.db``.
        tracking_uri: Address of another tracking database.
        style: ``markdown``, ``latex`` or ``csv``.
        out: File to write instead of printing.
        identities: Identities of the runs that the grid expands to, to read these only.
        store: First characters of the store's hash, to choose among several.
        settings: Further settings of the runs, to choose among several.

    Raises:
        ValueError: An unknown style, no finished run, or runs that cannot be compared.
    """
    if style not in STYLES:
        raise ValueError(f"table style {style!r}; allowed: {', '.join(STYLES)}")
    results = read_grid(
        grid,
        folder=folder,
        tracking_uri=tracking_uri,
        identities=identities,
        store=store,
        settings=settings,
    )
    text = STYLES[style](tabulate(results))
    if out is None:
        print(text, end="")
    else:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, encoding="utf-8")
