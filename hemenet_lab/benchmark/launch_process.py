"""Child processes of the launcher, that can all be ended."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Event, Lock

GRACE_SECONDS = 20.0
"""Time that processes have to end by themselves."""


class Stopped(Exception):
    """The launcher is being ended; no process starts any more."""


class Processes:
    """Starts `lightning` processes, each in a group of its own, and ends those that still run."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = Lock()
        self._stopping = Event()

    def run(self, arguments: Sequence[str], log: Path, environment: Mapping[str, str]) -> int:
        """Run ``lightning <arguments>`` to its end.

        Args:
            arguments: The words after ``lightning``.
            log: File that takes its output, after what is there.
            environment: Variables beside those of this process.

        Returns:
            Its exit status; negative for the number of a signal.

        Raises:
            Stopped: After `stop`.
        """
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            output.write(f"$ {shlex.join(('lightning', *arguments))}\n".encode())
            output.flush()
            with self._lock:
                if self._stopping.is_set():
                    raise Stopped
                process = subprocess.Popen(
                    [sys.executable, "-m", "hemenet_lab.cli", *arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, **environment},
                    start_new_session=True,  # Ctrl-C reaches the launcher alone, which ends them
                )
                self._running.add(process)
            try:
                status = process.wait()
            finally:
                with self._lock:
                    self._running.discard(process)
        if self._stopping.is_set():
            raise Stopped
        return status

    def pause(self, seconds: float) -> None:
        """Wait.

        Raises:
            Stopped: After `stop`.
        """
        if self._stopping.wait(seconds):
            raise Stopped

    def stop(self) -> None:
        """End all processes: politely, then by force."""
        self._stopping.set()
        with self._lock:
            running = list(self._running)
        for process in running:
            _signal(process, signal.SIGTERM)
        limit = time.monotonic() + GRACE_SECONDS
        for process in running:
            try:
                process.wait(max(0.0, limit - time.monotonic()))
            except subprocess.TimeoutExpired:
                _signal(process, signal.SIGKILL)


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    """Send a signal to a process and its children."""
    if process.poll() is None:
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            return  # it has ended just now
