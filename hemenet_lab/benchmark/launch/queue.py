"""Jobs of a grid in SLURM's queue: which were submitted, and where they stand."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

SECONDS = 30
"""Time that the scheduler has to answer."""


@dataclass(frozen=True)
class Submitted:
    """A job that was submitted for a run."""

    id: str
    """As SLURM shows it: ``12``, or ``12_3`` in an array."""
    tasks: int = 1


def jobs_folder(folder: Path, grid: str) -> Path:
    """Folder of submitit's files of a grid, in the folder of all runs."""
    return folder / "jobs" / grid


def submitted(folder: Path) -> dict[str, Submitted]:
    """Identity of a run → the job that was last submitted for it.

    Args:
        folder: Result of `jobs_folder`.
    """
    try:
        known = json.loads(_file(folder).read_text("utf-8"))
    except FileNotFoundError:
        return {}
    return {identity: Submitted(**job) for identity, job in known.items()}


def note_submitted(folder: Path, jobs: Mapping[str, Submitted]) -> None:
    """Add jobs to what `submitted` gives; the file changes at once or not at all."""
    known = {**submitted(folder), **jobs}
    folder.mkdir(parents=True, exist_ok=True)
    draft = _file(folder).with_suffix(f".{os.getpid()}")
    draft.write_text(json.dumps({name: asdict(job) for name, job in known.items()}, indent=1))
    draft.replace(_file(folder))


def _file(folder: Path) -> Path:
    return folder / "submitted.json"


def queue_states() -> dict[str, str] | None:
    """State of each job of this user in the queue, such as ``PENDING``; None if it is not known.

    By ``squeue``, since ``sacct`` needs a database that not every cluster has.
    """
    text = _answer("squeue", "--me", "--noheader", "--array", "--format=%i %T")
    if text is None:
        return None
    return dict(line.split(maxsplit=1) for line in map(str.strip, text.splitlines()) if line)


def last_state(job: str) -> str:
    """State of a job that has left the queue, such as ``NODE_FAIL``; empty if it is not known."""
    text = _answer("scontrol", "--oneliner", "show", "job", job) or ""
    states = [word.partition("=")[2] for word in text.split() if word.startswith("JobState=")]
    return states[0] if states else ""


def _answer(*command: str) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout
