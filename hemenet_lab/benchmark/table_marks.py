"""Who leads in a column, and whether the paired bootstrap says so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from hemenet_lab.benchmark.compare import LOWER_IS_BETTER, Difference, difference
from hemenet_lab.benchmark.results import Run
from hemenet_lab.benchmark.table_cell import COMPARED, Cell
from hemenet_lab.benchmark.table_rows import Row, block_of
from hemenet_lab.benchmark.table_scores import Scores

RULE = (
    "Bold is the best mean of a column, and only where the paired bootstrap tells it from the "
    "runner-up: 1,000 resamples draw whole sequence clusters of test items (the same for both; "
    "single items where clusters are unknown) and the seeds of each side, and the 95 % interval of "
    "the difference excludes 0. The second is underlined where, in turn, it is told from the "
    "third. A column without bold has no established winner. Single- and multi-task rows are "
    "judged apart. No correction is made for the number of columns."
)


@dataclass(frozen=True)
class Lead:
    """The best row of a column against the runner-up."""

    block: str
    task: str
    metric: str
    best: Row
    second: Row
    difference: Difference
    """Score of the best minus that of the runner-up."""
    second_established: bool
    """Whether the runner-up in turn is told from the third; True if there is no third."""


def leads_of(
    cells: Sequence[Cell], by_row: Mapping[Row, Sequence[Run]], scores: Scores
) -> Iterator[Lead]:
    """The best row of each column and block against its runner-up.

    Columns whose runs were tested on different items have none.
    """
    columns: dict[tuple[str, str, str], list[Cell]] = {}
    for cell in cells:
        if cell.metric in COMPARED and cell.mean is not None and np.isfinite(cell.mean):
            columns.setdefault((block_of(cell.row), cell.task, cell.metric), []).append(cell)
    for (block, task, metric), found in columns.items():
        if len(found) < 2 or not scores.even(task):
            continue
        sign = 1 if metric in LOWER_IS_BETTER else -1
        ranked = sorted(found, key=lambda cell: (sign * (cell.mean or 0.0), cell.row))
        sides = [
            scores.of_all([r for r in by_row[c.row] if r.result(task, metric)], task, metric)
            for c in ranked[:3]
        ]
        second = len(ranked) < 3 or difference(sides[1], sides[2]).established
        gap = difference(sides[0], sides[1])
        yield Lead(block, task, metric, ranked[0].row, ranked[1].row, gap, second)


def marked(cell: Cell, leads: Sequence[Lead]) -> Cell:
    """The cell with its mark, if it has earned one."""
    for lead in leads:
        here = (lead.block, lead.task, lead.metric) == (block_of(cell.row), cell.task, cell.metric)
        if here and lead.difference.established:
            if cell.row == lead.best:
                return replace(cell, mark="best")
            if cell.row == lead.second and lead.second_established:
                return replace(cell, mark="second")
    return cell
