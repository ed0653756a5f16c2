"""Recorded runs: one class for an MLflow run of a `lightning fit`, and the reader of them all."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from hemenet_lab.tracking.address import checkpoint_folder, database_uri
from hemenet_lab.tracking.artifacts import (
    Artifact,
    Predictions,
    Result,
    read_predictions,
    read_results,
    with_artifact,
)
from hemenet_lab.tracking.records import IDLE, RUNNING

if TYPE_CHECKING:
    from mlflow.entities import Run as MlflowRun

T = TypeVar("T")
_PAGE = 500
"""Runs asked for at a time."""


class Tag(StrEnum):
    """Names of the tags that our runs have in MLflow."""

    IDENTITY = "benchmark_identity"
    """Hash of what decides the result."""
    SEED = "seed"
    STORE = "store_hash"
    """Hash of the data."""
    SYNTHETIC = "synthetic_data"
    """``True`` if the data were made by a program."""
    REVISION = "git_revision"
    TORCH = "torch"
    """Version."""
    DEVICES = "devices"
    """Number of devices."""
    OWN_TASKS = "own_tasks"
    """Title and unit of each tested task that is none of the benchmark's, as JSON."""
    BEST_CHECKPOINT = "best_checkpoint"
    """Path on the machine that trained."""
    COMPLETED = "completed"
    """``true`` once the test went to its end."""
    IDLE = IDLE
    """Of resumed runs: seconds from each last sign of life to the next start, together."""
    GRID = "benchmark_grid"
    """The grid that the run was made for; followed by ``.<name>``, another grid that it belongs
    to as well, with its axes as JSON."""
    AXIS = "axis."
    """Followed by an axis of the grid: the run's value there."""
    SETTINGS = "benchmark_settings"
    """Settings that the command line added to those of the grid."""
    FURTHER = "benchmark_further"
    """``true`` for a row that another command than `lightning fit` makes."""
    COMMAND = "benchmark_command"
    """The shell command that makes the run."""

    def of(self, name: str) -> str:
        """The tag of one axis (``AXIS``), or of one further grid (``GRID``)."""
        return f"{self}{name}" if self is Tag.AXIS else f"{self}.{name}"


@dataclass(frozen=True)
class RecordedRun:
    """One MLflow run of a `lightning fit`."""

    id: str
    name: str
    status: str
    """MLflow's word; a killed run stays ``RUNNING``."""
    start: float
    """Seconds since 1970."""
    end: float | None
    metrics: Mapping[str, float]
    """Last value of each metric, and numbers of weights by part (``parameters/encoder``)."""
    tags: Mapping[str, str]
    experiment_id: str = ""
    artifacts: str = field(default="", repr=False)
    """Address of its files."""
    grid: str = ""
    """The grid that it is looked at for."""
    client: Any = field(default=None, repr=False, compare=False)

    # --- tags and metrics -----------------------------------------------------------------------

    @property
    def finished(self) -> bool:
        """True if it was tested to the end."""
        tested = any(name.startswith("test/") for name in self.metrics)
        return tested and self.tags.get(Tag.COMPLETED) == "true"

    @property
    def seconds(self) -> float | None:
        """Time that its processes took, together; None until it has ended."""
        if self.end is None or self.status == RUNNING:  # a resumed one keeps its former end
            return None
        return max(0.0, self.end - self.start - float(self.tags.get(Tag.IDLE, 0)))

    @property
    def epochs(self) -> int:
        """Epochs begun."""
        return int(self.metrics["epoch"]) + 1 if "epoch" in self.metrics else 0

    @property
    def identity(self) -> str:
        """Hash of what decides its result; empty if it was cut off before that was written."""
        return self.tags.get(Tag.IDENTITY, "")

    @property
    def seed(self) -> int | None:
        """Seed of everything; None if it was cut off before that was written."""
        return int(self.tags[Tag.SEED]) if Tag.SEED in self.tags else None

    @property
    def settings(self) -> str:
        """Settings that the command line added to those of the grid."""
        return self.tags.get(Tag.SETTINGS, "")

    @property
    def command(self) -> str:
        """The shell command that makes it; empty if it was not recorded."""
        return self.tags.get(Tag.COMMAND, "")

    @property
    def further(self) -> bool:
        """Whether another command than `lightning fit` made it, so that no grid expands to it."""
        return self.tags.get(Tag.FURTHER) == "true"

    @property
    def store_hash(self) -> str:
        """Hash of the data that it was trained and tested on."""
        return self.tags.get(Tag.STORE, "unknown")

    @property
    def synthetic(self) -> bool:
        """True if these data were made by a program."""
        return self.tags.get(Tag.SYNTHETIC, "").lower() == "true"

    @cached_property
    def tasks(self) -> tuple[str, ...]:
        """Tasks that it learned, sorted."""
        names = (name.split("/") for name in self.metrics)
        return tuple(sorted(n[1] for n in names if len(n) == 3 and (n[0], n[2]) == ("test", "n")))

    @property
    def own_tasks(self) -> dict[str, tuple[str, str]]:
        """Title and unit of the tasks that are none of the benchmark's, as far as it was told."""
        found: dict[str, list[str]] = json.loads(self.tags.get(Tag.OWN_TASKS, "{}"))
        return {name: (title, unit) for name, (title, unit) in found.items()}

    def axes(self, grid: str) -> dict[str, str] | None:
        """Value of each axis of a grid; None if the run is none of that grid's."""
        if self.tags.get(Tag.GRID) == grid:
            names = sorted(name for name in self.tags if name.startswith(Tag.AXIS))
            return {name.removeprefix(Tag.AXIS): self.tags[name] for name in names}
        shared = self.tags.get(Tag.GRID.of(grid))
        return None if shared is None else dict(json.loads(shared))

    @cached_property
    def choices(self) -> dict[str, str]:
        """Value of each axis of the grid that it is looked at for."""
        return self.axes(self.grid) or {}

    # --- files and histories --------------------------------------------------------------------

    @cached_property
    def results(self) -> tuple[Result, ...]:
        """Test results of the tasks with labelled items."""
        return tuple(line for line in self._artifact(Artifact.RESULTS, read_results) if line.n > 0)

    def result(self, task: str, metric: str) -> Result | None:
        """The line of one metric, if there is one."""
        found = (line for line in self.results if (line.task, line.metric) == (task, metric))
        return next(found, None)

    @cached_property
    def config(self) -> str:
        """The whole resolved config, as YAML."""
        return self._artifact(Artifact.CONFIG, lambda path: path.read_text(encoding="utf-8"))

    @cached_property
    def calibration(self) -> Mapping[str, Any]:
        """What validation data say of its numbers (``terms`` and ``values`` by task).

        Empty for a run that left none: an older one, or one without validation.
        """
        try:
            return self._artifact(
                Artifact.CALIBRATION, lambda path: json.loads(path.read_text(encoding="utf-8"))
            )
        except ValueError:
            return {}

    def predictions(self, task: str) -> Predictions:
        """Predictions of the labelled test items of ``task``; read anew with every call."""
        return self._artifact(Artifact.PREDICTIONS, lambda path: read_predictions(path, task))

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

    def _artifact(self, name: str, read: Callable[[Path], T]) -> T:
        return with_artifact(self.client, self.id, self.artifacts, name, read)


