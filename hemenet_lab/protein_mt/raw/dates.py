"""Release dates of entries: from a table, from the structure files, or PDBbind's years."""

from __future__ import annotations

import gzip
import re
import zlib
from datetime import date, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import gemmi

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


_TAGS = (
    ("pdbx_audit_revision_history", "revision_date"),
    ("pdbx_database_status", "recvd_initial_deposition_date"),
)
"""Category and column of the releases and, where these are not given, of the deposition."""
_HEAD = 1 << 20
"""Bytes of a text file in which its header is looked for."""
_DAY = re.compile(rb"\d\d-[A-Z]{3}-\d\d")


def read_date(path: Path) -> str:
    """Date of the first release such as ``2004-05-18``, else of the deposition, else empty.

    Of PDB, mmCIF and BinaryCIF files, plain or gzipped. Files of processed data sets mostly have
    no such header.
    """
    try:
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        with gzip.open(path) if packed else path.open("rb") as file:
            head = file.read(_HEAD)
            if head[:1] >= b"\x80":
                return _first_day(_binary_cif_dates(head + file.read()))
    except (OSError, EOFError, zlib.error, ValueError, KeyError):
        return ""  # reading the structure itself says what is wrong with the file
    if b"_atom_site." in head:
        return _first_day(_mmcif_dates(head.partition(b"_atom_site.")[0]))
    return _pdb_date(head.partition(b"\nATOM ")[0].partition(b"\nHETATM")[0])


def _binary_cif_dates(data: bytes) -> list[list[str]]:
    from biotite.structure.io.pdbx import BinaryCIFFile  # takes a second, and few need it

    block: Any = BinaryCIFFile.read(BytesIO(data)).block
    return [
        [str(value) for value in block[category][column].as_array()]
        for category, column in _TAGS
        if category in block and column in block[category]
    ]


def _mmcif_dates(head: bytes) -> list[list[str]]:
    text = head.decode("utf-8", errors="replace")
    text = re.sub(r"loop_\s*$", "", text)
    try:
        block = gemmi.cif.read_string(text)[0]
    except (ValueError, RuntimeError, IndexError):
        return []
    return [list(block.find_values(f"_{category}.{column}")) for category, column in _TAGS]


def _first_day(columns: list[list[str]]) -> str:
    """The earliest date of the first column that has any."""
    for column in columns:
        days = sorted(day for day in map(_iso, column) if day)
        if days:
            return days[0]
    return ""


def _iso(text: str) -> str:
    try:
        return date.fromisoformat(text.strip("'\" ")[:10]).isoformat()
    except ValueError:
        return ""


def _pdb_date(head: bytes) -> str:
    """Of the first revision, else of the deposition (columns 14-22 and 51-59)."""
    found = {}
    for line in head.splitlines():
        if line.startswith(b"REVDAT   1 ") and _DAY.fullmatch(line[13:22]):
            found["release"] = line[13:22]
        elif line.startswith(b"HEADER") and _DAY.fullmatch(line[50:59]):
            found["deposition"] = line[50:59]
    text = found.get("release") or found.get("deposition") or b""
    try:
        day = datetime.strptime(text.decode(), "%d-%b-%y")
    except ValueError:
        return ""
    # two digits: the PDB began in 1971
    year = day.year % 100 + (1900 if day.year % 100 >= 71 else 2000)
    return day.replace(year=year).date().isoformat()
