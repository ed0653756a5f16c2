"""Release dates of entries: from a table, from the structure files, or PDBbind's years."""

from __future__ import annotations

import csv
import re
from pathlib import Path

from hemenet_lab.protein_mt.textfile import Problem, read_lines

_DATE = re.compile(r"(?P<year>(19|20)\d\d)(-\d\d-\d\d)?")


def read_dates(path: str | Path) -> tuple[dict[str, str], tuple[Problem, ...]]:
    """Reads ``dates.csv`` with the columns ``id`` and ``date``.

    Returns:
        PDB code in lower case → date such as ``2004-05-18`` or ``2004``; and the rows whose date
        has another form.

    Raises:
        ValueError: The header lacks one of the columns.
    """
    path = Path(path)
    numbered = [(number, line) for number, line in read_lines(path) if not line.startswith("#")]
    reader = csv.DictReader(line + "\n" for _, line in numbered)
    header = list(reader.fieldnames or ())
    if not {"id", "date"} <= {*header}:
        raise ValueError(f"{path} has the columns {header}; it needs id and date")
    dates: dict[str, str] = {}
    problems = []
    for row in reader:
        code, date = ((row[name] or "").strip() for name in ("id", "date"))
        if year_of(date):
            dates[code.lower()] = date
        else:
            reason = f"date {date!r}; expected the form 2004-05-18 or 2004"
            problems.append(Problem(path.name, numbered[reader.line_num - 1][0], code, reason))
    return dates, tuple(problems)


def year_of(date: str) -> int:
    """Year of a date; 0 for text of another form."""
    match = _DATE.fullmatch(date)
    return int(match["year"]) if match else 0
