"""Tables as LaTeX (packages booktabs and graphicx)."""

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

_ESCAPES = {
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


def escape(text: str) -> str:
    """Text that LaTeX prints as it stands."""
    return "".join(_ESCAPES.get(character, character) for character in text)


def latex(table: ResultTable) -> str:
    """The overview with all notes, then one table per task."""
    comments = [
        f"% Benchmark grid {table.results.grid}; needs \\usepackage{{booktabs,graphicx}}",
        *(f"% {line}" for line in (*remarks(table), *lead_lines(table))),
    ]
    said = [escape(line) for line in remarks(table)]
    said += [escape(rule(table))] if rule(table) else []
    said += [
        (rf"\textsuperscript{{{letter}}} " if letter else "") + escape(text)
        for letter, text in note_lines(table)
    ]
    sheets = [details(table, task) for task in table.tasks]
    parts = [_sheet(table, overview(table), said)]
    parts += [_sheet(table, sheet, said[: int(table.results.synthetic)]) for sheet in sheets]
    return "\n".join([*comments, "", *parts])


def _sheet(table: ResultTable, sheet: Sheet, below: list[str]) -> str:
    columns = "l" * sheet.labels + "r" * (len(sheet.header) - sheet.labels)
    caption = escape(f"{table.results.grid}, {sheet.title}. {sheet.caption}")
    lines = [
        r"\begin{table*}[t]",
        r"\centering",
        rf"\caption{{{caption}}}",
        r"\resizebox{\textwidth}{!}{%",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        " & ".join(escape(name) for name in sheet.header) + r" \\",
        r"\midrule",
        *(" & ".join(_cell(text) for text in row) + r" \\" for row in (*sheet.rows, *sheet.foot)),
        r"\bottomrule",
        r"\end{tabular}}",
        *(rf"\par\footnotesize {line}" for line in below),
        r"\end{table*}",
        "",
    ]
    return "\n".join(lines)


def _cell(text: Text) -> str:
    main = escape(text.main)
    if text.mark:
        command = {"best": "textbf", "second": "underline"}[text.mark]
        main = rf"\{command}{{{main}}}"
    words = [main] if main else []
    words += [rf"$\pm$ {text.spread}"] if text.spread else []
    if text.paper:
        raised = rf"\textsuperscript{{{','.join(text.notes)}}}" if text.notes else ""
        words.append(f"({text.paper}{raised})" if main else text.paper + raised)
    return " ".join(words)
