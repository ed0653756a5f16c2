"""Which task helps which: gains between runs that learned different sets of tasks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hemenet_lab.benchmark.compare import LOWER_IS_BETTER, Difference, difference
from hemenet_lab.benchmark.results import Run
from hemenet_lab.benchmark.table_cells import ResultTable
from hemenet_lab.benchmark.table_rows import FIRST_AXES, TASK_AXIS
from hemenet_lab.benchmark.table_scores import Scores

MAIN = ("rmse", "fmax")
PAIR, ALL, LEFT_OUT = "pair", "all", "left out"
Model = tuple[tuple[str, str], ...]
"""Choices of the axes that do not decide which tasks are learned."""


@dataclass(frozen=True)
class Gain:
    """What further tasks do for one task."""

    kind: str
    """``pair``: learned with ``helper`` against alone; ``all``: with all tasks against alone;
    ``left out``: with all tasks against all but ``helper``."""
    model: Model
    helper: str
    task: str
    metric: str
    gain: Difference
    """Positive is better, for RMSE as well."""
    relative: float
    """Gain as a share of the score without the helper."""


def transfer_gains(table: ResultTable, scores: Scores) -> list[Gain]:
    """All gains that the runs of a grid allow; none from different test items."""
    runs = table.results.runs
    axes = task_axes(runs) | {*FIRST_AXES, TASK_AXIS}
    by_model: dict[Model, dict[frozenset[str], list[Run]]] = {}
    for run in runs:
        model = tuple(pair for pair in sorted(run.choices.items()) if pair[0] not in axes)
        by_model.setdefault(model, {}).setdefault(frozenset(run.tasks), []).append(run)
    pairs = [(task, metric) for task, metric in table.columns(MAIN) if task not in table.uneven]
    return [
        gain
        for model, by_tasks in sorted(by_model.items())
        for task, metric in pairs
        for gain in _gains(model, by_tasks, task, metric, scores)
    ]


def task_axes(runs: Sequence[Run]) -> set[str]:
    """Axes whose choice alone decides which tasks a run learns."""
    if len({run.tasks for run in runs}) < 2:
        return set()
    found = set()
    for axis in {axis for run in runs for axis in run.choices}:
        learned: dict[str, set[tuple[str, ...]]] = {}
        for run in runs:
            learned.setdefault(run.choices.get(axis, ""), set()).add(run.tasks)
        if len(learned) > 1 and all(len(sets) == 1 for sets in learned.values()):
            found.add(axis)
    return found


def _gains(
    model: Model,
    by_tasks: Mapping[frozenset[str], list[Run]],
    task: str,
    metric: str,
    scores: Scores,
) -> Iterator[Gain]:
    everything = frozenset().union(*by_tasks)
    alone = frozenset({task})
    wanted = [(PAIR, other, alone | {other}, alone) for other in sorted(everything - alone)]
    wanted += [(LEFT_OUT, other, everything, everything - {other}) for other in sorted(everything)]
    wanted.append((ALL, "all tasks", everything, alone))
    for kind, helper, with_helper, without in wanted:
        sides = [by_tasks.get(tasks, []) for tasks in (with_helper, without)]
        if task not in without or with_helper == without or not all(sides):
            continue
        if kind == PAIR and with_helper == everything:
            continue  # two tasks in all: that is ALL
        found = [scores.of_all(side, task, metric) for side in sides]
        if all(found):
            yield _gain(kind, model, helper, task, metric, found)


def _gain(
    kind: str, model: Model, helper: str, task: str, metric: str, found: Sequence[Sequence]
) -> Gain:
    with_helper, without = found
    if metric in LOWER_IS_BETTER:
        gap = difference(without, with_helper)
    else:
        gap = difference(with_helper, without)
    before = float(np.mean([score.value for score in without]))
    relative = gap.value / abs(before) if before else 0.0
    return Gain(kind, model, helper, task, metric, gap, relative)
