"""What is told of a run: one record in memory, many in a file that waits for a server."""

from __future__ import annotations

import itertools
import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

MOST_AT_ONCE = {"metrics": 1000, "params": 100, "tags": 100}
"""What MLflow takes in one request."""
LOCKED_ATTEMPTS = 4
HELD_SECONDS, LONGEST_HELD, MOST_HELD = 1.0, 30.0, 500
"""For how long metrics that follow others are held, and how many."""
LARGEST_SHARE = 0.02
"""Share of the time that sending metrics may take."""
Value = tuple[str, float, int, int]
"""Name, value, time in milliseconds, step."""
RUNNING = "RUNNING"
IDLE = "idle_seconds"
"""Tag of resumed runs: seconds from each last sign of life to the next start, together."""


@dataclass
class Record:
    """One thing to be told of a run: values, a file, its state, and so on.

    What has to be asked of MLflow first is asked when the record is sent, so that a training never
    waits for an answer.
    """

    metrics: list[Value] = field(default_factory=list)
    params: list[tuple[str, str]] = field(default_factory=list)
    tags: list[tuple[str, str]] = field(default_factory=list)
    only_new: bool = False
    """Leave out parameters that the run has: MLflow lets none of them change."""
    file: str = ""
    """Path of a file to keep with the run; removed when it has arrived."""
    status: str = ""
    """The run's state: ``RUNNING``, or how it ended."""
    time: int = 0
    """When it ended or went on, milliseconds."""
    name: str = ""
    """What to call the run; a number is added where the name is taken."""
    data: dict[str, str] = field(default_factory=dict)
    """Data set that it learns from: name, digest, source."""

    @property
    def holds_values(self) -> bool:
        return not (self.file or self.status or self.name or self.data)

    def send(self, client: Any, run_id: str) -> None:
        """Tell MLflow."""
        if self.file:
            client.log_artifact(run_id, self.file)
        elif self.status == RUNNING:
            _go_on(client, run_id, self.time)
        elif self.status:
            client.set_terminated(run_id, self.status, self.time)
        elif self.name:
            experiment = client.get_run(run_id).info.experiment_id
            client.update_run(run_id, name=free_name(client, experiment, self.name, run_id))
        elif self.data:
            _tell_data(client, run_id, self.data)
        else:
            self._send_values(client, run_id)

    def send_patiently(self, client: Any, run_id: str) -> None:
        """Send, and again if other runs keep a local database locked for all of SQLite's 5 s."""
        for attempt in range(LOCKED_ATTEMPTS):
            try:
                self.send(client, run_id)
            except Exception as error:
                if "database is locked" in str(error) and attempt < LOCKED_ATTEMPTS - 1:
                    continue
                if len(self.metrics) > 1 and is_refusal(error):
                    self._send_each(client, run_id)
                raise
            return

    def _send_each(self, client: Any, run_id: str) -> None:
        """Lose that metric only that is refused."""
        for metric in self.metrics:
            with suppress(Exception):  # the caller tells
                Record(metrics=[metric]).send(client, run_id)

    def _send_values(self, client: Any, run_id: str) -> None:
        from mlflow.entities import Metric, Param, RunTag

        known = client.get_run(run_id).data.params if self.only_new else {}
        client.log_batch(
            run_id=run_id,
            metrics=[Metric(*each) for each in self.metrics],
            params=[Param(*each) for each in self.params if each[0] not in known],
            tags=[RunTag(*each) for each in self.tags],
        )

    def joined(self, other: Record) -> Record | None:
        """Both in one request; None if they are too much for one."""
        if not (self.holds_values and other.holds_values):
            return None
        both = Record(
            self.metrics + other.metrics,
            self.params + other.params,
            self.tags + other.tags,
            self.only_new or other.only_new,
        )
        fits = all(len(getattr(both, name)) <= most for name, most in MOST_AT_ONCE.items())
        return both if fits else None


def is_refusal(error: Exception) -> bool:
    """Check that a server has answered and does not want this, so that trying again is no use."""
    from mlflow.exceptions import MlflowException

    if not isinstance(error, MlflowException):
        return isinstance(error, (TypeError, ValueError, FileNotFoundError))
    return 400 <= error.get_http_status_code() < 500 and error.get_http_status_code() not in (
        408,
        429,
    )


