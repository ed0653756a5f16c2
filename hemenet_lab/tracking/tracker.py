"""MLflow as the record of each run: a logger that never stops a training.

A local database is written to at once, fast metrics in groups; what goes to a server goes through
an `Outbox`, so that only the beginning of a run waits for one. Private names of `MLFlowLogger` that
are used are in `USED`; a test fails if they go.
"""

from __future__ import annotations

import itertools
import json
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from filelock import FileLock
from lightning.pytorch import Trainer
from lightning.pytorch.loggers import MLFlowLogger
from lightning.pytorch.utilities import rank_zero_info, rank_zero_only, rank_zero_warn
from numpy.typing import NDArray

from hemenet_lab.tracking.address import cause, database_uri, is_remote, wait_shortly
from hemenet_lab.tracking.outbox import Outbox
from hemenet_lab.tracking.records import RUNNING, Held, Record, Value, flat_settings, free_name
from hemenet_lab.tracking.system_metrics import SystemMetrics

USED = ("_run_id", "_mlflow_client", "_experiment_id", "_experiment_name")
"""There is no public way to choose the run, or to look for names, after the logger was made."""
DEFAULT = "protein-mt"
"""Experiment of the runs unless another is named."""
RUN_NAME = "mlflow.runName"
LONGEST_VALUE = 500
"""Characters of a parameter that are kept; the config holds all of it."""
SYSTEM_METRICS = "MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING"
PREFIXES = {"validate": "val", "test": "test", "predict": "predict"}
"""What the metrics of a stage begin with."""


class NoRecord(ValueError):
    """The database or server in which a run was to be recorded does not take it."""


