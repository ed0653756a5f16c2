"""Release dates of entries from a table."""

from __future__ import annotations

import re
from pathlib import Path

from hemenet_lab.protein_mt.raw.ids import entry_code
from hemenet_lab.protein_mt.raw.text import Problem, read_table

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
    dates: dict[str, str] = {}
    problems = []
    for row in read_table(path, ("id", "date"), expected="it needs id and date"):
        code, date = entry_code(row["id"]), row["date"]
        if year_of(date):
            dates[code] = date
        else:
            reason = f"date {date!r}; expected the form 2004-05-18 or 2004"
            problems.append(Problem(path.name, row.line, code, reason))
    return dates, tuple(problems)


def year_of(date: str) -> int:
    """Year of a date; 0 for text of another form."""
    match = _DATE.fullmatch(date)
    return int(match["year"]) if match else 0
