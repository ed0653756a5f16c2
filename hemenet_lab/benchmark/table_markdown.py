"""Tables as Markdown, aligned so that a terminal shows them as well."""

from __future__ import annotations

from hemenet_lab.benchmark.table_cells import ResultTable
from hemenet_lab.benchmark.table_sheet import (
    Sheet,
    Text,
    details,
    lead_lines,
    note_lines,
    overview,
    remarks,
    rule,
)

_RAISED = dict(zip("abcdefghijklmnopqrstuvwxyz", "ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖqʳˢᵗᵘᵛʷˣʸᶻ", strict=True))


def markdown(table: ResultTable) -> str:
    """The overview, one table per task, who leads, and all notes."""
    parts = [f"# {table.results.grid}", "", *(f"- {_plain(line)}" for line in remarks(table)), ""]
    for sheet in (overview(table), *(details(table, task) for task in table.tasks)):
        parts += _sheet(sheet) if sheet.rows else []
    if rule(table):
        parts += ["## Who leads", "", rule(table), ""]
        parts += [*(f"- {_plain(line)}" for line in lead_lines(table)), ""]
    notes = note_lines(table)
    if notes:
        parts += ["## The paper's numbers", ""]
        parts += [f"- {_RAISED[letter] + ' ' if letter else ''}{text}" for letter, text in notes]
    return "\n".join(parts).rstrip() + "\n"


def _sheet(sheet: Sheet) -> list[str]:
    lines = [[_plain(name) for name in sheet.header]]
    lines += [[_cell(text) for text in row] for row in (*sheet.rows, *sheet.foot)]
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
    body = [f"| {' | '.join(line)} |" for line in (aligned[0], dashes, *aligned[1:])]
    return [f"## {_plain(sheet.title)}", "", *body, "", sheet.caption, ""]


def _cell(text: Text) -> str:
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
