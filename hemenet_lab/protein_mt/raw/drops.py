"""Drops: everything that is left out of a store, with the reason; the rows of ``drops.csv``."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

COLUMNS = ("id", "kind", "stage", "reason", "count")
DROPS_FILE = "drops.csv"


@dataclass(frozen=True, order=True)
class DropRow:
    """One reason for which something was left out."""

    id: str
    """Entry, PDB code or file; ``*`` where many are counted together."""
    kind: str
    """``lba``, ``ppa`` or ``chain``; the name of the table for rows of a table."""
    stage: str
    """``entry``: the whole entry; ``label``: a label; ``atoms``: atoms or residues of an entry that
    is kept or dropped; ``file``: a file or table row that was not used."""
    reason: str
    count: int = 1


def drops_text(rows: Iterable[DropRow]) -> str:
    """The rows as CSV text with a header, sorted, so that equal drops give equal bytes."""
    return csv_text(COLUMNS, (astuple(row) for row in sorted(rows)))


def csv_text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """CSV text with a header and LF line ends."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue()


def read_drops(folder: str | Path) -> list[DropRow]:
    """The rows of a store's ``drops.csv``; none where the store has no such file."""
    path = Path(folder) / DROPS_FILE
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return [
            DropRow(row["id"], row["kind"], row["stage"], row["reason"], int(row["count"]))
            for row in csv.DictReader(file)
        ]


def count_reasons(rows: Iterable[DropRow]) -> dict[str, dict[str, int]]:
    """Stage → reason → sum of the counts; what follows ``:`` in a reason is detail."""
    found: dict[str, Counter[str]] = {}
    for row in rows:
        reason = row.reason.partition(":")[0]
        found.setdefault(row.stage, Counter())[reason] += row.count
    return {stage: dict(sorted(found[stage].items())) for stage in sorted(found)}