class RunDatabase:
    """A tracking database or server, and the folder beside which its runs keep their checkpoints.

    Args:
        uri: Address.
        folder: The folder of the runs.
    """

    def __init__(self, uri: str, folder: Path) -> None:
        self.uri = uri
        self.folder = folder
        from mlflow.tracking import MlflowClient  # slow to import

        self._client = MlflowClient(uri)

    @classmethod
    def make(cls, settings: Mapping[str, Any]) -> RunDatabase:
        """The database that runs are recorded in; made where there is none.

        Runs that start at once find it then.

        Args:
            settings: Those of the runs' logger (``trainer.logger.init_args`` of their config).
        """
        from hemenet_lab.tracking.tracker import Tracker  # imports torch

        made = Tracker(folder=settings["folder"], tracking_uri=settings.get("tracking_uri"))
        return cls(made.uri, made.folder)

    @classmethod
    def open(cls, folder: str | Path, tracking_uri: str | None = None) -> RunDatabase:
        """A database that is there.

        Args:
            folder: The folder of the runs.
            tracking_uri: Address of another database or a server; the environment variable
                MLFLOW_TRACKING_URI counts as well.

        Raises:
            ValueError: There is none.
        """
        folder = Path(folder).resolve()
        uri = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI")
        if not uri and not (folder / "mlruns.db").is_file():
            raise ValueError(
                f"no MLflow database at {folder / 'mlruns.db'}; run a grid first, or name the "
                "folder of the runs"
            )
        return cls(uri or database_uri(folder), folder)

    def runs(self, where: str = "") -> Iterator[RecordedRun]:
        """Every run, newest first.

        Args:
            where: A condition of MLflow's search.
        """
        experiments = [found.experiment_id for found in self._client.search_experiments()]
        token: str | None = None
        while experiments and token != "":
            page = self._client.search_runs(
                experiments,
                filter_string=where,
                max_results=_PAGE,
                order_by=["attributes.start_time DESC"],
                page_token=token,
            )
            yield from (self._recorded(run) for run in page)
            token = page.token or ""

    def of_identity(self, mark: str) -> list[RecordedRun]:
        """The runs of one identity, newest first."""
        return list(self.runs(f"tags.{Tag.IDENTITY} = '{mark}'"))

    def of_grid(self, grid: str) -> list[RecordedRun]:
        """The runs of one grid, oldest first, with their choices there."""
        found = [replace(run, grid=grid) for run in self.runs() if run.axes(grid) is not None]
        return sorted(found, key=lambda run: (run.start, run.id))

    def last_checkpoint(self, run: RecordedRun) -> Path | None:
        """The checkpoint from which a run that was cut off can go on; None without one."""
        path = checkpoint_folder(self.folder, run.id) / "last.ckpt"
        return path if path.is_file() else None

    def add_to_grid(
        self, run: RecordedRun, grid: str, axes: Mapping[str, str], command: str
    ) -> None:
        """Tag a finished run with its command, and as one of ``grid`` if it was made for another.

        Args:
            run: The run.
            grid: Name of the grid.
            axes: The run's value of each axis there.
            command: The shell command that makes it.
        """
        tags: dict[str, str] = {} if run.command else {Tag.COMMAND: command}
        if run.axes(grid) != axes:
            tags[Tag.GRID.of(grid)] = json.dumps(dict(axes))
        for key, value in tags.items():
            self._client.set_tag(run.id, str(key), value)

    def _recorded(self, run: MlflowRun) -> RecordedRun:
        info, data = run.info, run.data
        return RecordedRun(
            id=info.run_id,
            name=info.run_name,
            status=info.status,
            start=info.start_time / 1000,
            end=info.end_time / 1000 if info.end_time else None,
            metrics={**_counts(data.params), **data.metrics},
            tags=dict(data.tags),
            experiment_id=info.experiment_id,
            artifacts=info.artifact_uri,
            client=self._client,
        )


def _counts(params: Mapping[str, str]) -> dict[str, float]:
    """Numbers of weights; former runs had them among their metrics."""
    return {
        name: float(value)
        for name, value in params.items()
        if name.startswith("parameters/") and value.isdecimal()
    }
