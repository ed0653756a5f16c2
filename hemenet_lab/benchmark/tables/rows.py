"""Rows of a grid's table: which runs belong together, and in which order they stand."""

from __future__ import annotations

import re
from collections.abc import Iterable

from hemenet_lab.benchmark.grids import FOLD_AXIS
from hemenet_lab.benchmark.results import number_or_none, row_position
from hemenet_lab.tracking import RecordedRun

Row = tuple[tuple[str, str], ...]
"""(axis, choice) pairs; equal for the seeds of one configuration."""

SINGLE, MULTI = "single", "multi"
FIRST_AXES = ("setting", "tasks")
"""Axes that come first; rows that differ in them are judged apart."""
TASK_AXIS = "task"
"""Axis of the task that a single-task run learns; it makes no rows beside an axis ``setting``."""
_SAME = {"multitask": MULTI, "multi_task": MULTI, "singletask": SINGLE, "single_task": SINGLE}


def row_of(run: RecordedRun) -> Row:
    """The row of a run.

    The single-task runs of a model share one row: a choice that names the run's only task (``ec``,
    ``single_ec``) becomes ``single``. Folds of one configuration share it as well.
    """
    axes = sorted(set(run.choices) - {FOLD_AXIS}, key=lambda name: (name not in FIRST_AXES, name))
    if "setting" in axes and TASK_AXIS in axes:
        axes.remove(TASK_AXIS)
    return tuple((axis, _choice(run.choices[axis], run.tasks)) for axis in axes)


def _choice(choice: str, tasks: tuple[str, ...]) -> str:
    words = set(re.split(r"[\W_]+", choice.lower()))
    if len(tasks) == 1 and tasks[0] in words and words <= {tasks[0], SINGLE, "task", "only"}:
        return SINGLE
    plain = choice.lower().replace("-", "_")
    return _SAME.get(plain, choice)


def ordered_rows(grid: str, rows: Iterable[Row]) -> list[Row]:
    """Rows by setting, then in the order of the paper's table, others after; numbers by size."""

    def key(row: Row) -> tuple[object, ...]:
        position = row_position(grid, [choice for _, choice in row])
        setting = {SINGLE: 0, MULTI: 1}.get(block_of(row), 2)
        return (setting, position, [_natural(choice) for _, choice in row])

    return sorted(set(rows), key=key)


def _natural(choice: str) -> tuple[int, float, str]:
    number = number_or_none(choice.rstrip("% "))
    return (1, 0.0, choice) if number is None else (0, number, choice)


def block_of(row: Row) -> str:
    """The group in which a row competes: its setting or tasks, if the grid has such an axis.

    Single- and multi-task training are compared within themselves, as in the paper.
    """
    return " ".join(choice for axis, choice in row if axis in FIRST_AXES)


def varying_axes(rows: Iterable[Row]) -> list[str]:
    """Axes in which the rows differ, in order; all axes if they differ in none."""
    rows = list(rows)
    axes = list(dict.fromkeys(axis for row in rows for axis, _ in row))
    varying = [axis for axis in axes if len({dict(row).get(axis) for row in rows}) > 1]
    return varying or axes


def label_of(row: Row, axes: Iterable[str] | None = None) -> str:
    """A row's name for people: its choices, joined."""
    wanted = set(axes) if axes is not None else {axis for axis, _ in row}
    return " · ".join(choice for axis, choice in row if axis in wanted)
