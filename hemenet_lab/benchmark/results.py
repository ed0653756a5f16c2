"""The finished runs of a grid, read from MLflow: the one source of tables, figures and reports."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from mlflow.tracking import MlflowClient

from hemenet_lab.benchmark.grid_run import AXIS_TAG, GRID_TAG, SETTINGS_TAG
from hemenet_lab.benchmark.identity import IDENTITY_TAG
from hemenet_lab.benchmark.idle import running_seconds
from hemenet_lab.benchmark.results_artifacts import (
    CONFIG,
    PREDICTIONS,
    RESULTS,
    Predictions,
    read_predictions,
    read_results,
    with_artifact,
)
from hemenet_lab.benchmark.results_check import require_alike
from hemenet_lab.benchmark.status_records import COMMAND_TAG, SHARED_TAG, is_finished
from hemenet_lab.training import Result

_PAGE = 1000


@dataclass(frozen=True)
class Run:
    """One run of a grid, as MLflow knows it."""

    id: str
    name: str
    experiment_id: str
    status: str
    choices: dict[str, str]
    """Choice per axis of the grid, by the axis' name."""
    seed: int | None
    """None only for a run that was cut off before its tags were written."""
    tags: dict[str, str]
    metrics: dict[str, float]
    started: int
    """Milliseconds since 1970."""
    ended: int | None
    artifacts: str = field(repr=False)
    client: Any = field(repr=False, compare=False)

    @property
    def finished(self) -> bool:
        """Whether the run was tested to the end."""
        return is_finished(self.metrics, self.tags)

    @property
    def minutes(self) -> float | None:
        """Time that its processes took, together; None until it has ended."""
        if self.ended is None:
            return None
        return running_seconds(self.started / 1000, self.ended / 1000, self.tags) / 60

    @property
    def settings(self) -> str:
        """Settings that the command line added to those of the grid."""
        return self.tags.get(SETTINGS_TAG, "")

    @property
    def identity(self) -> str:
        """Hash of what decides the result; empty if it was never written."""
        return self.tags.get(IDENTITY_TAG, "")

    @property
    def command(self) -> str:
        """The shell command that made the run; empty if it was not recorded."""
        return self.tags.get(COMMAND_TAG, "")

    @property
    def store_hash(self) -> str:
        """Hash of the data that the run was trained and tested on."""
        return self.tags.get("store_hash", "unknown")

    @property
    def synthetic(self) -> bool:
        """Whether these data were made by a program."""
        return self.tags.get("synthetic_data", "").lower() == "true"

    @cached_property
    def tasks(self) -> tuple[str, ...]:
        """Tasks that the run learned, sorted."""
        names = (name.split("/") for name in self.metrics)
        return tuple(sorted(n[1] for n in names if len(n) == 3 and (n[0], n[2]) == ("test", "n")))

    @cached_property
    def results(self) -> tuple[Result, ...]:
        """Test results of the tasks with labelled items."""
        lines = self._artifact(RESULTS, read_results)
        return tuple(line for line in lines if line.n > 0)

    def result(self, task: str, metric: str) -> Result | None:
        """The line of one metric, if there is one."""
        found = (r for r in self.results if (r.task, r.metric) == (task, metric))
        return next(found, None)

    @cached_property
    def config(self) -> str:
        """The whole resolved config, as YAML."""
        return self._artifact(CONFIG, lambda path: path.read_text(encoding="utf-8"))

    def predictions(self, task: str) -> Predictions:
        """Predictions of the labelled test items of ``task``; read anew with every call."""
        return self._artifact(PREDICTIONS, lambda path: read_predictions(path, task))

    def history(self, metric: str) -> list[tuple[float, float]]:
        """(epoch, value) of a metric, in order; empty if it was never logged.

        An epoch counts the passes over the training data that were finished.
        """
        get = self.client.get_metric_history
        epochs: dict[int, float] = {}
        for point in get(self.id, "epoch"):  # the test logs the next epoch at the last step
            epochs[point.step] = min(point.value + 1, epochs.get(point.step, point.value + 1))
        points = {point.step: point.value for point in get(self.id, metric)}
        return [(epochs[step], points[step]) for step in sorted(points) if step in epochs]

    def _artifact(self, name: str, read: Any) -> Any:
        return with_artifact(self.client, self.id, self.artifacts, name, read)


@dataclass(frozen=True)
class GridResults:
    """Runs of a grid: the finished ones, and those that are not, each said."""

    grid: str
    uri: str
    """Address of the MLflow database."""
    runs: tuple[Run, ...]
    """Finished; one per place of the table and seed, the latest."""
    unfinished: tuple[Run, ...]
    superseded: tuple[Run, ...]
    """Another run with the same axes, seed and settings finished later, or instead."""
    planned: int | None = None
    """Runs that the grid expands to, where known."""

    @property
    def synthetic(self) -> bool:
        """Whether the data were made by a program."""
        return any(run.synthetic for run in self.runs)

    @property
    def store_hash(self) -> str:
        """Hash of the one store of all runs."""
        return self.runs[0].store_hash


