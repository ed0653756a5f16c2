"""Documents of a grid: Markdown, LaTeX and HTML from templates, and tidy CSV."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from hemenet_lab.basics import write_csv
from hemenet_lab.benchmark.tables import (
    Cell,
    CellText,
    ResultTable,
    Sheet,
    details,
    lead_lines,
    note_lines,
    overview,
    remarks,
    rule,
)

TEMPLATES = Path(__file__).with_name("templates")
_RAISED = dict(zip("abcdefghijklmnopqrstuvwxyz", "ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖqʳˢᵗᵘᵛʷˣʸᶻ", strict=True))
_TEX_ESCAPES = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "%": r"\%",
    "&": r"\&",
    "#": r"\#",
    "$": r"\$",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "±": r"$\pm$",
    "↓": r"$\downarrow$",
    "↑": r"$\uparrow$",
    "–": "--",
    "·": r"$\cdot$",
    "…": r"\dots{}",
}
_CSV_FIELDS = (
    "task",
    "metric",
    "mean",
    "std",
    "seeds",
    "seed_list",
    "n",
    "low",
    "high",
    "clusters",
    "per_cluster",
    "constant",
    "mark",
    "paper",
    "paper_notes",
    "paper_comparable",
    "synthetic_data",
    "store_hash",
    "grid",
    "finished_runs",
    "unfinished_runs",
)


def render(table: ResultTable, style: str) -> str:
    """The results of a grid as text.

    Args:
        table: Its table.
        style: ``markdown`` (aligned, so that a terminal shows it as well), ``latex`` (packages
            booktabs and graphicx) or ``csv`` (one line per configuration, task and metric, with
            full precision).

    Raises:
        ValueError: An unknown style.
    """
    styles: dict[str, Callable[[ResultTable], str]] = {
        "markdown": _markdown,
        "latex": _latex,
        "csv": _tidy_csv,
    }
    if style not in styles:
        raise ValueError(f"table style {style!r}; allowed: {', '.join(styles)}")
    return styles[style](table)


def render_page(**values: Any) -> str:
    """The page of `hemenet_lab.benchmark.report`; all values but ``Markup`` are escaped."""
    return _environment(autoescape=True).get_template("report.html").render(values)


def _environment(**options: Any) -> Environment:
    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        **options,
    )


# --- Markdown -------------------------------------------------------------------------------------


def _markdown(table: ResultTable) -> str:
    """The overview, one table per task, who leads, and all notes."""
    environment = _environment()
    environment.filters |= {"plain": _plain, "aligned": _aligned, "raised": _RAISED.__getitem__}
    sheets = (overview(table), *(details(table, task) for task in table.tasks))
    text = environment.get_template("table.md").render(
        grid=table.results.grid,
        remarks=remarks(table),
        sheets=[sheet for sheet in sheets if sheet.rows],
        rule=rule(table),
        lead_lines=lead_lines(table),
        notes=note_lines(table),
    )
    return text.rstrip() + "\n"


def _aligned(sheet: Sheet) -> list[str]:
    """Lines of a Markdown table with columns of equal width."""
    lines = [[_plain(name) for name in sheet.header]]
    lines += [[_markdown_cell(text) for text in row] for row in (*sheet.rows, *sheet.foot)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(sheet.header))]
    right = [column >= sheet.labels for column in range(len(widths))]
    dashes = ["-" * (width - side) + ":" * side for width, side in zip(widths, right, strict=True)]
    aligned = [
        [
            cell.rjust(width) if side else cell.ljust(width)
            for cell, width, side in zip(line, widths, right, strict=True)
        ]
        for line in lines
    ]
    return [f"| {' | '.join(line)} |" for line in (aligned[0], dashes, *aligned[1:])]


def _markdown_cell(text: CellText) -> str:
    main = _plain(text.main)
    if text.mark == "best":
        main = f"**{main}**"
    elif text.mark == "second":
        main = f"<u>{main}</u>"
    words = [main] if main else []
    words += [f"± {text.spread}"] if text.spread else []
    if text.paper:
        paper = text.paper + "".join(_RAISED[letter] for letter in text.notes)
        words.append(f"({paper})" if main else paper)
    return " ".join(words)


def _plain(text: str) -> str:
    """Text without the characters that would end a cell or start markup."""
    return text.replace("|", "\\|").replace("_", "\\_").replace("*", "\\*").replace("<", "&lt;")


# --- LaTeX ----------------------------------------------------------------------------------------


class _Tex(str):
    """Text that is LaTeX already."""


def escape_tex(text: str) -> _Tex:
    """Text that LaTeX prints as it stands."""
    return _Tex("".join(_TEX_ESCAPES.get(character, character) for character in text))


def _latex(table: ResultTable) -> str:
    """The overview with all notes, then one table per task."""
    environment = _environment(
        block_start_string="<%",
        block_end_string="%>",
        variable_start_string="<<",
        variable_end_string=">>",
        comment_start_string="<#",
        comment_end_string="#>",
        finalize=lambda value: value if isinstance(value, _Tex) else escape_tex(str(value)),
    )
    environment.filters |= {"raw": _Tex, "escape_tex": escape_tex}
    said = [("", line) for line in (*remarks(table), *filter(None, [rule(table)]))]
    return environment.get_template("table.tex").render(
        grid=table.results.grid,
        remarks=remarks(table),
        lead_lines=lead_lines(table),
        sheets=[overview(table), *(details(table, task) for task in table.tasks)],
        said=[*said, *note_lines(table)],
        synthetic=table.results.synthetic,
    )


# --- CSV ------------------------------------------------------------------------------------------


def _tidy_csv(table: ResultTable) -> str:
    """The cells as CSV; empty where there is no value.

    Axes come first, one column each. ``low`` and ``high`` are the 95 % bootstrap interval over test
    items; metrics that the paper does not print have none, and no score per cluster.
    """
    axes = list(dict.fromkeys(axis for row in table.rows for axis, _ in row))
    text = io.StringIO()
    write_csv(text, [*axes, *_CSV_FIELDS], _csv_rows(table))
    return text.getvalue()


def _csv_rows(table: ResultTable) -> Iterator[dict[str, object]]:
    results = table.results
    common = {
        "synthetic_data": str(results.synthetic).lower(),
        "store_hash": results.store_hash,
        "grid": results.grid,
        "finished_runs": len(results.runs),
        "unfinished_runs": len(results.unfinished),
    }
    for cell in table.cells:
        yield {**dict(cell.row), **_csv_fields(cell, results.synthetic), **common}


def _csv_fields(cell: Cell, synthetic: bool) -> dict[str, object]:
    comparable = ""
    if cell.paper:
        comparable = "no: synthetic data" if synthetic else "no: other test set; see paper_notes"
    return {
        "task": cell.task,
        "metric": cell.metric,
        "mean": cell.mean,
        "std": cell.std,
        "seeds": len(cell.seeds),
        "seed_list": " ".join(map(str, cell.seeds)),
        "n": cell.n,
        "low": cell.low,
        "high": cell.high,
        "clusters": cell.clusters or None,
        "per_cluster": cell.per_cluster,
        "constant": cell.constant,
        "mark": cell.mark,
        "paper": cell.paper.text if cell.paper else None,
        "paper_notes": " ".join(cell.paper.notes) if cell.paper else None,
        "paper_comparable": comparable,
    }
