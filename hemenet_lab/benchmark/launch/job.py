"""One run of a grid, from its current state to its end, and the process that trains it."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Lock
from typing import Any

from hemenet_lab.benchmark.grids import GridRun
from hemenet_lab.benchmark.launch.status import RunStatus, log_path, run_status
from hemenet_lab.tracking import RunDatabase, is_held

POLL_SECONDS = 1.0
"""Time between two looks at a run that another process is at."""
GRACE_SECONDS = 20.0
"""Time that processes have to end by themselves."""
SAVE_SECONDS = 60.0
"""Time that a training has to save when the cluster takes its machine; submitit's signal comes 90 s
before the end."""
TAKEN_SECONDS = 120.0
"""Time that a cluster has to end a job whose training it has asked to end."""
ASKED = 143
"""Exit status of a training that was asked to end, and has saved."""


class LauncherStopped(Exception):
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
            LauncherStopped: After `stop`.
        """
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            output.write(f"$ {shlex.join(('lightning', *arguments))}\n".encode())
            output.flush()
            with self._lock:
                if self._stopping.is_set():
                    raise LauncherStopped
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
            raise LauncherStopped
        return status

    def pause(self, seconds: float) -> None:
        """Wait.

        Raises:
            LauncherStopped: After `stop`.
        """
        if self._stopping.wait(seconds):
            raise LauncherStopped

    def ask_to_end(self) -> None:
        """Ask all processes to save and end, and wait a while; for a signal's handler.

        The frame that the signal interrupted may hold the locks of this object and of the
        processes, so none is taken.
        """
        running = list(self._running)
        for process in running:
            _signal(process, signal.SIGTERM)
        limit = time.monotonic() + SAVE_SECONDS
        while time.monotonic() < limit and not all(_has_ended(each.pid) for each in running):
            time.sleep(0.2)

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


def _has_ended(pid: int) -> bool:
    """Check a child without taking its exit status from whoever waits for it."""
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True


CLUSTER_PROCESSES = Processes()
"""Starts the one process of a cluster's job."""


@dataclass(frozen=True)
class Outcome:
    """End of a run: finished or not, and a line about it."""

    name: str
    finished: bool
    text: str
    """``finished``, or what went wrong and where to read on."""


@dataclass(frozen=True)
class GridJob:
    """Work that a launcher gives to a thread or to a cluster.

    Args:
        run: What is run.
        identity: Its identity.
        tracker: Settings of its logger.
        start: What is said when it starts: where it begins.
    """

    run: GridRun
    identity: str
    tracker: Mapping[str, Any]
    start: str = "starts"

    def status(self, database: RunDatabase) -> RunStatus:
        """Current state of the run."""
        return run_status(self.run, self.identity, database.of_identity(self.identity), database)

    def __call__(
        self, processes: Processes | None = None, environment: Mapping[str, str] | None = None
    ) -> Outcome:
        """Train and test; from the last checkpoint of the run if there is one.

        Args:
            processes: Starts the process.
            environment: Further variables of the process.

        Waits while another process is at this run: one that an earlier launcher left, or a command
        that somebody typed.
        """
        processes = processes or CLUSTER_PROCESSES
        database = RunDatabase.make(self.tracker)
        first = os.environ.get("SLURM_PROCID", "0") == "0"  # further tasks of a job follow it
        while first and is_held(database.folder, self.identity):
            processes.pause(POLL_SECONDS)
        before = self.status(database)
        if before.state == "finished":
            return Outcome(self.run.name, True, "finished by another process")
        words = list(self.run.arguments)
        if before.checkpoint is not None:
            words.append(f"--ckpt_path={before.checkpoint}")
        log = log_path(database.folder, self.run, self.identity)
        status = processes.run(words, log, environment or {})
        if status == ASKED and processes is CLUSTER_PROCESSES:
            processes.pause(TAKEN_SECONDS)  # no result is left if the cluster ends this job
        if self.status(database).state == "finished":
            return Outcome(self.run.name, True, "finished")
        return Outcome(self.run.name, False, f"FAILED (exit status {status}), see {log}")

    def checkpoint(self) -> Any:
        """The job for submitit to queue again when the cluster takes the machine away.

        submitit calls this at its signal, and ends this process afterwards: what it trains has
        to save first.
        """
        CLUSTER_PROCESSES.ask_to_end()
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


def last_line(log: Path) -> str:
    """The last line of a log that says something."""
    text = log.read_text(errors="replace") if log.is_file() else ""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")
