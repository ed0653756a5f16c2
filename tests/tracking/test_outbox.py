"""Records on their way to a server that comes and goes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlflow.exceptions import MlflowException, RestException

from hemenet_lab.tracking import outbox
from hemenet_lab.tracking.outbox import Outbox
from hemenet_lab.tracking.records import Record

URI = "http://127.0.0.1:9"


class Server:
    """Stands for an MLflow client and server; keeps what arrives, in its order."""

    def __init__(self) -> None:
        self.up = True
        self.steps: list[int] = []
        self.files: list[str] = []
        self.ended: list[str] = []
        self.requests = 0

    def _check(self) -> None:
        self.requests += 1
        if not self.up:
            raise MlflowException("Connection refused")

    def log_batch(self, run_id: str, metrics: Any, params: Any, tags: Any) -> None:
        self._check()
        if any(tag.key == "bad" for tag in tags):
            raise RestException({"error_code": "INVALID_PARAMETER_VALUE", "message": "bad tag"})
        self.steps += [metric.step for metric in metrics]

    def log_artifact(self, run_id: str, path: str) -> None:
        self._check()
        self.files.append(Path(path).read_text())

    def set_terminated(self, run_id: str, status: str, end_time: int) -> None:
        self._check()
        self.ended.append(status)


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "FIRST_PAUSE", 0.05)
    monkeypatch.setattr(outbox, "LONGEST_PAUSE", 0.1)


def _metric(step: int) -> Record:
    return Record(metrics=[("loss", 0.5, 1, step)])


def _wait(until: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not until():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_order_is_kept_while_the_server_goes_and_comes(server: Server, tmp_path: Path) -> None:
    box = Outbox(server, "run", URI, tmp_path)
    for step in range(10):
        box.put(_metric(step))
    _wait(lambda: len(server.steps) == 10)
    server.up = False
    begun = time.monotonic()
    for step in range(10, 2000):
        box.put(_metric(step))
    assert time.monotonic() - begun < 10
    path = box.place_for("results.csv")
    path.write_text("a,b\n")
    box.put(Record(file=str(path)))
    requests = server.requests
    _wait(lambda: server.requests > requests + 2)
    server.up = True
    box.put(Record(status="FINISHED", time=5))
    assert box.flush()
    box.close()
    assert server.steps == list(range(2000))
    assert (server.files, server.ended) == (["a,b\n"], ["FINISHED"])
    assert not list((tmp_path / "unsent").glob("*"))


def test_an_attempt_that_began_before_the_end_is_not_the_last(tmp_path: Path) -> None:
    class Slow(Server):
        """Its first request hangs, and fails when the server is already back."""

        def __init__(self) -> None:
            super().__init__()
            self.hangs, self.fails = threading.Event(), threading.Event()

        def _check(self) -> None:
            super()._check()
            if self.requests == 1:
                self.hangs.set()
                self.fails.wait(10)
                raise MlflowException("Connection refused")

    server = Slow()
    box = Outbox(server, "run", URI, tmp_path)
    box.put(_metric(0))
    assert server.hangs.wait(10)
    threading.Timer(0.3, server.fails.set).start()
    assert box.flush()
    box.close()
    assert server.steps == [0]


def test_a_later_run_sends_what_is_left(
    server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server.up = False
    box = Outbox(server, "first", URI, tmp_path)
    for step in range(5):
        box.put(_metric(step))
    box.put(Record(status="FINISHED", time=5))
    assert not box.flush()
    told = [record.getMessage() for record in caplog.records]
    assert sum("training goes on, and what it records waits in" in line for line in told) == 1
    assert sum("records of run first are kept in" in line for line in told) == 1
    box.close()
    server.up = True
    elsewhere = Outbox(server, "other", "http://other", tmp_path)
    elsewhere.flush()
    elsewhere.close()
    assert not server.steps
    second = Outbox(server, "second", URI, tmp_path)
    _wait(lambda: bool(server.ended))
    second.close()
    assert server.steps == list(range(5))
    assert not list((tmp_path / "unsent").glob("*"))


def test_a_refused_record_costs_only_itself(
    server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server.up = False
    box = Outbox(server, "run", URI, tmp_path)
    for record in (_metric(0), Record(tags=[("bad", "1")]), _metric(1)):
        box.put(record)
    server.up = True
    assert box.flush()
    assert "1 records of run run were refused and lost" in caplog.text
    box.close()
    assert server.steps == [0, 1]
