from __future__ import annotations

import logging
import random
import warnings
from pathlib import Path
from typing import Any

import mlflow
import pytest
from lightning.pytorch.loggers import MLFlowLogger
from mlflow.exceptions import MlflowException, RestException
from mlflow.store.db import utils
from mlflow.tracking import MlflowClient

from hemenet_lab.tracking import Tracker, records
from hemenet_lab.tracking.address import SHORT_WAITS
from hemenet_lab.tracking.tracker import USED
from hemenet_lab.training.record import git_revision


def test_two_runs_in_one_folder(tmp_path: Path) -> None:
    for _ in range(2):
        tracker = Tracker(folder=str(tmp_path))
        tracker.log_metrics({"val/ec/fmax": 0.5}, step=3)
        tracker.log_text("a: 1\n", "config.yaml")
        tracker.finalize("success")
    client = MlflowClient(f"sqlite:///{tmp_path / 'mlruns.db'}")
    experiment = client.get_experiment_by_name("protein-mt")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    assert len(runs) == 2
    assert all(run.info.status == "FINISHED" for run in runs)
    assert all(run.data.metrics == {"val/ec/fmax": 0.5} for run in runs)
    assert experiment.artifact_location == (tmp_path / "artifacts").as_uri()
    saved = list((tmp_path / "artifacts").glob("*/artifacts/config.yaml"))
    assert len(saved) == 2


def test_environment_names_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = f"sqlite:///{tmp_path / 'other.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert Tracker(folder=str(tmp_path)).uri == uri


