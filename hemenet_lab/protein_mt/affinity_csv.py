"""Affinities of complexes from a CSV file: id, pKd and, for protein pairs, the two sides."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from pathlib import Path

from hemenet_lab.protein_mt.affinity import Affinity, AffinityTable, split_chains
from hemenet_lab.protein_mt.textfile import Problem, read_lines

REQUIRED = ("id", "pKd")


def read_affinity_csv(path: str | Path) -> AffinityTable:
    """Reads a CSV file with the columns ``id`` and ``pKd``.

    Further columns: ``receptor_chains`` and ``partner_chains`` (``AB``, or ``A;B``), ``note``; all
    others are ignored. Lines that start with ``#`` are comments.

    Raises:
        ValueError: The header lacks a required column.
    """
    path = Path(path)
    lines = [(number, line) for number, line in read_lines(path) if not line.startswith("#")]
    records: list[Affinity] = []
    problems: list[Problem] = []
    for number, row in _rows(path, lines):
        try:
            records.append(_record(row))
        except ValueError as error:
            problems.append(Problem(path.name, number, _text(row, "id").lower(), str(error)))
    return AffinityTable(tuple(records), tuple(problems))


def _rows(path: Path, lines: list[tuple[int, str]]) -> Iterator[tuple[int, dict[str, str]]]:
    reader = csv.DictReader(line + "\n" for _, line in lines)
    header = list(reader.fieldnames or ())
    missing = [name for name in REQUIRED if name not in header]
    if missing:
        raise ValueError(
            f"{path} has the columns {header}, but not {missing}; the first line must name "
            f"{', '.join(REQUIRED)} and may name receptor_chains, partner_chains, note"
        )
    for row in reader:
        yield lines[reader.line_num - 1][0], row


def _record(row: dict[str, str]) -> Affinity:
    name, value = _text(row, "id"), _text(row, "pKd")
    if not name:
        raise ValueError("no id")
    try:
        pk = float(value)
    except ValueError:
        raise ValueError(f"pKd {value!r} is not a number") from None
    if not math.isfinite(pk):
        raise ValueError(f"pKd {value!r} is not finite")
    return Affinity(
        id=name.lower(),
        pk=pk,
        measure="Kd",
        receptor_chains=split_chains(_text(row, "receptor_chains")),
        partner_chains=split_chains(_text(row, "partner_chains")),
        note=_text(row, "note"),
    )


def _text(row: dict[str, str], column: str) -> str:
    return (row.get(column) or "").strip()
