"""Runs that are gone on with, and runs to which a later test adds something."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from mlflow.tracking import MlflowClient

from hemenet_lab.tracking import Tracker
from hemenet_lab.training import join_run
from tests.tracking.fake_runs import FakeRuns

TESTED = {"test/lba/rmse": 0.5, "val/lba/rmse": 0.75, "epoch": 3.0}


@pytest.fixture
def finished(fake_runs: FakeRuns) -> str:
    return fake_runs.add({"encoder": "gcn"}, metrics=TESTED, tags={"completed": "true"})


def later(fake_runs: FakeRuns, stage: str, run_id: str, status: str = "success") -> Tracker:
    """A test or prediction that joins a run, as the command does."""
    path = fake_runs.folder / "some.ckpt"
    torch.save({"mlflow_run_id": run_id}, path)
    tracker = Tracker(folder=str(fake_runs.folder))
    trainer: Any = SimpleNamespace(loggers=[tracker], is_global_zero=True)
    join_run(trainer, str(path), stage)
    tracker.log_hyperparams({"seed_everything": 7})
    tracker.log_metrics({"test/lba/rmse": 9.0, "val/lba/rmse": 8.0, "epoch": 0.0}, step=4)
    tracker.log_text("a: 1\n", tracker.own_name("config.yaml"))
    tracker.finalize(status)
    return tracker


@pytest.mark.parametrize("status", ["success", "failed"])
def test_a_later_test_changes_nothing_of_a_finished_run(
    fake_runs: FakeRuns, finished: str, status: str
) -> None:
    before = fake_runs.client.get_run(finished)
    for stage in ("test", "test", "validate", "predict"):
        tracker = later(fake_runs, stage, finished, status)
        assert tracker.run_id == finished
        assert tracker.joined
    run = fake_runs.client.get_run(finished)
    assert (run.info.status, run.info.end_time) == ("FINISHED", before.info.end_time)
    assert run.data.params == before.data.params
    assert {name: run.data.metrics[name] for name in TESTED} == TESTED
    assert {"test-2/lba/rmse", "test-3/lba/rmse", "val-2/lba/rmse"} <= set(run.data.metrics)
    assert run.data.metrics["test-3/lba/rmse"] == 9.0
    files = {file.path for file in fake_runs.client.list_artifacts(finished)}
    assert files == {f"{name}_config.yaml" for name in ("test-2", "test-3", "val-2", "predict-2")}
    assert len(fake_runs.client.search_runs([fake_runs.experiment])) == 1


def test_a_run_that_is_not_here_or_a_name_makes_a_run_of_its_own(
    fake_runs: FakeRuns, finished: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert later(fake_runs, "test", "0" * 32).run_id != finished
    monkeypatch.setenv("MLFLOW_RUN_NAME", "mine")
    mine = later(fake_runs, "test", finished)
    assert mine.run_id != finished
    assert not mine.joined


def test_mlflow_run_id_is_running_while_it_runs(
    fake_runs: FakeRuns, finished: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_RUN_ID", finished)
    tracker = Tracker(folder=str(fake_runs.folder))
    tracker.begin_fit()
    run = fake_runs.client.get_run(finished)
    assert run.info.status == "RUNNING"
    tracker.finalize("failed")
    assert fake_runs.client.get_run(finished).info.status == "FAILED"
    # a test in that run is no fit
    again = Tracker(folder=str(fake_runs.folder))
    trainer: Any = SimpleNamespace(loggers=[again], is_global_zero=True)
    join_run(trainer, None, "test")
    again.finalize()
    assert fake_runs.client.get_run(finished).info.status == "FAILED"


def test_system_metrics_of_a_fit(
    tmp_path: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.05")
    plain = Tracker(folder=str(tmp_path))
    plain.begin_fit()
    assert plain._system is None
    tracker = Tracker(folder=str(tmp_path), system_metrics=True)
    tracker.begin_fit()
    client = MlflowClient(tracker.uri)
    end = time.monotonic() + 30
    name = "system/system_memory_usage_megabytes"
    while len(points := client.get_metric_history(str(tracker.run_id), name)) < 2:
        assert time.monotonic() < end
        time.sleep(0.05)
    tracker.finalize()
    assert [point.step for point in points[:2]] == [0, 1]
    assert points[0].value > 0
    assert "system/cpu_utilization_percentage" in client.get_run(str(tracker.run_id)).data.metrics
    again = len(client.get_metric_history(str(tracker.run_id), name))
    time.sleep(0.2)
    assert len(client.get_metric_history(str(tracker.run_id), name)) == again, "it has stopped"
