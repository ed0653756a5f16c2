"""Status of a grid: each run finished, running, stopped or not begun."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean
from typing import Any

from hemenet_lab.benchmark.grids import GridRun, Identities
from hemenet_lab.benchmark.launch.progress import duration
from hemenet_lab.benchmark.launch.queue import jobs_folder, queue_states, submitted
from hemenet_lab.tracking import RecordedRun, RunDatabase, is_held

STATES = ("finished", "running", "queued", "stopped", "not begun")

PENDING = "PENDING"


@dataclass(frozen=True)
class RunStatus:
    """State of one run of a grid."""

    run: GridRun
    identity: str
    state: str
    """One of `STATES`; ``stopped`` runs failed or were cut off."""
    record: RecordedRun | None
    """Its MLflow run, if there is one."""
    checkpoint: Path | None
    """The checkpoint from which a stopped run goes on."""
    job: str = ""
    """Its job in a cluster's queue."""


def run_statuses(
    runs: Sequence[GridRun], identities: Identities, database: RunDatabase
) -> list[RunStatus]:
    """State of each run, in the order of ``runs``."""
    by_identity: dict[str, list[RecordedRun]] = defaultdict(list)
    for record in database.runs():
        by_identity[record.identity].append(record)
    found = [
        run_status(run, mark, by_identity[mark], database)
        for run, mark in ((run, identities.of(run)) for run in runs)
    ]
    return _with_jobs(found, database.folder)


def _with_jobs(found: Sequence[RunStatus], folder: Path) -> list[RunStatus]:
    """The same, with the jobs that are in a cluster's queue.

    A job may be at a run whose lock is not seen here, or have yet to begin it.
    """
    grids = {each.run.grid: submitted(jobs_folder(folder, each.run.grid)) for each in found}
    states = (queue_states() or {}) if any(grids.values()) else {}
    seen = []
    for each in found:
        job = grids[each.run.grid].get(each.identity)
        if job is not None and job.id in states and each.state != "finished":
            state = "queued" if states[job.id] == PENDING else "running"
            text = f"job {job.id} {states[job.id].lower()}"
            each = replace(each, state=state, job=text)
        seen.append(each)
    return seen


def run_status(
    run: GridRun, mark: str, found: list[RecordedRun], database: RunDatabase
) -> RunStatus:
    """State of one run, given the MLflow runs of its identity."""
    record = best_run(found, database.last_checkpoint)
    checkpoint = database.last_checkpoint(record) if record else None
    if record is not None and record.finished:
        state = "finished"
    elif is_held(database.folder, mark):
        state = "running"
    else:
        state = "not begun" if record is None else "stopped"
    return RunStatus(run, mark, state, record, checkpoint)


def log_path(folder: Path, run: GridRun, mark: str) -> Path:
    """File that takes the output of a run's process."""
    return folder / "logs" / run.grid / f"{run.name}-{mark[:8]}.log"


def lines(found: Sequence[RunStatus], identities: Identities, folder: Path) -> Iterator[str]:
    """One line per run, and what is left."""
    width = max(len(each.run.name) for each in found)
    for each in found:
        detail = _detail(each, identities, folder)
        yield f"{each.run.name:{width}}  {each.state:9}  {detail}".rstrip()
    yield summary(found, identities)


def summary(found: Sequence[RunStatus], identities: Identities) -> str:
    """Runs by state and the computing time that is left, from the runs that finished."""
    counts = Counter(each.state for each in found)
    text = ", ".join(f"{counts[state]} {state}" for state in STATES if counts[state])
    finished = [each.record for each in found if each.state == "finished" and each.record]
    times = [record.seconds for record in finished if record.seconds is not None]
    left = sum(1 - _share_done(each, identities) for each in found if each.state != "finished")
    if left and times:
        text += f"; about {duration(left * mean(times))} of computing left, one run at a time"
    return f"{len(found)} runs: {text}"


def start_text(each: RunStatus, identities: Identities) -> str:
    """Words on how an unfinished run starts."""
    if each.state == "running":
        return "another process is at it; waits for its end"
    if each.record is None:
        return "starts"
    epoch = _epoch(each.record, identities.config(each.run))
    how = "goes on from its last checkpoint" if each.checkpoint else "starts anew, no checkpoint"
    return f"{how}; was stopped in {epoch}"


def _detail(each: RunStatus, identities: Identities, folder: Path) -> str:
    record = each.record
    if record is None:
        return each.job
    if each.state == "finished":
        took = "" if record.seconds is None else f"in {duration(record.seconds)}, "
        return f"{took}run {record.id}"
    text = f"{_epoch(record, identities.config(each.run))}, run {record.id}"
    text += f", {each.job}" if each.job else ""
    log = log_path(folder, each.run, each.identity)
    return f"{text}, see {log}" if log.is_file() else text


def _epoch(record: RecordedRun, config: Mapping[str, Any]) -> str:
    """``epoch 5 of 30``; the epochs that have begun, and the last one during the test."""
    total = _epochs(config)
    if total is None:
        return f"epoch {record.epochs} of ?"
    return f"epoch {min(record.epochs, total)} of {total}"


def _share_done(each: RunStatus, identities: Identities) -> float:
    """Share of a run's epochs that need not be repeated."""
    total = _epochs(identities.config(each.run))
    if each.record is None or each.checkpoint is None or total is None:
        return 0.0
    return min(max(each.record.epochs - 1, 0), total) / total


def _epochs(config: Mapping[str, Any]) -> int | None:
    """Epochs of a training; None where something else ends it."""
    epochs = config["trainer"].get("max_epochs")
    return epochs if epochs and epochs > 0 else None


def best_run(
    runs: list[RecordedRun], resumable: Callable[[RecordedRun], Any]
) -> RecordedRun | None:
    """The run to look at among those of one identity: finished, or furthest with a checkpoint."""
    ranked = sorted(
        runs, key=lambda run: (run.finished, bool(resumable(run)), run.epochs, run.start)
    )
    return ranked[-1] if ranked else None
