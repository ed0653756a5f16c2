"""The tidy table of a grid: one cell per row, task and metric, and who leads in each column."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from hemenet_lab.benchmark.compare import mean_interval
from hemenet_lab.benchmark.paper import paper_value
from hemenet_lab.benchmark.results import GridResults, Run
from hemenet_lab.benchmark.table_cell import COMPARED, Cell
from hemenet_lab.benchmark.table_marks import Lead, leads_of, marked
from hemenet_lab.benchmark.table_rows import Row, ordered_rows, row_of
from hemenet_lab.benchmark.table_scores import Scores
from hemenet_lab.tasks import PROTEIN_MT

_TASK_ORDER = [task.name for task in PROTEIN_MT]


@dataclass(frozen=True)
class ResultTable:
    """Everything that tables and figures show of a grid."""

    results: GridResults
    rows: tuple[Row, ...]
    cells: tuple[Cell, ...]
    leads: tuple[Lead, ...]
    uneven: tuple[str, ...]
    """Tasks that not all runs were tested on with the same items: nothing is compared there."""

    @cached_property
    def _by_place(self) -> dict[tuple[Row, str, str], Cell]:
        return {(cell.row, cell.task, cell.metric): cell for cell in self.cells}

    def cell(self, row: Row, task: str, metric: str) -> Cell | None:
        """The cell at a place, if there is one."""
        return self._by_place.get((row, task, metric))

    @property
    def tasks(self) -> list[str]:
        """Tasks with labelled test items: those of Protein-MT first, others by name."""
        names = {cell.task for cell in self.cells}
        return sorted(names, key=lambda name: (_position(_TASK_ORDER, name), name))

    def columns(self, metrics: Sequence[str] = COMPARED) -> list[tuple[str, str]]:
        """(task, metric) pairs that some row has."""
        have = {(cell.task, cell.metric) for cell in self.cells}
        return [(task, m) for task in self.tasks for m in metrics if (task, m) in have]

    @property
    def untested(self) -> list[str]:
        """Tasks that runs learned without any labelled test item."""
        learned = {task for run in self.results.runs for task in run.tasks}
        return sorted(learned - set(self.tasks))


def tabulate(results: GridResults, scores: Scores | None = None) -> ResultTable:
    """Computes the table of a grid.

    Args:
        results: Its runs.
        scores: Resampled scores, to share them with figures.
    """
    scores = scores or Scores(results.runs)
    by_row: dict[Row, list[Run]] = {}
    for run in sorted(results.runs, key=lambda run: (run.seed or 0, run.id)):
        by_row.setdefault(row_of(run), []).append(run)
    rows = ordered_rows(results.grid, by_row)
    cells = [cell for row in rows for cell in _cells_of(results.grid, row, by_row[row], scores)]
    tasks = dict.fromkeys(cell.task for cell in cells)
    uneven = tuple(task for task in tasks if not scores.even(task))
    cells.sort(key=lambda cell: (_position(_TASK_ORDER, cell.task), cell.task))
    leads = list(leads_of(cells, by_row, scores))
    cells = [marked(cell, leads) for cell in cells]
    return ResultTable(results, tuple(rows), tuple(cells), tuple(leads), uneven)


def _cells_of(grid: str, row: Row, runs: list[Run], scores: Scores) -> Iterator[Cell]:
    places = dict.fromkeys((line.task, line.metric) for run in runs for line in run.results)
    for task, metric in places:
        tested = [run for run in runs if run.result(task, metric) is not None]
        lines = [line for run in tested if (line := run.result(task, metric)) is not None]
        constants = [line.constant for line in lines if line.constant is not None]
        cell = Cell(
            row=row,
            task=task,
            metric=metric,
            seeds=tuple(run.seed or 0 for run in tested),
            values=tuple(line.value for line in lines),
            counts=tuple(line.n for line in lines),
            constant=float(np.mean(constants)) if constants else None,
            paper=paper_value(grid, [choice for _, choice in row], task, metric),
        )
        yield _with_interval(cell, tested, scores) if metric in COMPARED else cell


def _with_interval(cell: Cell, runs: list[Run], scores: Scores) -> Cell:
    found = scores.of_all(runs, cell.task, cell.metric)
    if not found:
        return cell
    clusters = [score.per_cluster for score in found if score.per_cluster is not None]
    cell = replace(
        cell,
        per_cluster=float(np.mean(clusters)) if len(clusters) == len(found) else None,
        clusters=found[0].clusters,
    )
    if not scores.even(cell.task) and len(found) > 1:
        return cell
    low, high = mean_interval(found)
    return replace(cell, low=low, high=high)


def _position(order: Sequence[str], name: str) -> int:
    return order.index(name) if name in order else len(order)
