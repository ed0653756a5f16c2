"""One item, and the rows of drops, as tests look at them."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from hemenet_lab.protein_mt.raw import DROPS_FILE, DropRow, ReadResult, Source, read_sources


def read_source(source: Source, partners: tuple[str, ...] = (), **options: Any) -> ReadResult:
    """Reads one item; as `read_sources` does several."""
    [result] = read_sources([(source, partners)], **options)
    return result


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
