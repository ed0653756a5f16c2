"""What MLflow knows of the runs of a grid; there is no other record of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlflow.entities import Run as MlflowRun
from mlflow.tracking import MlflowClient

from hemenet_lab.benchmark.grid_run import AXIS_TAG, GRID_TAG, Run
from hemenet_lab.benchmark.identity import IDENTITY_TAG
from hemenet_lab.benchmark.idle import running_seconds
from hemenet_lab.tracking import Tracker

COMMAND_TAG = "benchmark_command"
SHARED_TAG = f"{GRID_TAG}."
"""``benchmark_grid.<name>``: the run, made for another grid, is one of the grid <name> as well."""
PAGE = 500
"""Runs asked for at a time."""


@dataclass(frozen=True)
class Recorded:
    """One MLflow run of a `lightning fit`."""

    run_id: str
    name: str
    identity: str
    status: str
    """MLflow's word; a killed run stays ``RUNNING``."""
    start: float
    """Seconds since 1970."""
    end: float | None
    metrics: Mapping[str, float]
    """Last value of each metric."""
    tags: Mapping[str, str]

    @property
    def finished(self) -> bool:
        """Whether the test went to its end."""
        return is_finished(self.metrics, self.tags)

    @property
    def seconds(self) -> float | None:
        """Time that its processes took, together; None until it has ended."""
        return None if self.end is None else running_seconds(self.start, self.end, self.tags)

    @property
    def epochs(self) -> int:
        """Epochs begun."""
        return int(self.metrics["epoch"]) + 1 if "epoch" in self.metrics else 0

    def axes(self, grid: str) -> dict[str, str] | None:
        """Value of each axis of a grid; None if the run is none of that grid's."""
        if self.tags.get(GRID_TAG) == grid:
            return {
                key.removeprefix(AXIS_TAG): value
                for key, value in self.tags.items()
                if key.startswith(AXIS_TAG)
            }
        shared = self.tags.get(SHARED_TAG + grid)
        return dict(json.loads(shared)) if shared else None


def is_finished(metrics: Mapping[str, float], tags: Mapping[str, str]) -> bool:
    """Whether a run with these metrics and tags was tested to the end."""
    return tags.get("completed") == "true" and any(name.startswith("test/") for name in metrics)


class Records:
    """The tracking database that a grid's runs are recorded in.

    Makes the database where there is none, so that runs that start at once find it.

    Args:
        tracker: Settings of the runs' logger (``trainer.logger.init_args`` of their config).
    """

    def __init__(self, tracker: Mapping[str, Any]) -> None:
        made = Tracker(folder=tracker["folder"], tracking_uri=tracker.get("tracking_uri"))
        self.folder: Path = made.folder
        self.uri = made.uri
        self._client = MlflowClient(self.uri)

    def all(self, where: str = "") -> list[Recorded]:
        """Every run that recorded an identity, newest first.

        Args:
            where: A condition of MLflow's search.
        """
        return [recorded(run) for run in self._search(where) if IDENTITY_TAG in run.data.tags]

    def of_identity(self, mark: str) -> list[Recorded]:
        """The runs of one identity, newest first."""
        return self.all(f"tags.{IDENTITY_TAG} = '{mark}'")

    def last_checkpoint(self, record: Recorded) -> Path | None:
        """Where a run that was cut off can go on."""
        path = self.folder / record.run_id / "checkpoints" / "last.ckpt"
        return path if path.is_file() else None

    def add_to_grid(self, record: Recorded, run: Run) -> None:
        """Tag a finished run with its command, and as one of a grid if it was made for another."""
        tags = {} if COMMAND_TAG in record.tags else {COMMAND_TAG: run.command()}
        if record.axes(run.grid) != run.axes:
            tags[SHARED_TAG + run.grid] = json.dumps(dict(run.axes))
        for key, value in tags.items():
            self._client.set_tag(record.run_id, key, value)

    def _search(self, where: str) -> Iterator[MlflowRun]:
        experiments = [found.experiment_id for found in self._client.search_experiments()]
        token: str | None = None
        while token != "":
            page = self._client.search_runs(
                experiments,
                filter_string=where,
                max_results=PAGE,
                order_by=["attributes.start_time DESC"],
                page_token=token,
            )
            yield from page
            token = page.token or ""


def recorded(run: MlflowRun) -> Recorded:
    """One MLflow run as plain data."""
    info, data = run.info, run.data
    return Recorded(
        run_id=info.run_id,
        name=info.run_name,
        identity=data.tags[IDENTITY_TAG],
        status=info.status,
        start=info.start_time / 1000,
        end=info.end_time / 1000 if info.end_time else None,
        metrics=data.metrics,
        tags=data.tags,
    )


def best_record(records: list[Recorded], resumable: Callable[[Recorded], Any]) -> Recorded | None:
    """The run to look at among those of one identity: finished, or furthest with a checkpoint."""
    ranked = sorted(
        records,
        key=lambda record: (record.finished, bool(resumable(record)), record.epochs, record.start),
    )
    return ranked[-1] if ranked else None
