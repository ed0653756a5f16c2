"""Records of what was fetched: ``fetch_report.csv``, and the summary that is printed."""

from __future__ import annotations

import csv
import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from hemenet_lab.protein_mt.raw import csv_text

REPORT_FILE = "fetch_report.csv"
SHOWN = 10
"""Missing items of each source that the summary names."""
HERE = ("fetched", "present", "linked", "copied", "written")
"""Statuses of things that are there; the others are ``missing`` (the server has no such file),
``failed`` (it was not delivered whole), ``unusable``, ``not tried`` and `CHANGED`."""
CHANGED = "changed"
"""Status of a file that is not any more what an earlier run noted."""


@dataclass(frozen=True, order=True)
class Record:
    """Outcome of one item: a row of ``fetch_report.csv``."""

    item: str
    source: str
    status: str
    path: str = ""
    """Place in the raw folder; empty where there is none."""
    bytes: int = 0
    sha256: str = ""
    url: str = ""
    note: str = ""

    @property
    def is_here(self) -> bool:
        return self.status in HERE

    @property
    def is_changed(self) -> bool:
        return self.status == CHANGED


COLUMNS = tuple(field.name for field in fields(Record))


@dataclass(frozen=True)
class FetchResult:
    """Outcome of a run."""

    raw: Path
    records: tuple[Record, ...]
    command: str
    """Command line that continues with the same folder and settings."""
    stopped: str = ""
    """Reason for an early end; empty where there was none."""
    advice: tuple[str, ...] = ()
    """Hints for the user."""

    @property
    def complete(self) -> bool:
        """True where everything that was asked for is there."""
        return not self.stopped and all(record.is_here for record in self.records)


def read_report(raw: Path) -> dict[str, Record]:
    """Reads place in the raw folder → record of the last run; nothing where there is no report.

    Raises:
        ValueError: The report is not one of ours, is damaged, or names a place outside the folder.
    """
    path = raw / REPORT_FILE
    if not path.is_file():
        return {}
    advice = "it is not a report of this program: move it away and run again"
    rows = []
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.reader(file)
        try:
            header = tuple(next(reader, ()))
            if header != COLUMNS:
                raise ValueError(f"it has the columns {[*header]}, expected {[*COLUMNS]}")
            rows = [_record(row) for row in reader]
        except (ValueError, csv.Error) as error:
            raise ValueError(f"{path}, line {reader.line_num}: {error}; {advice}") from None
    return {row.path: row for row in rows if row.path and (row.is_here or row.is_changed)}


def _record(row: list[str]) -> Record:
    if len(row) != len(COLUMNS):
        raise ValueError(f"{len(row)} cells, expected {len(COLUMNS)}")
    texts = dict(zip(COLUMNS, row, strict=True))
    place, size = texts["path"], texts.pop("bytes")
    if place.startswith("/") or "\\" in place or ".." in place.split("/"):
        raise ValueError(f"the place {place!r} is not in the raw folder")
    if not re.fullmatch(r"[0-9]{1,18}", size):
        raise ValueError(f"{size!r} bytes")
    return Record(**texts, bytes=int(size))  # type: ignore[arg-type] # all others are text


def write_report(raw: Path, records: Iterable[Record], known: dict[str, Record]) -> str:
    """Writes the report, with files of earlier runs that this run did not ask for.

    Returns:
        Why it could not be written; empty where it was.
    """
    rows = list(records)
    asked = {row.path for row in rows}
    rows += [row for place, row in known.items() if place not in asked and (raw / place).exists()]
    draft = raw / f".{REPORT_FILE}.{os.getpid()}"
    try:
        cells = ([_cell(value) for value in astuple(row)] for row in sorted(rows))
        draft.write_text(csv_text(COLUMNS, cells), encoding="utf-8")
        os.replace(draft, raw / REPORT_FILE)
    except OSError as error:
        draft.unlink(missing_ok=True)
        return f"{raw / REPORT_FILE} could not be written: {error}"
    return ""


def _cell(value: object) -> str:
    """Text that no spreadsheet takes for a formula."""
    text = str(value)
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def report_text(result: FetchResult) -> str:
    """Summary of a run: what is there, what is missing and why, how to continue."""
    lines = [f"{result.raw}: {'complete' if result.complete else 'INCOMPLETE'}"]
    for source, records in _by_source(result.records):
        lines += _source_lines(source, records)
    if result.stopped:
        lines.append(f"The run ended early: {result.stopped}.")
    lines += result.advice
    if not result.complete:
        lines.append(f"All items, with reasons: {result.raw / REPORT_FILE}")
        lines.append(f"To continue, run again: {result.command} (finished files are kept)")
    return "\n".join(lines)


def _by_source(records: Sequence[Record]) -> Iterable[tuple[str, list[Record]]]:
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(record.source, []).append(record)
    return groups.items()


def _source_lines(source: str, records: list[Record]) -> list[str]:
    counts = Counter(record.status for record in records)
    ordered = sorted(counts, key=lambda status: (status not in HERE, status))
    total = sum(record.bytes for record in records if record.is_here) / 1e6
    said = ", ".join(f"{counts[status]:,} {status}" for status in ordered)
    lines = [f"  {source}: {said} ({total:,.1f} MB)"]
    absent = [record for record in records if not record.is_here and record.status != "not tried"]
    lines += [f"    {record.item}: {record.status}: {record.note}" for record in absent[:SHOWN]]
    if len(absent) > SHOWN:
        lines.append(f"    … and {len(absent) - SHOWN:,} more")
    noted = sum(1 for record in records if record.is_here and record.note.startswith("obsolete"))
    if noted:
        lines.append(f"    {noted:,} of them are successors of obsolete entries")
    return lines
