"""MLflow as the record of each run: a logger that never stops a training.

Of Lightning's `MLFlowLogger`, one private name is used: ``_run_id`` (`Tracker.resume`), since there
is no public way to choose the run after the logger was made. A test fails if it goes.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from filelock import FileLock
from lightning.pytorch import Trainer
from lightning.pytorch.loggers import MLFlowLogger
from lightning.pytorch.utilities import rank_zero_only, rank_zero_warn
from mlflow.tracking import MlflowClient
from numpy.typing import NDArray


class Tracker(MLFlowLogger):
    """MLFlowLogger on a local sqlite database, whose failures never stop a training under way.

    The database is ``<folder>/mlruns.db`` and artifacts go to ``<folder>/artifacts``, unless
    ``tracking_uri`` (or the environment variable MLFLOW_TRACKING_URI) names a server.

    Args:
        experiment_name: Runs of one experiment are listed together.
        run_name: Name of the run; MLflow's random name if None.
        folder: Where the database, the artifacts and the checkpoints of the runs go.
        tracking_uri: Address of a tracking server or another database.
        tags: Tags of the run.
        run_id: Continue this run instead of starting one.

    Raises:
        ValueError: No run can be begun there (on first use, before a training begins).
    """

    def __init__(
        self,
        experiment_name: str = "protein-mt",
        run_name: str | None = None,
        folder: str = "runs",
        tracking_uri: str | None = None,
        tags: dict[str, Any] | None = None,
        run_id: str | None = None,
    ) -> None:
        self.folder = Path(folder).resolve()
        self.folder.mkdir(parents=True, exist_ok=True)
        self._failures: set[str] = set()
        self._begun = False
        given = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI")
        self.uri = given or database_uri(self.folder)
        """Address of the tracking database or server."""
        logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)  # no news of tables
        with self._lock():  # two processes that create the database at once destroy it
            super().__init__(
                experiment_name=experiment_name,
                run_name=run_name,
                tracking_uri=self.uri,
                tags=tags,
                artifact_location=None if given else (self.folder / "artifacts").as_uri(),
                run_id=run_id,
            )

    def _lock(self) -> FileLock:
        return FileLock(str(self.folder / "mlruns.db.lock"))

    @property
    def experiment(self) -> Any:
        """The MLflow client, with the experiment and the run made on first use."""
        if self._begun:
            return super().experiment
        with self._lock(), _environment_kept("MLFLOW_TRACKING_URI"):
            try:
                client = super().experiment
            except Exception as error:
                raise ValueError(
                    f"no run can be recorded at {self.uri} ({error}); set tracking_uri or "
                    "MLFLOW_TRACKING_URI to a server or database that answers, or leave both out"
                ) from error
        self._begun = True
        return client

    def resume(self, run_id: str) -> None:
        """Continue a run that this database knows; say so and start a new one otherwise."""
        try:
            MlflowClient(self.uri).get_run(run_id)
        except Exception as error:
            rank_zero_warn(f"run {run_id} is not in {self.uri} ({error}); a new run is started")
        else:
            self._run_id = run_id

    def guarded(self, what: str, action: Callable[[], Any]) -> None:
        """Do ``action``; a failure is reported once for each ``what`` and training goes on."""
        try:
            action()
        except Exception as error:
            if what not in self._failures:
                self._failures.add(what)
                rank_zero_warn(f"MLflow could not record {what} ({error}); training goes on")

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        self.guarded("metrics", lambda: MLFlowLogger.log_metrics(self, metrics, step))

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any]) -> None:  # type: ignore[override]  # as used
        self.guarded("parameters", lambda: MLFlowLogger.log_hyperparams(self, params))

    @rank_zero_only
    def log_text(self, text: str, name: str) -> None:
        """Keep ``text`` as the artifact ``name`` of the run."""
        self.guarded(name, lambda: self.experiment.log_text(self.run_id, text, str(name)))

    @rank_zero_only
    def log_arrays(self, arrays: Mapping[str, NDArray[Any]], name: str) -> None:
        """Keep arrays as the compressed ``.npz`` artifact ``name`` of the run."""

        def write() -> None:
            with TemporaryDirectory() as folder:
                path = Path(folder) / name
                np.savez_compressed(path, **dict(arrays))  # type: ignore[arg-type]  # numpy's stub
                self.experiment.log_artifact(self.run_id, str(path))

        self.guarded(name, write)

    @rank_zero_only
    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Set tags of the run."""

        def write() -> None:
            for key, value in tags.items():
                self.experiment.set_tag(self.run_id, str(key), value)

        self.guarded("tags", write)

    @rank_zero_only
    def finalize(self, status: str = "success") -> None:
        self.guarded("the end of the run", lambda: MLFlowLogger.finalize(self, status))


def database_uri(folder: Path) -> str:
    """Address of the database in the folder of the runs."""
    return f"sqlite:///{folder / 'mlruns.db'}"


@contextmanager
def _environment_kept(name: str) -> Iterator[None]:
    """Put an environment variable back: MLflow leaves the address of one run's database in it."""
    before = os.environ.get(name)
    try:
        yield
    finally:
        os.environ.pop(name, None)
        if before is not None:
            os.environ[name] = before


def tracker_of(trainer: Trainer) -> Tracker | None:
    """The trainer's `Tracker`, if it has one."""
    return next((logger for logger in trainer.loggers if isinstance(logger, Tracker)), None)