def test_failing_logging_warns_once_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracker = Tracker(folder=str(tmp_path))
    assert tracker.run_id

    def broken(*args: object, **kwargs: object) -> None:
        raise ConnectionError("server is gone")

    monkeypatch.setattr(tracker.experiment, "log_batch", broken)
    with pytest.warns(UserWarning, match="could not record metrics .server is gone."):
        tracker.log_metrics({"a": 1.0}, step=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tracker.log_metrics({"a": 1.0}, step=1)


def test_metrics_in_quick_succession_are_written_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracker = Tracker(folder=str(tmp_path))
    client, run_id = tracker.experiment, str(tracker.run_id)
    requests, plain = [], client.log_batch

    def count(**values: Any) -> None:
        requests.append(len(values["metrics"]))
        plain(**values)

    monkeypatch.setattr(client, "log_batch", count)
    for step in range(40):
        tracker.log_metrics({"a": float(step), "b": 1.0}, step=step)
    assert requests == [2]  # the first at once
    tracker.send_held()
    assert requests == [2, 78]
    tracker.log_metrics({"a": 40.0}, step=40)
    monkeypatch.setattr(records, "LONGEST_HELD", 0.0)
    tracker.set_tags({"x": 1})  # what comes after metrics is told after them
    points = client.get_metric_history(run_id, "a")
    assert [(point.step, point.value) for point in points] == [(n, float(n)) for n in range(41)]
    tracker.log_metrics({"a": 41.0}, step=41)
    assert client.get_run(run_id).data.metrics["a"] == 41.0


def test_of_metrics_together_only_the_refused_one_is_lost(tmp_path: Path) -> None:
    tracker = Tracker(folder=str(tmp_path))
    assert tracker.run_id
    tracker.log_metrics({"a": 0.0}, step=0)
    for step, name in enumerate(["a", "what?", "a"], start=1):
        tracker.log_metrics({name: 1.0}, step=step)
    with pytest.warns(UserWarning, match="could not record metrics"):
        tracker.finalize()
    points = tracker.experiment.get_metric_history(tracker.run_id, "a")
    assert [point.step for point in points] == [0, 1, 3]


def test_a_server_that_does_not_answer_is_an_error_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    tracker = Tracker(folder=str(tmp_path), tracking_uri="http://127.0.0.1:9")
    with pytest.raises(ValueError, match=r"at http://127.0.0.1:9 .*set tracking_uri or MLFLOW"):
        _ = tracker.run_id


def test_resume_continues_a_known_run_only(tmp_path: Path) -> None:
    first = Tracker(folder=str(tmp_path))
    run_id = first.run_id
    assert run_id is not None
    second = Tracker(folder=str(tmp_path))
    second.resume(run_id)
    assert second.run_id == run_id
    third = Tracker(folder=str(tmp_path))
    with pytest.warns(UserWarning, match="a new run is started"):
        third.resume("0" * 32)
    assert third.run_id not in (run_id, "0" * 32)


def test_private_names_of_lightning_are_there(tmp_path: Path) -> None:
    logger = MLFlowLogger(tracking_uri=f"sqlite:///{tmp_path / 'x.db'}", run_id="given")
    missing = [name for name in USED if name not in vars(logger)]
    assert not missing, (
        f"lightning's MLFlowLogger has no {missing} any more; hemenet_lab/tracking/tracker.py uses "
        "them to choose the run, and to look for names, after the logger was made"
    )
    assert vars(logger)["_run_id"] == "given"
    assert hasattr(vars(logger)["_mlflow_client"], "search_runs")


def test_what_is_used_of_mlflow_is_there() -> None:
    """Names that its documentation does not promise."""
    from mlflow.environment_variables import MLFLOW_HTTP_REQUEST_MAX_RETRIES, MLFLOW_RUN_ID
    from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor

    assert MLFLOW_RUN_ID.name == "MLFLOW_RUN_ID"
    for name in SHORT_WAITS:
        assert hasattr(mlflow.environment_variables, name), f"MLflow reads no {name} any more"
    assert MLFLOW_HTTP_REQUEST_MAX_RETRIES.name in SHORT_WAITS
    monitor = CPUMonitor()
    monitor.collect_metrics()
    assert monitor.aggregate_metrics()
    monitor.clear_metrics()
    assert MlflowException("x").get_http_status_code() == 500
    answer = RestException({"error_code": "INVALID_PARAMETER_VALUE", "message": "bad"})
    assert answer.get_http_status_code() == 400


def test_mlflow_is_quiet_about_new_tables(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tracker names a logger of MLflow's to silence it."""
    monkeypatch.setattr(utils, "_initialize_tables", vars(utils._initialize_tables)["__wrapped__"])
    with caplog.at_level(logging.INFO):
        logging.getLogger("mlflow.store.db.utils").setLevel(logging.INFO)
        MlflowClient(f"sqlite:///{tmp_path / 'loud.db'}").search_experiments()
        loud = [record.name for record in caplog.records if record.name.startswith("mlflow")]
        assert loud, "MLflow says nothing about its tables any more; Tracker need not silence it"
        caplog.clear()
        Tracker(folder=str(tmp_path))
    assert not [record.name for record in caplog.records if record.name.startswith("mlflow")]


def test_git_revision_is_a_commit_or_unknown() -> None:
    revision = git_revision()
    assert revision == "unknown" or len(revision.removesuffix("+changes")) == 40


def test_runs_of_one_seed_have_names_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = []
    for _ in range(2):
        random.seed(0)
        tracker = Tracker(folder=str(tmp_path))
        tracker.suggest_name("hemenet-task_aware-all-s0")
        names.append(tracker.experiment.get_run(tracker.run_id).info.run_name)
    assert names == ["hemenet-task_aware-all-s0", "hemenet-task_aware-all-s0-2"]
    monkeypatch.setenv("MLFLOW_RUN_NAME", "mine")
    named = Tracker(folder=str(tmp_path))
    named.suggest_name("another")
    assert named.experiment.get_run(named.run_id).info.run_name == "mine"
    monkeypatch.setenv("MLFLOW_RUN_ID", str(tracker.run_id))
    assert Tracker(folder=str(tmp_path)).run_id == tracker.run_id