def flat_settings(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted names and values of nested settings."""
    for name, value in settings.items():
        if isinstance(value, Mapping) and value:
            yield from flat_settings(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def free_name(client: Any, experiment: str, name: str, run_id: str | None = None) -> str:
    """A name, with a number if another run of the experiment has it.

    Args:
        client: An MLflow client.
        experiment: Id of the experiment.
        name: The wanted name.
        run_id: The run that is to have it.
    """
    where = f"attributes.run_name LIKE '{name}%'"
    runs = client.search_runs([experiment], filter_string=where, max_results=1000)
    taken = {run.info.run_name for run in runs if run.info.run_id != run_id}
    names = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
    return next(free for free in names if free not in taken)


def _go_on(client: Any, run_id: str, now: int) -> None:
    """Say that a run goes on, and add what has passed since its last sign of life."""
    last = last_sign(client, run_id)
    client.update_run(run_id, status=RUNNING)
    if last is not None:  # at the end: what fails before is done again as a whole
        before = float(client.get_run(run_id).data.tags.get(IDLE, 0))
        client.set_tag(run_id, IDLE, f"{before + max(0.0, now / 1000 - last):.1f}")


def last_sign(client: Any, run_id: str) -> float | None:
    """Time when a run last recorded anything, seconds since 1970; None before its first metric."""
    times = [point.timestamp for point in client.get_metric_history(run_id, "epoch")]
    ended = client.get_run(run_id).info.end_time
    times += [ended] if ended else []
    return max(times) / 1000 if times else None


def _tell_data(client: Any, run_id: str, data: dict[str, str]) -> None:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    found = Dataset(source_type="local", **data)
    tag = InputTag("mlflow.data.context", "training")
    client.log_inputs(run_id, [DatasetInput(found, [tag])])


class Held:
    """Metrics that come fast, held so that sending takes a small share of the time.

    A transaction costs about the same whatever is in it; on a busy machine or disk it costs more,
    and more are held.
    """

    def __init__(self) -> None:
        self._values: list[Value] = []
        self._until = 0.0
        self._lock = threading.Lock()

    def add(self, values: list[Value], send: Callable[[list[Value]], None]) -> None:
        """Take values; send all that are held unless the last ones went just before."""
        with self._lock:
            self._values += values
            due = time.monotonic() >= self._until or len(self._values) >= MOST_HELD
        if due:
            self.send(send)

    def send(self, send: Callable[[list[Value]], None]) -> None:
        """Send all that are held."""
        with self._lock:
            values, self._values = self._values, []
        if values:
            begun = time.monotonic()
            send(values)
            now = time.monotonic()
            pause = max(HELD_SECONDS, (now - begun) / LARGEST_SHARE)
            self._until = now + min(pause, LONGEST_HELD)

    def __reduce__(self) -> tuple[type[Held], tuple[()]]:
        return Held, ()  # a spawned process has values of its own


class Spool:
    """Records of one run in a file, one a line, with the files that they name beside it."""

    def __init__(self, folder: Path, uri: str) -> None:
        self.folder = folder
        self._path = folder / "records.jsonl"
        self._place = folder / "server"
        self.uri = self._place.read_text("utf-8") if self._place.is_file() else uri
        self._lock = FileLock(str(folder.with_suffix(".lock")), timeout=0, thread_local=False)
        self.empty = not self._path.is_file()

    def acquire(self) -> bool:
        try:
            self._lock.acquire()
        except Timeout:
            return False
        return True

    def release(self) -> None:
        self._lock.release()
        if not self.folder.exists():
            Path(self._lock.lock_file).unlink(missing_ok=True)

    def claim(self) -> None:
        """Make the folder, and keep other runs from sending what is in it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self._lock.is_locked:
            self.acquire()
        if not self._place.is_file():
            self._place.write_text(self.uri, "utf-8")

    def add(self, records: list[Record]) -> None:
        self.claim()
        with self._path.open("a", encoding="utf-8") as stream:
            stream.writelines(json.dumps(asdict(record)) + "\n" for record in records)
        self.empty = False

    def records(self) -> list[Record]:
        return list(self._read())

    def _read(self) -> Iterator[Record]:
        if self._path.is_file():
            for line in self._path.read_text("utf-8").splitlines():
                with suppress(ValueError):  # the last line of a process that was killed
                    yield Record(**json.loads(line))

    def empty_records(self) -> None:
        self._path.unlink(missing_ok=True)
        self.empty = True

    def keep_only(self, records: list[Record]) -> None:
        """Leave these records, or nothing at all."""
        if records:
            part = self._path.with_suffix(".part")
            lines = (json.dumps(asdict(record)) + "\n" for record in records)
            part.write_text("".join(lines), "utf-8")
            part.replace(self._path)
        else:
            shutil.rmtree(self.folder, ignore_errors=True)
        self.empty = not records
