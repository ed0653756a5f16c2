"""Scores of runs on resampled test items, each computed once for tables and figures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from hemenet_lab.benchmark.compare import Resampled, resample
from hemenet_lab.benchmark.results import Run
from hemenet_lab.benchmark.results_artifacts import Predictions
from hemenet_lab.benchmark.results_check import same_items


class Scores:
    """Scores of runs on resampled test items; each is computed once."""

    def __init__(self, runs: Iterable[Run]) -> None:
        self._known: dict[tuple[str, str, str], Resampled | None] = {}
        self._runs = tuple(runs)
        self._even: dict[str, bool] = {}

    def even(self, task: str) -> bool:
        """Whether all runs that learned ``task`` were tested on the same items."""
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

    def of(self, run: Run, task: str, metric: str) -> Resampled | None:
        """None where the run has no finite score."""
        key = (run.id, task, metric)
        if key not in self._known:
            self._known[key] = _resampled(run, task, metric)
        return self._known[key]

    def of_all(self, runs: Sequence[Run], task: str, metric: str) -> list[Resampled]:
        """Those of all runs; empty unless every run has one."""
        found = [score for run in runs if (score := self.of(run, task, metric)) is not None]
        return found if len(found) == len(runs) else []


def _resampled(run: Run, task: str, metric: str) -> Resampled | None:
    line = run.result(task, metric)
    if line is None or line.value is None or not np.isfinite(line.value):
        return None
    rows = run.predictions(task)
    return resample(metric, line.value, rows.prediction, rows.target, rows.cluster)
