"""The paper's printed numbers (Han et al., AAAI 2025), and where their protocol differs from ours.

``paper/values.csv`` holds Tables 1 to 4 as one long table. A row is found by its choices alone:
``multi hemenet`` is the row of a run with these two choices, whatever the axes are called.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from hemenet_lab.benchmark.paper_notes import NOTES
from hemenet_lab.benchmark.results_artifacts import number_or_none

VALUES = Path(__file__).parent / "paper" / "values.csv"
GRIDS = ("table1", "table2", "table3", "table4")


@dataclass(frozen=True)
class PaperValue:
    """A printed number."""

    text: str
    """As printed."""
    notes: tuple[str, ...]
    """Keys of `paper_notes.NOTES`: what is doubtful about it or differs from our protocol."""

    @property
    def value(self) -> float:
        """The number."""
        return float(self.text)


@cache
def rows(grid: str) -> tuple[tuple[str, ...], ...]:
    """Rows of the paper's table of this name, in its order; empty for other grids."""
    return tuple(dict.fromkeys(row for table, row, *_ in _values() if table == grid))


@cache
def _values() -> dict[tuple[str, tuple[str, ...], str, str], str]:
    with VALUES.open(newline="", encoding="utf-8") as stream:
        return {
            (line["table"], tuple(line["row"].split()), line["task"], line["metric"]): line["value"]
            for line in csv.DictReader(stream)
        }


def paper_value(grid: str, choices: Iterable[str], task: str, metric: str) -> PaperValue | None:
    """The printed number for a cell of a grid's table; None where the paper has none."""
    row = _row(grid, choices)
    text = None if row is None else _values().get((grid, row, task, metric))
    if row is None or text is None:
        return None
    return PaperValue(text, notes_of(grid, row, task, metric))


def notes_of(grid: str, row: tuple[str, ...], task: str, metric: str) -> tuple[str, ...]:
    """Keys of the notes that hold for a printed number."""
    return tuple(note.key for note in NOTES if note.applies(grid, row, task, metric))


def row_position(grid: str, choices: Iterable[str]) -> int:
    """Place of the row in the paper's table; after all of them for rows that it does not have."""
    row = _row(grid, choices)
    return len(rows(grid)) if row is None else rows(grid).index(row)


def _row(grid: str, choices: Iterable[str]) -> tuple[str, ...] | None:
    """The paper's row whose words are all among the choices; the one with most words."""
    given = {_plain(choice) for choice in choices}
    found = [row for row in rows(grid) if {_plain(word) for word in row} <= given]
    return max(found, key=len, default=None)


def _plain(choice: str) -> str:
    """A choice without differences of spelling: ``GearNet-fullatom``, ``8.33 %``, ``100.0``."""
    word = choice.strip().lower().replace("-", "_").rstrip("% ")
    number = number_or_none(word)
    return word if number is None else f"{number:g}"
