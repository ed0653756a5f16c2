"""CSV files that people open in a spreadsheet: no cell of theirs runs as a formula."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TextIO

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def csv_cell(value: Any) -> Any:
    """The value for a cell of a CSV file that people open in a spreadsheet.

    None becomes an empty cell. A spreadsheet runs text that starts with ``=``, ``+``, ``-`` or
    ``@`` as a formula, so such text gets a leading ``'``; numbers and a sign alone stay.
    """
    if value is None:
        return ""
    text = value if isinstance(value, str) else str(value)
    if len(text) < 2 or not text.startswith(_FORMULA_STARTS) or _is_number(text):
        return value
    return f"'{text}"


def plain_cell(text: str) -> str:
    """Text of a cell that `csv_cell` wrote, without its leading ``'``."""
    return text[1:] if text.startswith(tuple(f"'{sign}" for sign in _FORMULA_STARTS)) else text


def write_csv(stream: TextIO, fields: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write a CSV file for people: a header, then ``rows`` with each cell as `csv_cell` gives it.

    Args:
        stream: Opened with ``newline=""`` if it is a file.
        fields: Columns, in order; a row without one of them has an empty cell there.
        rows: Values by column.

    Raises:
        ValueError: A row has a value for a column that is not among ``fields``.
    """
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([csv_cell(field) for field in fields])
    known = set(fields)
    for row in rows:
        if not row.keys() <= known:
            raise ValueError(f"columns {sorted(row.keys() - known)} are not among {list(fields)}")
        writer.writerow([csv_cell(row.get(field)) for field in fields])


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text == text.strip()  # float() forgives spaces and tabs around a number