class Tracker(MLFlowLogger):
    """MLFlowLogger on a local sqlite database, whose failures never stop a training under way.

    The database is ``<folder>/mlruns.db`` and artifacts go to ``<folder>/artifacts``, unless
    ``tracking_uri`` (or the environment variable MLFLOW_TRACKING_URI) names a server.

    Args:
        experiment_name: Runs of one experiment are listed together. If None, that of the
            environment variable MLFLOW_EXPERIMENT_NAME, or ``protein-mt``.
        run_name: Name of the run. If None, that of MLFLOW_RUN_NAME, or one made of the run's
            encoder, readout, tasks and seed, with a number where it is taken.
        folder: Where the database, the artifacts and the checkpoints of the runs go.
        tracking_uri: Address of a tracking server or another database.
        tags: Tags of the run.
        run_id: Continue this run instead of starting one. If neither it nor a name is given, that
            of MLFLOW_RUN_ID.
        system_metrics: Record what fits use of the machine that records: processor, memory, disk,
            network and, with nvidia-ml-py, GPU. MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING=true as well.

    Raises:
        NoRecord: No run can be begun there (on first use, before a training begins).
    """

    def __init__(
        self,
        experiment_name: str | None = None,
        run_name: str | None = None,
        folder: str = "runs",
        tracking_uri: str | None = None,
        tags: dict[str, Any] | None = None,
        run_id: str | None = None,
        system_metrics: bool = False,
    ) -> None:
        self.folder = Path(folder).resolve()
        self.folder.mkdir(parents=True, exist_ok=True)
        self._failures: set[str] = set()
        self._begun = False
        given = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI")
        self.uri = given or database_uri(self.folder)
        """Address of the tracking database or server."""
        logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)  # no news of tables
        name = run_name or os.environ.get("MLFLOW_RUN_NAME")
        experiment = experiment_name or os.environ.get("MLFLOW_EXPERIMENT_NAME", DEFAULT)
        self._names_itself = name is None
        self._suggested = ""
        self._outbox: Outbox | None = None
        self._held = Held()
        asked = os.environ.get(SYSTEM_METRICS, "").lower() == "true"
        self._watches = system_metrics or asked
        self._system: SystemMetrics | None = None
        self._label: tuple[str, str] | None = None
        wait_shortly(self.uri)
        with self._lock():  # two processes that create the database at once destroy it
            super().__init__(
                experiment_name=experiment,
                run_name=name,
                tracking_uri=self.uri,
                tags=tags,
                artifact_location=None if given else (self.folder / "artifacts").as_uri(),
                run_id=run_id or (None if run_name else os.environ.get("MLFLOW_RUN_ID")),
            )
        self.resumed = self._run_id is not None
        """Check that the run was there before."""

    def _lock(self) -> FileLock:
        return FileLock(str(self.folder / "mlruns.db.lock"))

    @property
    def experiment(self) -> Any:
        """The MLflow client, with the experiment and the run made on first use."""
        if self._begun:
            return super().experiment
        with self._lock(), _environment_kept("MLFLOW_TRACKING_URI"):
            try:
                if self._names_itself and not self.resumed:
                    self.tags = {**(self.tags or {}), RUN_NAME: self._free_name()}
                client = super().experiment
            except Exception as error:
                raise NoRecord(
                    f"no run can be recorded at {self.uri} ({cause(error)}); set tracking_uri or "
                    "MLFLOW_TRACKING_URI to a server or database that answers, or leave both out"
                ) from error
        self._begun = True
        return client

    @property
    def remote(self) -> bool:
        """True if records go over a network, so that they are sent in the background."""
        return is_remote(self.uri)

    @property
    def page(self) -> str:
        """Where people see the run: a command for a local database, a page of a server."""
        if self.remote:
            return f"{self.uri}/#/experiments/{self._experiment_id}/runs/{self._run_id}"
        return f"mlflow ui --backend-store-uri {self.uri}"

    def suggest_name(self, name: str) -> None:
        """Name the run so, if nobody has named it and it was not there before."""
        self._suggested = name
        if self._begun and self._names_itself and not self.resumed:
            self._tell("its name", Record(name=name))

    def _free_name(self) -> str:
        """The suggested name, with a number if another run of the experiment has it.

        MLflow would draw one from the generator that a fit has seeded: the same for each run.
        """
        name = self._suggested or f"run-{time.strftime('%Y%m%d-%H%M%S')}"
        found = self._mlflow_client.get_experiment_by_name(self._experiment_name)
        return name if found is None else free_name(self._mlflow_client, found.experiment_id, name)

    def resume(self, run_id: str) -> None:
        """Continue a run that this database knows; say so and start a new one otherwise."""
        try:
            self._mlflow_client.get_run(run_id)
        except Exception as error:
            rank_zero_warn(
                f"run {run_id} is not in {self.uri} ({cause(error)}); a new run is started"
            )
        else:
            self._run_id = run_id
            self.resumed = True

    def join(self, run_id: str, stage: str) -> None:
        """Record a later test, validation or prediction in the run of its checkpoint.

        What that run holds stays as it is, its status as well: metrics and files of the second test
        are called ``test-2``, and so on. A run of another database is left alone, and so is one
        where this tracker was given a name of its own.
        """
        if not self._names_itself:
            return
        try:
            run = self._mlflow_client.get_run(run_id)
        except Exception as error:
            rank_zero_info(
                f"the checkpoint's run {run_id} is not in {self.uri} ({cause(error)}); this "
                f"{stage} has a run of its own"
            )
            return
        taken = {name.partition("/")[0] for name in run.data.metrics}
        prefix = PREFIXES[stage]
        label = next(f"{prefix}-{n}" for n in itertools.count(2) if f"{prefix}-{n}" not in taken)
        self._run_id, self.resumed, self._label = run_id, True, (prefix, label)

    @property
    def joined(self) -> bool:
        """True if the run is another's, to which something is added."""
        return self._label is not None

    def own_name(self, name: str) -> str:
        """The name of a file that leaves alone what a joined run has already."""
        return f"{self._label[1]}_{name}" if self._label else name

    @rank_zero_only
    def begin_fit(self) -> None:
        """Say that a resumed run goes on, and how long it stood still; watch the machine."""
        now = int(time.time() * 1000)
        if self.resumed:
            self._tell("its state", Record(status=RUNNING, time=now))
        if self._watches and self._system is None:
            begun = now // 1000 if self.resumed else 0  # later than all samples before
            self._system = SystemMetrics(self.log_metrics, begun)

    def guarded(self, what: str, action: Callable[[], Any]) -> None:
        """Do ``action``; a failure is reported once for each ``what`` and training goes on."""
        try:
            action()
        except Exception as error:
            if what not in self._failures:
                self._failures.add(what)
                rank_zero_warn(
                    f"MLflow could not record {what} ({cause(error)}) at {self.uri}; "
                    "training goes on"
                )

    def send_held(self) -> None:
        """Send the metrics of the last moment, as what follows stands on them: a checkpoint."""
        self._held.send(self._send_metrics)

    def _send_metrics(self, values: list[Value]) -> None:
        self._tell("metrics", Record(metrics=values))

    def _tell(self, what: str, record: Record) -> None:
        """Send a record: to a local database now, to a server through the outbox."""
        self.send_held()
        if self._run_id is None or not self._begun:
            self.guarded(what, lambda: self.run_id)
        run_id = str(self._run_id)
        if not self.remote:
            self.guarded(what, lambda: record.send_patiently(self.experiment, run_id))
        else:
            if self._outbox is None:
                self._outbox = Outbox(self.experiment, run_id, self.uri, self.folder)
            self._outbox.put(record)

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        now = int(time.time() * 1000)
        if self._label is not None:
            prefix, label = self._label
            metrics = {
                f"{label}/{name.removeprefix(f'{prefix}/')}": value
                for name, value in metrics.items()
                if name != "epoch"
            }
        values = [(name, float(value), now, step or 0) for name, value in metrics.items()]
        self._held.add(values, self._send_metrics)

    @rank_zero_only
    def log_hyperparams(self, params: Mapping[str, Any]) -> None:  # type: ignore[override]  # as used
        """Record nested settings; those that a resumed run has already stay as they are."""
        if self.joined:
            return
        items = [(name, str(value)[:LONGEST_VALUE]) for name, value in flat_settings(params)]
        for start in range(0, len(items), 100):
            part = items[start : start + 100]
            self._tell("parameters", Record(params=part, only_new=self.resumed))

    @rank_zero_only
    def log_text(self, text: str, name: str) -> None:
        """Keep ``text`` as the artifact ``name`` of the run."""
        self._keep(name, lambda path: path.write_text(text, encoding="utf-8"))

    @rank_zero_only
    def log_arrays(self, arrays: Mapping[str, NDArray[Any]], name: str) -> None:
        """Keep arrays as the compressed ``.npz`` artifact ``name`` of the run."""
        # numpy's stub wants its options named
        self._keep(name, lambda path: np.savez_compressed(path, **dict(arrays)))  # type: ignore[arg-type]

    def _keep(self, name: str, write: Callable[[Path], Any]) -> None:
        def send() -> None:
            if self.remote:
                self._tell(name, Record())  # makes the outbox
                assert self._outbox is not None
                path = self._outbox.place_for(name)
                write(path)
                self._outbox.put(Record(file=str(path)))
            else:
                with TemporaryDirectory() as folder:
                    path = Path(folder) / name
                    write(path)
                    self.experiment.log_artifact(self.run_id, str(path))

        self.guarded(name, send)

    @rank_zero_only
    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Set tags of the run."""
        named = [(str(key), str(value)) for key, value in tags.items()]
        self._tell("tags", Record(tags=named))

    @rank_zero_only
    def log_data(self, place: str, digest: str, synthetic: bool) -> None:
        """Tell which data the run learns from, as MLflow's input of the run.

        Args:
            place: Folder of the store.
            digest: Its hash.
            synthetic: The data were made by a program.
        """
        name = f"{Path(place).name}{' (SYNTHETIC)' if synthetic else ''}"
        source = json.dumps({"uri": place})
        data = {"name": name, "digest": digest[:36], "source": source}
        self._tell("the data set", Record(data=data))

    @rank_zero_only
    def finalize(self, status: str = "success") -> None:
        """Send all that is left, then end the run."""
        if not self._begun:
            return
        if self._system is not None:
            self._system.stop()
            self._system = None
        if not self.joined:
            word = {"success": "FINISHED", "finished": "FINISHED", "failed": "FAILED"}
            end = Record(status=word.get(status, status), time=int(time.time() * 1000))
            self._tell("the end of the run", end)
        if self._outbox is not None:
            self._outbox.flush()

    def __getstate__(self) -> dict[str, Any]:
        # a spawned process has threads of its own
        return {**self.__dict__, "_outbox": None, "_system": None}


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
