"""One run of a grid, from wherever it stands to its end; the same on every launcher."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hemenet_lab.benchmark.grid_run import Run
from hemenet_lab.benchmark.identity_record import is_held
from hemenet_lab.benchmark.launch_process import Processes
from hemenet_lab.benchmark.status import Standing, log_path, standing
from hemenet_lab.benchmark.status_records import Records

POLL_SECONDS = 1.0
"""How often a run that another process is at is looked at."""


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    name: str
    finished: bool
    text: str
    """``finished``, or what went wrong and where to read on."""


@dataclass(frozen=True)
class Job:
    """Work that a launcher gives to a thread or to a cluster.

    Args:
        run: What is run.
        identity: Its identity.
        tracker: Settings of its logger.
        start: What is said when it starts: where it begins.
    """

    run: Run
    identity: str
    tracker: Mapping[str, Any]
    start: str = "starts"

    def standing(self, records: Records) -> Standing:
        """Where the run stands now."""
        return standing(self.run, self.identity, records.of_identity(self.identity), records)

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
        processes = processes or Processes()
        records = Records(self.tracker)
        first = os.environ.get("SLURM_PROCID", "0") == "0"  # further tasks of a job follow it
        while first and is_held(records.folder, self.identity):
            processes.pause(POLL_SECONDS)
        before = self.standing(records)
        if before.state == "finished":
            return Outcome(self.run.name, True, "finished by another process")
        words = list(self.run.arguments)
        if before.checkpoint is not None:
            words.append(f"--ckpt_path={before.checkpoint}")
        log = log_path(records.folder, self.run, self.identity)
        status = processes.run(words, log, environment or {})
        if self.standing(records).state == "finished":
            return Outcome(self.run.name, True, "finished")
        return Outcome(self.run.name, False, f"FAILED (exit status {status}), see {log}")

    def checkpoint(self) -> Any:
        """What submitit puts back into the queue when the cluster takes the machine away."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


def last_line(log: Path) -> str:
    """The last line of a log that says something."""
    text = log.read_text(errors="replace") if log.is_file() else ""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")
