"""What a run tells MLflow, on its way there: a training never waits for a server.

MLflow's own asynchronous logging has an unbounded queue, ten threads that change the order, and
drops a batch for good after its retries; so here one thread sends in order. While the server is
away, records go to a file, which is sent when the server is back, by this run or by a later one.
"""

from __future__ import annotations

import atexit
import logging
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any

from hemenet_lab.basics import first_line
from hemenet_lab.tracking.records import Record, Spool, is_refusal

log = logging.getLogger(__name__)
"""Not `warnings`: where these are errors, the thread would end."""

FIRST_PAUSE, LONGEST_PAUSE = 2.0, 60.0
"""Seconds between attempts to reach a server that is away; each pause is twice the one before."""
MOST_WAITING = 10_000
"""Records kept in memory; further ones go to the file."""
LAST_SECONDS = 20.0
"""How long the end of a run waits for a server that still takes records."""
TRY_AGAIN = 60.0
"""Seconds for which a server that was away at one end (of a fit) need not be waited for at another
(of its test)."""


class Outbox:
    """Sends the records of one run in their order, in a thread of its own.

    Args:
        client: An MLflow client.
        run_id: The run.
        uri: Address of the server, for messages and for finding what earlier runs have left.
        folder: The folder of the runs; what waits for the server is in ``unsent/`` there.
    """

    def __init__(self, client: Any, run_id: str, uri: str, folder: Path) -> None:
        self._client, self._run_id, self._uri = client, run_id, uri
        self._root = folder / "unsent"
        self._spool = Spool(self._root / run_id, uri)
        self._waiting: deque[Record] = deque()
        self._change = threading.Condition()
        self._busy = False
        self._away = False
        self._pause = FIRST_PAUSE
        self._retry_at = 0.0
        self._refused = 0
        self._attempts = 0
        self._failed_attempt = 0
        self._gave_up = -TRY_AGAIN
        self._files = 0
        self._closing = False
        self._thread = threading.Thread(target=self._work, name="tracking", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def put(self, record: Record) -> None:
        """Take a record; returns at once."""
        with self._change:
            if len(self._waiting) >= MOST_WAITING:  # only while one request hangs
                self._spool.add(self._drained())
            self._waiting.append(record)
            self._change.notify_all()

    def place_for(self, name: str) -> Path:
        """Where a file is written that is to be sent."""
        self._spool.claim()
        self._files += 1
        folder = self._spool.folder / f"{time.time_ns()}-{self._files}"
        folder.mkdir()
        return folder / name

    def flush(self, seconds: float = LAST_SECONDS) -> bool:
        """Wait until all has arrived, as long as the server takes records.

        Returns:
            Whether all has arrived; if not, a line has said where it is kept.
        """
        end = time.monotonic() + seconds
        with self._change:
            tried = self._away and time.monotonic() < self._gave_up + TRY_AGAIN
            before = self._attempts  # one that is under way began before this call
            while self._left() and time.monotonic() < end:
                failed = tried or self._failed_attempt > before
                if self._away and failed and not self._busy and not self._waiting:
                    break
                if not failed:
                    self._retry_at = 0.0  # one more attempt, whatever the pause
                self._change.notify_all()
                self._change.wait(0.1)
            left = self._left()
        if left and not tried:
            self._gave_up = time.monotonic()
            log.warning(
                f"MLflow at {self._uri} does not answer; records of run {self._run_id} are kept in "
                f"{self._spool.folder}, and the next run in this folder sends them"
            )
        if self._refused:
            log.warning(f"{self._refused} records of run {self._run_id} were refused and lost")
            self._refused = 0
        return not left

    def close(self) -> None:
        """Keep in the file what cannot be sent, and end the thread."""
        with self._change:
            if self._closing:
                return
            self._closing = True
            self._change.notify_all()
        self._thread.join(timeout=10)
        with self._change:
            if self._waiting:
                self._spool.add(self._drained())
            if self._spool.empty:
                self._spool.keep_only([])
        self._spool.release()
        atexit.unregister(self.close)

    # --- the thread -----------------------------------------------------------------------------

    def _left(self) -> bool:
        return bool(self._waiting) or self._busy or not self._spool.empty

    def _drained(self) -> list[Record]:
        records = list(self._waiting)
        self._waiting.clear()
        return records

    def _work(self) -> None:
        self._send_what_others_left()
        while True:
            with self._change:
                while not self._has_work():
                    if self._closing:
                        return
                    self._change.wait(0.2)
                records = self._drained()
                self._busy = True
            try:
                self._deliver(records)
            except Exception as error:  # the disk is full, or the folder is gone
                log.warning(f"records of run {self._run_id} are lost: {error}")
            finally:
                with self._change:
                    self._busy = False
                    self._change.notify_all()

    def _has_work(self) -> bool:
        due = not self._spool.empty and time.monotonic() >= self._retry_at and not self._closing
        return bool(self._waiting) or due

    def _deliver(self, records: list[Record]) -> None:
        if self._spool.empty and not self._away:
            unsent = self._send(records)
            if unsent:
                self._spool.add(unsent)
            return  # its files are removed one by one, the folder at the end
        if records:
            self._spool.add(records)
        if time.monotonic() >= self._retry_at:
            unsent = self._send(self._spool.records())
            if unsent:
                self._spool.keep_only(unsent)
            else:
                self._spool.empty_records()  # files of later records may be in the folder

    def _send(self, records: list[Record]) -> list[Record]:
        """Send records; those from the first one on that the server was not there for are left."""
        self._attempts += 1
        queue = deque(records)
        alone = 0  # records to send one by one, to find the one that was refused
        while queue:
            record, size = queue[0], 1
            while not alone and size < len(queue) and (both := record.joined(queue[size])):
                record, size = both, size + 1
            try:
                record.send(self._client, self._run_id)
            except Exception as error:
                if not is_refusal(error):
                    self._went_away(error)
                    return list(queue)
                if size > 1:
                    alone = size
                    continue
                self._lose(error)
            alone = max(0, alone - 1)
            for _ in range(size):
                queue.popleft()
            _remove(record)
        self._came_back()
        return []

    def _lose(self, error: Exception) -> None:
        self._refused += 1
        if self._refused == 1:
            log.warning(f"MLflow refuses a record ({_short(error)}); training goes on")

    def _went_away(self, error: Exception) -> None:
        if not self._away:
            log.warning(
                f"MLflow at {self._uri} does not answer ({_short(error)}); training goes on, and "
                f"what it records waits in {self._spool.folder}"
            )
        self._away = True
        self._failed_attempt = self._attempts
        self._retry_at = time.monotonic() + self._pause
        self._pause = min(2 * self._pause, LONGEST_PAUSE)

    def _came_back(self) -> None:
        if self._away:
            log.warning(f"MLflow at {self._uri} answers again; all records have arrived there")
        self._away, self._pause = False, FIRST_PAUSE

    def _send_what_others_left(self) -> None:
        """Send what earlier runs could not, if no process is at them."""
        for folder in sorted(self._root.glob("*")):
            if folder.name == self._run_id or not folder.is_dir():
                continue
            spool = Spool(folder, self._uri)
            if spool.uri != self._uri or not spool.acquire():
                continue
            left = deque(spool.records())
            try:
                while left:
                    record = left[0]
                    try:
                        record.send(self._client, folder.name)
                    except Exception as error:
                        if not is_refusal(error):
                            raise
                        self._lose(error)
                    _remove(left.popleft())
                spool.keep_only([])
                log.warning(f"what run {folder.name} had left is at {self._uri} now")
            except Exception:  # the server is not there: this run's own records will tell
                spool.keep_only(list(left))
            finally:
                spool.release()


def _remove(record: Record) -> None:
    """Remove a file that has arrived."""
    if record.file:
        Path(record.file).unlink(missing_ok=True)


def _short(error: Exception) -> str:
    """The first line of a message, without what libraries wrap around it."""
    text = first_line(error, None)
    return text if len(text) <= 160 else f"{text[:157]}..."