def read_grid(
    grid: str,
    *,
    folder: str | Path = "runs",
    tracking_uri: str | None = None,
    identities: Collection[str] | None = None,
    store: str | None = None,
    settings: str | None = None,
) -> GridResults:
    """Reads the runs of a grid.

    Args:
        grid: Name of the grid.
        folder: Folder of ``mlruns.db``.
        tracking_uri: Address of another database or a server; the environment variable
            MLFLOW_TRACKING_URI counts as well.
        identities: Identities of the runs that the grid expands to: only these are read, and those
            that have not begun are counted.
        store: First characters of a store's hash: only runs on this store.
        settings: Only runs whose command added exactly these settings to the grid.

    Raises:
        ValueError: No database, no finished run, a finished run without seed or axes, or finished
            runs that cannot be compared (`results_check.require_alike`).
    """
    uri = _address(folder, tracking_uri)
    found = sorted(_runs(uri, grid), key=lambda run: (run.started, run.id))
    if identities is not None:
        found = [run for run in found if run.identity in identities]
    if settings is not None:
        found = [run for run in found if run.settings == settings]
    finished: dict[tuple[Any, ...], Run] = {}
    unfinished, superseded = [], []
    for run in found:
        if not run.finished:
            unfinished.append(run)
        elif store is None or run.store_hash.startswith(store):
            key = (*sorted(run.choices.items()), run.store_hash, run.settings, run.seed)
            superseded += [finished[key]] if key in finished else []
            finished[key] = run
    runs = tuple(finished.values())
    superseded += [run for run in unfinished if _made_anew(run, runs)]
    unfinished = [run for run in unfinished if run not in superseded]
    if not runs:
        raise ValueError(_nothing_finished(grid, uri, unfinished, store))
    require_alike(grid, runs)
    planned = None if identities is None else len(set(identities))
    return GridResults(grid, uri, runs, tuple(unfinished), tuple(superseded), planned)


def _made_anew(run: Run, finished: Sequence[Run]) -> bool:
    """Whether a run that was cut off without a checkpoint was finished as another one."""
    if not run.identity:  # cut off before it was written
        return run.name in {other.name for other in finished}
    return run.identity in {other.identity for other in finished}


def _nothing_finished(grid: str, uri: str, unfinished: Sequence[Run], store: str | None) -> str:
    states = ", ".join(f"{run.name} ({run.status.lower()})" for run in unfinished[:5])
    return (
        f"grid {grid!r} has no finished run in {uri}; {len(unfinished)} unfinished"
        + (f": {states}" if states else "")
        + ("" if store is None else f"; only stores {store}… were asked for")
        + f". Start it with `hemenet benchmark run experiments/{grid}.yaml`"
    )


def _address(folder: str | Path, tracking_uri: str | None) -> str:
    uri = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI")
    if uri:
        return uri
    database = Path(folder).resolve() / "mlruns.db"
    if not database.is_file():
        raise ValueError(
            f"no MLflow database at {database}; run a grid first, or name the folder of the runs"
        )
    return f"sqlite:///{database}"


def _runs(uri: str, grid: str) -> Iterator[Run]:
    client = MlflowClient(uri)
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    token = None
    while experiments:
        page = client.search_runs(experiments, max_results=_PAGE, page_token=token)
        for record in page:
            choices = _choices(dict(record.data.tags), grid)
            if choices is not None:
                yield _run(record, grid, choices, client)
        token = page.token
        if not token:
            return


def _choices(tags: dict[str, str], grid: str) -> dict[str, str] | None:
    """Choice per axis of a run of the grid; None for a run of another grid or of none."""
    if tags.get(GRID_TAG) == grid:
        return {k.removeprefix(AXIS_TAG): tags[k] for k in sorted(tags) if k.startswith(AXIS_TAG)}
    if SHARED_TAG + grid in tags:
        axes: dict[str, str] = json.loads(tags[SHARED_TAG + grid])
        return axes
    return None


def _run(record: Any, grid: str, choices: dict[str, str], client: Any) -> Run:
    tags, info = dict(record.data.tags), record.info
    if tags.get("completed") == "true" and ("seed" not in tags or not choices):
        lacking = "tag seed" if choices else f"tags {AXIS_TAG}<name>"
        raise ValueError(
            f"run {info.run_id} belongs to grid {grid!r} but has no {lacking}; delete it or "
            "give it these tags"
        )
    return Run(
        id=info.run_id,
        name=info.run_name,
        experiment_id=info.experiment_id,
        status=info.status,
        choices=choices,
        seed=int(tags["seed"]) if "seed" in tags else None,
        tags=tags,
        metrics=dict(record.data.metrics),
        started=info.start_time,
        ended=info.end_time,
        artifacts=info.artifact_uri,
        client=client,
    )
