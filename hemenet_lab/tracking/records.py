"""What is told of a run: one record in memory, many in a file that waits for a server."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

MOST_AT_ONCE = {"metrics": 1000, "params": 100, "tags": 100}
"""What MLflow takes in one request."""


@dataclass
class Record:
    """One thing to be told of a run: values, a file, or its end."""

    metrics: list[tuple[str, float, int, int]] = field(default_factory=list)
    """Name, value, time in milliseconds, step."""
    params: list[tuple[str, str]] = field(default_factory=list)
    tags: list[tuple[str, str]] = field(default_factory=list)
    file: str = ""
    """Path of a file to keep with the run; removed when it has arrived."""
    status: str = ""
    """How the run ended."""
    time: int = 0
    """When it ended, milliseconds."""

    @property
    def holds_values(self) -> bool:
        return not self.file and not self.status

    def send(self, client: Any, run_id: str) -> None:
        """Tell MLflow."""
        from mlflow.entities import Metric, Param, RunTag

        if self.file:
            client.log_artifact(run_id, self.file)
        elif self.status:
            client.set_terminated(run_id, self.status, self.time)
        else:
            client.log_batch(
                run_id=run_id,
                metrics=[Metric(*each) for each in self.metrics],
                params=[Param(*each) for each in self.params],
                tags=[RunTag(*each) for each in self.tags],
            )

    def joined(self, other: Record) -> Record | None:
        """Both in one request; None if they are too much for one."""
        if not (self.holds_values and other.holds_values):
            return None
        both = Record(
            self.metrics + other.metrics, self.params + other.params, self.tags + other.tags
        )
        fits = all(len(getattr(both, name)) <= most for name, most in MOST_AT_ONCE.items())
        return both if fits else None


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
