"""Runs of cross-validation as one: each item is predicted once, by the run that did not see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hemenet_lab.benchmark.grids import FOLD_AXIS
from hemenet_lab.metrics import METRICS, bootstrap
from hemenet_lab.tracking import Predictions, RecordedRun, Result


@dataclass(frozen=True)
class PooledRun(RecordedRun):
    """All folds of one configuration and seed, scored on the test items of all of them together.

    A mean of scores over folds would weigh an item of a small fold more than one of a large fold,
    and has no meaning for a correlation.
    """

    parts: tuple[RecordedRun, ...] = ()

    @cached_property
    def tasks(self) -> tuple[str, ...]:
        """Tasks that the parts learned, sorted."""
        return tuple(sorted({task for part in self.parts for task in part.tasks}))

    @cached_property
    def choices(self) -> dict[str, str]:
        """Value of each axis of the grid but that of the folds."""
        return _without_fold(self.parts[0])

    @cached_property
    def results(self) -> tuple[Result, ...]:
        """Scores over the items of all folds.

        The constant predictor of each fold is fitted on that fold's training part; its score over
        all folds follows from theirs for RMSE and MAE, and is absent for other metrics.
        """
        lines: dict[tuple[str, str], list[Result]] = {}
        for part in self.parts:
            for line in part.results:
                if METRICS[line.metric].has_interval:
                    lines.setdefault((line.task, line.metric), []).append(line)
        rows = {task: self.predictions(task) for task, _ in lines}
        return tuple(_pooled(metric, rows[task], found) for (task, metric), found in lines.items())

    def predictions(self, task: str) -> Predictions:
        """Predictions of the labelled test items of all folds, sorted by entry and chain.

        Raises:
            ValueError: An item that two folds tested.
        """
        found = [
            part.predictions(task)
            for part in self.parts
            if any(line.task == task for line in part.results)
        ]
        items = [item for each in found for item in each.items]
        order = sorted(range(len(items)), key=items.__getitem__)
        if len(set(items)) < len(items):
            twice = next(item for item in items if items.count(item) > 1)
            raise ValueError(
                f"folds of {self.name} both tested {'-'.join(filter(None, twice))}; give every "
                "value of the axis fold a split of the same folds, such as fold0of5 to fold4of5"
            )
        return Predictions(
            np.concatenate([each.prediction for each in found])[order],
            np.concatenate([each.target for each in found])[order],
            tuple(items[place] for place in order),
            np.concatenate([each.cluster for each in found])[order],
        )


def pool_folds(runs: Sequence[RecordedRun]) -> tuple[list[RecordedRun], list[str]]:
    """Join runs that differ in their fold only; leave those of grids without folds as they are.

    Args:
        runs: Finished runs of a grid.

    Returns:
        The runs as a table takes them, and a line for each configuration and seed that lacks a
        fold that others have: it is left out, since its items would be others.

    Raises:
        ValueError: No configuration has all folds.
    """
    folds = {run.choices[FOLD_AXIS] for run in runs if FOLD_AXIS in run.choices}
    joined: dict[tuple[object, ...], list[RecordedRun]] = {}
    for run in runs:
        own = "" if FOLD_AXIS in run.choices else run.id
        place = (*sorted(_without_fold(run).items()), run.seed, own)
        joined.setdefault(place, []).append(run)
    found: list[RecordedRun] = []
    lacking = []
    for parts in joined.values():
        first = parts[0]
        if FOLD_AXIS not in first.choices:
            found.append(first)
            continue
        missing = sorted(folds - {part.choices[FOLD_AXIS] for part in parts})
        if missing:
            where = " · ".join(_without_fold(first).values())
            lacking.append(f"{where}, seed {first.seed}: no finished run of fold {missing}")
            continue
        ordered = sorted(parts, key=lambda part: part.choices[FOLD_AXIS])
        fields = {name: getattr(first, name) for name in RecordedRun.__dataclass_fields__}
        found.append(PooledRun(**fields, parts=tuple(ordered)))
    if not found and lacking:
        raise ValueError(
            "no configuration has finished all folds, and a table needs all of them: "
            + "; ".join(lacking[:5])
        )
    return found, lacking


def _without_fold(run: RecordedRun) -> dict[str, str]:
    return {axis: choice for axis, choice in run.choices.items() if axis != FOLD_AXIS}


def _pooled(metric: str, rows: Predictions, lines: Sequence[Result]) -> Result:
    score = bootstrap(metric, rows.prediction, rows.target)
    constant = None
    power = {"rmse": 2, "mae": 1}.get(metric)
    known = [(line.n, line.constant) for line in lines if line.constant is not None]
    if power and len(known) == len(lines):
        total = sum(n * value**power for n, value in known)
        constant = float((total / sum(n for n, _ in known)) ** (1 / power))
    return Result(lines[0].task, metric, score.value, score.low, score.high, score.n, constant)
