"""Several processes at one database, and what those leave that are killed."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from hemenet_lab.tracking import Tracker, hold, is_held
from hemenet_lab.tracking.outbox import Outbox
from hemenet_lab.tracking.records import Record, Spool

FORK = multiprocessing.get_context("fork")
FITS, STEPS = 4, 25


def _in_processes(count: int, work: Callable[..., None], *args: Any) -> list[int | None]:
    """Exit statuses of processes that do the same at once; they only record."""
    processes = [FORK.Process(target=work, args=(number, *args)) for number in range(count)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=120)
    return [process.exitcode for process in processes]


def _record(number: int, folder: Path) -> None:
    warnings.simplefilter("error", UserWarning)  # what is lost is said by one
    tracker = Tracker(folder=str(folder))
    tracker.suggest_name("same")
    tracker.log_hyperparams({f"setting{index}": number for index in range(150)})
    for step in range(STEPS):
        tracker.log_metrics({"loss": number + step / 100, "epoch": step}, step=step)
    tracker.log_text(f"{number}\n", "config.yaml")
    tracker.finalize()


def test_four_fits_record_into_one_database(tmp_path: Path, empty_database: Path) -> None:
    shutil.copy(empty_database, tmp_path)
    assert _in_processes(FITS, _record, tmp_path) == [0] * FITS
    client = MlflowClient(f"sqlite:///{tmp_path / 'mlruns.db'}")
    found = client.get_experiment_by_name("protein-mt")
    assert found is not None
    runs = client.search_runs([found.experiment_id])
    assert sorted(run.info.run_name for run in runs) == ["same", "same-2", "same-3", "same-4"]
    for run in runs:
        number = int(run.data.params["setting0"])
        assert run.info.status == "FINISHED"
        assert len(run.data.params) == 150
        points = client.get_metric_history(run.info.run_id, "loss")
        assert [point.value for point in points] == [number + step / 100 for step in range(STEPS)]


def test_a_locked_database_is_tried_again(
    tmp_path: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(empty_database, tmp_path)
    tracker = Tracker(folder=str(tmp_path))
    assert tracker.run_id
    plain, failures = tracker.experiment.log_batch, iter(range(3))

    def locked(**values: Any) -> None:
        if next(failures, None) is not None:
            raise MlflowException("(sqlite3.OperationalError) database is locked")
        plain(**values)

    monkeypatch.setattr(tracker.experiment, "log_batch", locked)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tracker.log_metrics({"loss": 1.0}, step=0)
    assert tracker.experiment.get_run(tracker.run_id).data.metrics == {"loss": 1.0}


class Everything:
    """An MLflow client that takes all."""

    def __init__(self) -> None:
        self.steps: list[int] = []

    def log_batch(self, run_id: str, metrics: Any, **others: Any) -> None:
        self.steps += [metric.step for metric in metrics]


def _hold_and_die(number: int, folder: Path) -> None:
    lock = hold(folder, "a" * 64)
    spool = Spool(folder / "unsent" / "killed", "http://server")
    spool.add([Record(metrics=[("loss", 0.5, 1, 7)])])
    assert lock.is_locked
    assert is_held(folder, "a" * 64)
    os.kill(os.getpid(), signal.SIGKILL)


def test_locks_of_killed_processes_are_free(tmp_path: Path) -> None:
    assert _in_processes(1, _hold_and_die, tmp_path) == [-signal.SIGKILL]
    assert not is_held(tmp_path, "a" * 64)
    hold(tmp_path, "a" * 64).release()
    server = Everything()
    outbox = Outbox(server, "next", "http://server", tmp_path)
    end = time.monotonic() + 60
    while not server.steps:
        assert time.monotonic() < end
        time.sleep(0.01)
    outbox.close()
    assert server.steps == [7]
