"""`hemenet report`: all results of a grid on one page that needs nothing but a browser."""

from __future__ import annotations

import shlex
from collections.abc import Collection
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from string import Template

from hemenet_lab.benchmark.figures import draw_figures
from hemenet_lab.benchmark.paper_notes import SYNTHETIC
from hemenet_lab.benchmark.report_data import commands, data_sheets, environment, run_sheet
from hemenet_lab.benchmark.report_html import figure_html, list_html, notes_html, table_html
from hemenet_lab.benchmark.results import GridResults, read_grid
from hemenet_lab.benchmark.table_cells import ResultTable, tabulate
from hemenet_lab.benchmark.table_scores import Scores
from hemenet_lab.benchmark.table_sheet import (
    details,
    leads,
    note_lines,
    overview,
    remarks,
    rule,
)

TEMPLATE = Path(__file__).parent / "report_template.html"
UI = "http://127.0.0.1:5000"
"""Where ``mlflow ui`` answers unless told otherwise."""


def write_report(
    grid: str,
    out: Path,
    *,
    folder: str | Path = "runs",
    tracking_uri: str | None = None,
    identities: Collection[str] | None = None,
    store: str | None = None,
    settings: str | None = None,
) -> Path:
    """Writes the page of a grid's finished runs and returns its path.

    It holds the tables of `table.print_table` (they sort and filter), all figures, the command of
    each run, counts and drops of the data, versions, and links into MLflow. Nothing is loaded from
    elsewhere.

    Args:
        grid: Name of the grid.
        out: The HTML file.
        folder: Folder of ``mlruns.db``.
        tracking_uri: Address of another tracking database.
        identities: Identities of the runs that the grid expands to, to read these only.
        store: First characters of the store's hash, to choose among several.
        settings: Further settings of the runs, to choose among several.

    Raises:
        ValueError: No finished run, or runs that cannot be compared.
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
    table = tabulate(results, scores)
    page = Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        _results_parts(table),
        figures="".join(figure_html(drawing) for drawing in draw_figures(table, scores)),
        **_background_parts(results),
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(page, encoding="utf-8")
    return out


def _results_parts(table: ResultTable) -> dict[str, str]:
    results = table.results
    return {
        "grid": escape(results.grid),
        "written": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "banner": f'<p class="banner">{escape(SYNTHETIC)}</p>' if results.synthetic else "",
        "summary": list_html(line for line in remarks(table) if line != SYNTHETIC),
        "overview": table_html(overview(table)),
        "details": "".join(table_html(details(table, task)) for task in table.tasks),
        "rule": escape(rule(table)),
        "leads": table_html(leads(table)) if table.leads else "",
        "notes": notes_html(note_lines(table)),
    }


def _background_parts(results: GridResults) -> dict[str, str]:
    sheets, line = data_sheets(results)
    every = (*results.runs, *results.unfinished, *results.superseded)
    experiments = {run.id: run.experiment_id for run in every}

    def address(run_id: str) -> str:
        return f"{UI}/#/experiments/{experiments[run_id]}/runs/{run_id}"

    lines = commands(results)
    return {
        "data": f"<p>{escape(line)}</p>" + "".join(table_html(sheet) for sheet in sheets),
        "runs": table_html(run_sheet(results), address),
        "commands": escape("\n".join(lines)),
        "number_of_commands": str(len(lines)),
        "environment": table_html(environment(results)),
        "mlflow": escape(f"mlflow ui --backend-store-uri {shlex.quote(results.uri)}"),
        "ui": UI,
    }
