"""The tidy table of a grid: one cell per row, task and metric, and who leads in each column."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from hemenet_lab.benchmark.results import GridResults, PaperValue, paper_value, same_items
from hemenet_lab.benchmark.tables.rows import Row, block_of, ordered_rows, row_of
from hemenet_lab.metrics import (
    FEWEST_SEEDS,
    METRICS,
    PAPER_METRICS,
    Difference,
    Resampled,
    difference,
    mean_interval,
    resample,
)
from hemenet_lab.tasks import PROTEIN_MT
from hemenet_lab.tracking import Predictions, RecordedRun

_TASK_ORDER = [task.name for task in PROTEIN_MT]

RULE = (
    "Bold is the best mean of a column, and only where the paired bootstrap tells it from the "
    "runner-up: 1,000 resamples draw whole sequence clusters of test items (the same for both; "
    "single items where clusters are unknown) and the seeds of each side, and the 95 % interval of "
    "the difference excludes 0, with three seeds or more on each side. The second is underlined "
    "where, in turn, it is told from the third. A column without bold has no established winner. "
    "Single- and multi-task rows are judged apart. No correction is made for the number of columns."
)


@dataclass(frozen=True)
class Cell:
    """Scores of one configuration on one task and metric."""

    row: Row
    task: str
    metric: str
    seeds: tuple[int, ...]
    values: tuple[float | None, ...]
    """One per seed; None where the metric is undefined."""
    counts: tuple[int, ...]
    """Labelled test items, one per seed."""
    constant: float | None
    """Score of the constant predictor, mean over seeds."""
    low: float | None = None
    """Ends of the 95 % bootstrap interval of the mean when clusters of test items are drawn."""
    high: float | None = None
    per_cluster: float | None = None
    """Mean score with each sequence cluster counted once."""
    clusters: int = 0
    paper: PaperValue | None = None
    mark: str = ""
    """``best``, ``second`` or nothing."""

    @property
    def mean(self) -> float | None:
        """Mean over seeds; None if the metric is undefined for one of them."""
        known = [value for value in self.values if value is not None]
        return float(np.mean(known)) if len(known) == len(self.values) else None

    @property
    def std(self) -> float | None:
        """Standard deviation over seeds (n - 1 in the denominator); None for fewer than three."""
        known = [value for value in self.values if value is not None]
        enough = len(known) == len(self.values) >= FEWEST_SEEDS
        return float(np.std(known, ddof=1)) if enough else None

    @property
    def n(self) -> str:
        """Labelled test items; two numbers if the seeds were tested on different ones."""
        few, many = min(self.counts), max(self.counts)
        return str(few) if few == many else f"{few}-{many}"


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
    """The runner-up in turn is told from the third, or there is no third."""


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

    def columns(self, metrics: Sequence[str] = PAPER_METRICS) -> list[tuple[str, str]]:
        """(task, metric) pairs that some row has."""
        have = {(cell.task, cell.metric) for cell in self.cells}
        return [(task, m) for task in self.tasks for m in metrics if (task, m) in have]

    @property
    def untested(self) -> list[str]:
        """Tasks that runs learned without any labelled test item."""
        learned = {task for run in self.results.judged for task in run.tasks}
        return sorted(learned - set(self.tasks))


class Scores:
    """Scores of runs on resampled test items; each is computed once."""

    def __init__(self, runs: Iterable[RecordedRun]) -> None:
        self._known: dict[tuple[str, str, str], Resampled | None] = {}
        self._runs = tuple(runs)
        self._even: dict[str, bool] = {}

    def even(self, task: str) -> bool:
        """Return whether all runs that learned ``task`` were tested on the same items."""
        if task not in self._even:
            runs = [run for run in self._runs if any(line.task == task for line in run.results)]
            first: tuple[str, Predictions] | None = None
            even = True
            for run in runs:
                here = (run.name, run.predictions(task))
                first = first or here
                even &= same_items(task, first, here)
            self._even[task] = even
        return self._even[task]

    def of(self, run: RecordedRun, task: str, metric: str) -> Resampled | None:
        """None where the run has no finite score."""
        key = (run.id, task, metric)
        if key not in self._known:
            self._known[key] = _resampled(run, task, metric)
        return self._known[key]

    def of_all(self, runs: Sequence[RecordedRun], task: str, metric: str) -> list[Resampled]:
        """Those of all runs; empty unless every run has one."""
        found = [score for run in runs if (score := self.of(run, task, metric)) is not None]
        return found if len(found) == len(runs) else []


def _resampled(run: RecordedRun, task: str, metric: str) -> Resampled | None:
    line = run.result(task, metric)
    if line is None or line.value is None or not np.isfinite(line.value):
        return None
    rows = run.predictions(task)
    return resample(metric, line.value, rows.prediction, rows.target, rows.cluster)


def tabulate(results: GridResults, scores: Scores | None = None) -> ResultTable:
    """Compute the table of a grid.

    Args:
        results: Its runs.
        scores: Resampled scores, to share them with figures.
    """
    scores = scores or Scores(results.judged)
    by_row: dict[Row, list[RecordedRun]] = {}
    for run in sorted(results.judged, key=lambda run: (run.seed or 0, run.id)):
        by_row.setdefault(row_of(run), []).append(run)
    rows = ordered_rows(results.grid, by_row)
    cells = [cell for row in rows for cell in _cells_of(results.grid, row, by_row[row], scores)]
    tasks = dict.fromkeys(cell.task for cell in cells)
    uneven = tuple(task for task in tasks if not scores.even(task))
    cells.sort(key=lambda cell: (_position(_TASK_ORDER, cell.task), cell.task))
    leads = list(_leads_of(cells, by_row, scores))
    cells = [_marked(cell, leads) for cell in cells]
    return ResultTable(results, tuple(rows), tuple(cells), tuple(leads), uneven)


def _cells_of(grid: str, row: Row, runs: list[RecordedRun], scores: Scores) -> Iterator[Cell]:
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
        yield _with_interval(cell, tested, scores) if metric in PAPER_METRICS else cell


def _with_interval(cell: Cell, runs: list[RecordedRun], scores: Scores) -> Cell:
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


def _leads_of(
    cells: Sequence[Cell], by_row: Mapping[Row, Sequence[RecordedRun]], scores: Scores
) -> Iterator[Lead]:
    """The best row of each column and block against its runner-up.

    Columns whose runs were tested on different items have none.
    """
    columns: dict[tuple[str, str, str], list[Cell]] = {}
    for cell in cells:
        if cell.metric in PAPER_METRICS and cell.mean is not None and np.isfinite(cell.mean):
            columns.setdefault((block_of(cell.row), cell.task, cell.metric), []).append(cell)
    for (block, task, metric), found in columns.items():
        if len(found) < 2 or not scores.even(task):
            continue
        sign = -1 if METRICS[metric].higher_is_better else 1
        ranked = sorted(found, key=lambda cell: (sign * (cell.mean or 0.0), cell.row))
        sides = [
            scores.of_all([r for r in by_row[c.row] if r.result(task, metric)], task, metric)
            for c in ranked[:3]
        ]
        second = len(ranked) < 3 or difference(sides[1], sides[2]).established
        gap = difference(sides[0], sides[1])
        yield Lead(block, task, metric, ranked[0].row, ranked[1].row, gap, second)


def _marked(cell: Cell, leads: Sequence[Lead]) -> Cell:
    """The cell with its mark, if it has earned one."""
    for lead in leads:
        here = (lead.block, lead.task, lead.metric) == (block_of(cell.row), cell.task, cell.metric)
        if here and lead.difference.established:
            if cell.row == lead.best:
                return replace(cell, mark="best")
            if cell.row == lead.second and lead.second_established:
                return replace(cell, mark="second")
    return cell
