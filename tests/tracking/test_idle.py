"""Time between the processes of a run that was cut off."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from mlflow.entities import Metric

from hemenet_lab.tracking import RunDatabase, Tracker
from hemenet_lab.tracking.records import last_sign
from tests.tracking.fake_runs import FakeRuns


def test_idle_times_of_several_resumptions_add_up(
    fake_runs: FakeRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = fake_runs.add({"encoder": "gcn"}, status="RUNNING")
    tracker = Tracker(folder=str(fake_runs.folder), run_id=run_id)
    now = time.time()
    monkeypatch.setattr("hemenet_lab.tracking.tracker.time.time", lambda: now)

    def tags() -> dict[str, str]:
        return fake_runs.client.get_run(run_id).data.tags

    tracker.begin_fit()
    assert "idle_seconds" not in tags(), "a new run has not stood still"
    fake_runs.client.log_batch(run_id, [Metric("epoch", 0, int(1000 * (now - 50)), 1)])
    tracker.begin_fit()
    assert float(tags()["idle_seconds"]) == pytest.approx(50.0, abs=0.1)
    fake_runs.client.log_batch(run_id, [Metric("epoch", 1, int(1000 * (now - 20)), 2)])
    tracker.begin_fit()
    assert float(tags()["idle_seconds"]) == pytest.approx(70.0, abs=0.1)
    (run,) = RunDatabase.open(fake_runs.folder).runs()
    assert run.status == "RUNNING"
    assert run.seconds is None, "it goes on"
    ended = replace(run, start=now - 100, end=now, status="FINISHED")
    assert ended.seconds == pytest.approx(30.0, abs=0.1)


def test_the_end_of_a_run_is_a_sign_of_life(fake_runs: FakeRuns) -> None:
    run_id = fake_runs.add({"encoder": "gcn"}, status="RUNNING", history={"val/score": [0.1, 0.2]})
    assert last_sign(fake_runs.client, run_id) == 0  # as the fake metrics say
    fake_runs.client.set_terminated(run_id, "FAILED")
    ended = last_sign(fake_runs.client, run_id)
    assert ended == pytest.approx(time.time(), abs=60)
