"""``fetch_report.csv`` and the final words: what is there, what is missing, how to go on."""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from hemenet_lab.protein_mt.fetch.job import HERE, Record
from hemenet_lab.protein_mt.raw import csv_text

REPORT_FILE = "fetch_report.csv"
COLUMNS = tuple(field.name for field in fields(Record))
SHOWN = 10
"""Missing items of each source that the final words name."""


@dataclass(frozen=True)
class FetchResult:
    """What a run did."""

    raw: Path
    records: tuple[Record, ...]
    stopped: str = ""
    """Why the run ended early; empty where it did not."""
    advice: tuple[str, ...] = ()
    """What the user may want to do next."""

    @property
    def complete(self) -> bool:
        """Whether everything that was asked for is there."""
        return not self.stopped and all(record.is_here for record in self.records)


def read_report(raw: Path) -> dict[str, Record]:
    """Place in the raw folder → what the last run put there; nothing where there is no report.

    Raises:
        ValueError: The report is not one of ours.
    """
    path = raw / REPORT_FILE
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise ValueError(
                f"{path} has the columns {reader.fieldnames}, expected {list(COLUMNS)}; it is not "
                "a report of this program: move it away and run again"
            )
        rows = [_record(row) for row in reader]
    return {row.path: row for row in rows if row.path and row.is_here}


def _record(row: dict[str, str]) -> Record:
    texts = {name: text for name, text in row.items() if name != "bytes"}
    return Record(**texts, bytes=int(row["bytes"]))  # type: ignore[arg-type] # all others are text


def write_report(raw: Path, records: Iterable[Record], known: dict[str, Record]) -> str:
    """Writes the report, with what earlier runs put there and this one did not ask for.

    Returns:
        Why it could not be written; empty where it was.
    """
    rows = list(records)
    asked = {row.path for row in rows}
    rows += [row for place, row in known.items() if place not in asked and (raw / place).exists()]
    draft = raw / f".{REPORT_FILE}.{os.getpid()}"
    try:
        draft.write_text(csv_text(COLUMNS, sorted(map(astuple, rows))), encoding="utf-8")
        os.replace(draft, raw / REPORT_FILE)
    except OSError as error:
        draft.unlink(missing_ok=True)
        return f"{raw / REPORT_FILE} could not be written: {error}"
    return ""


def report_text(result: FetchResult, command: str) -> str:
    """The final words of a run.

    Args:
        result: What it did.
        command: What to run to go on.
    """
    lines = [f"{result.raw}: {'complete' if result.complete else 'INCOMPLETE'}"]
    for source, records in _by_source(result.records):
        lines += _source_lines(source, records)
    if result.stopped:
        lines.append(f"The run ended early: {result.stopped}.")
    lines += result.advice
    if not result.complete:
        lines.append(f"All items, with reasons: {result.raw / REPORT_FILE}")
        lines.append(f"To go on, run again: {command} (finished files are not fetched again)")
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
