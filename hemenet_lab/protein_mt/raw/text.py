"""Text files and tables, plain or gzipped, line by line, and the lines that could not be used.

Every table of the raw folder is read by `read_table`, and every other text file by `read_lines`:
what a file can do wrong becomes an error of one kind here, with the file and line.
"""

from __future__ import annotations

import csv
import gzip
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

DELIMITERS = ",;\t"
"""Comma, and what Excel writes instead where the comma is the decimal sign."""
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_EXCEL_HINT = re.compile(r"sep=.", re.IGNORECASE)
"""First line by which Excel is told the delimiter."""
_ID = re.compile(r"(pdb|entry)[ _-]?(id|code)?", re.IGNORECASE)
"""Other names of the column ``id``."""
MOST_CHARACTERS = 50_000_000
"""Of one line; a longer one is no table but another file, or a bomb."""


@dataclass(frozen=True)
class Problem:
    """A line or value that was left out while reading, and why."""

    file: str
    """Name of the file, without its folder."""
    line: int
    """From 1."""
    id: str
    """What the line is about, where that could be read; else empty."""
    reason: str


def read_lines(path: str | Path) -> Iterator[tuple[int, str]]:
    """Numbered lines without their ends (LF or CRLF) and without a byte-order mark.

    The text is UTF-8, or UTF-16 where it begins with that mark. Other bytes (older index files
    hold Latin-1 names) are replaced, not refused.

    Raises:
        ValueError: The file is missing, a gzip file is cut or damaged, or a line has no end.
    """
    path = Path(path)
    number = 0
    try:
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        opener = gzip.open if packed else open
        with opener(path, "rb") as start:
            encoding = "utf-16" if start.read(2) in _UTF16 else "utf-8-sig"
        with opener(path, "rt", encoding=encoding, errors="replace", newline="") as file:
            while line := file.readline(MOST_CHARACTERS):
                number += 1
                if len(line) == MOST_CHARACTERS:
                    raise ValueError(
                        f"{path}, line {number} has {MOST_CHARACTERS:,} characters or more; "
                        "is it the right file?"
                    )
                yield number, line.rstrip("\r\n")
    except (OSError, EOFError, zlib.error, UnicodeError) as error:
        raise ValueError(
            f"cannot read {path} after line {number}: {error}; is the file there and whole?"
        ) from error


@dataclass(frozen=True)
class Row:
    """One row of a table."""

    line: int
    """From 1."""
    cells: dict[str, str] = field(default_factory=dict)
    """Column → text without the blanks around it; missing columns are empty."""
    fault: str = ""
    """What is wrong with the row as a whole."""

    def __getitem__(self, column: str) -> str:
        return self.cells.get(column, "")


def read_table(
    path: str | Path,
    required: Sequence[str],
    optional: Sequence[str] = (),
    *,
    keep: Callable[[str], bool] | None = None,
    expected: str = "",
) -> Iterator[Row]:
    """Reads a table with a header: columns between commas, semicolons or tabs.

    Blanks around names and values, the case of the names, empty lines and lines that begin with
    ``#`` do not matter; ``id`` may be called ``PDB``, ``pdb_id`` or ``entry``. Between semicolons
    or tabs a number may have a decimal comma (see `number_text`).

    Args:
        path: The file, plain or gzipped.
        required: Columns that must be there.
        optional: Further columns that the caller knows; others keep the names of the file.
        keep: Says of a line's text whether it is wanted, before it is cut into columns; very long
            tables are read faster so.
        expected: What the error says is expected.

    Yields:
        A row per line; one with more cells than the header has a ``fault``.

    Raises:
        ValueError: The file cannot be read, the header lacks a required column or names one twice,
            or the text is no table.
    """
    path = Path(path)
    lines = (
        (n, text)
        for n, text in read_lines(path)
        if text.strip() and text[0] != "#" and not (n == 1 and _EXCEL_HINT.fullmatch(text.strip()))
    )
    _, head = next(lines, (0, ""))
    delimiter, header = _header(path, head, required, optional, expected)
    last = 0

    def texts() -> Iterator[str]:
        nonlocal last
        for number, text in lines:
            last = number
            if keep is None or keep(text):
                yield text + "\n"

    reader = csv.reader(texts(), delimiter=delimiter, skipinitialspace=True)
    try:
        for fields in reader:
            cells = {name: text.strip() for name, text in zip(header, fields, strict=False) if name}
            surplus = any(text.strip() for text in fields[len(header) :])
            fault = f"{len(fields)} cells, the header has {len(header)}" if surplus else ""
            yield Row(last, cells, fault)
    except csv.Error as error:
        raise ValueError(f"{path}, line {last} is not a row of a table: {error}") from error


def _header(
    path: Path, text: str, required: Sequence[str], optional: Sequence[str], expected: str
) -> tuple[str, list[str]]:
    """The delimiter with which most of the required columns are there, and the columns."""
    known = {name.casefold(): name for name in (*required, *optional)}

    def columns(delimiter: str) -> list[str]:
        try:
            fields = next(csv.reader([text], delimiter=delimiter, skipinitialspace=True), [])
        except csv.Error as error:
            raise ValueError(f"the header of {path} is not that of a table: {error}") from error
        names = [known.get(name.strip().casefold(), name.strip()) for name in fields]
        if "id" in required and "id" not in names:
            names = ["id" if _ID.fullmatch(name) else name for name in names]
        return names

    def lacking(names: list[str]) -> list[str]:
        return [name for name in required if name not in names]

    delimiter = min(DELIMITERS, key=lambda sign: (len(lacking(columns(sign))), -text.count(sign)))
    header = columns(delimiter)
    missing = lacking(header)
    if missing:
        raise ValueError(
            f"{path} has the columns {header}, but not {missing}; "
            + (expected or f"the first line must name {', '.join(required)}")
        )
    twice = sorted({name for name in header if name in known.values() and header.count(name) > 1})
    if twice:
        raise ValueError(f"{path} has the column {twice[0]} twice; keep one of them")
    return delimiter, header


def number_text(text: str) -> str:
    """A number's text with a decimal point: ``7,5`` is ``7.5`` if there is one comma and no point.

    Tables between commas never hold such a text in one cell, unless in quotes. Python's ``1_0``,
    which is no number of a table, becomes a text that no parser takes.
    """
    if "_" in text:
        return f"not a number: {text}"
    return text.replace(",", ".") if text.count(",") == 1 and "." not in text else text
