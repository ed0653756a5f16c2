"""How far a grid is: each run finished, running, stopped or not begun."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from hemenet_lab.benchmark.grid_run import Run
from hemenet_lab.benchmark.identity import Identities
from hemenet_lab.benchmark.identity_record import is_held
from hemenet_lab.benchmark.progress import duration
from hemenet_lab.benchmark.status_records import Recorded, Records, best_record

STATES = ("finished", "running", "stopped", "not begun")


@dataclass(frozen=True)
class Standing:
    """Where a run of a grid stands."""

    run: Run
    identity: str
    state: str
    """One of `STATES`; ``stopped`` runs failed or were cut off."""
    record: Recorded | None
    """Its MLflow run, if there is one."""
    checkpoint: Path | None
    """Where a stopped run goes on."""


def standings(runs: Sequence[Run], identities: Identities, records: Records) -> list[Standing]:
    """Where each run stands, in the order of ``runs``."""
    by_identity: dict[str, list[Recorded]] = defaultdict(list)
    for record in records.all():
        by_identity[record.identity].append(record)
    return [
        standing(run, mark, by_identity[mark], records)
        for run, mark in ((run, identities.of(run)) for run in runs)
    ]


def standing(run: Run, mark: str, found: list[Recorded], records: Records) -> Standing:
    """Where one run stands, given the MLflow runs of its identity."""
    record = best_record(found, records.last_checkpoint)
    checkpoint = records.last_checkpoint(record) if record else None
    if record is not None and record.finished:
        state = "finished"
    elif is_held(records.folder, mark):
        state = "running"
    else:
        state = "not begun" if record is None else "stopped"
    return Standing(run, mark, state, record, checkpoint)


def log_path(folder: Path, run: Run, mark: str) -> Path:
    """Where the output of a run's process goes."""
    return folder / "logs" / run.grid / f"{run.name}-{mark[:8]}.log"


def lines(found: Sequence[Standing], identities: Identities, folder: Path) -> Iterator[str]:
    """One line per run, and what is left."""
    width = max(len(each.run.name) for each in found)
    for each in found:
        detail = _detail(each, identities, folder)
        yield f"{each.run.name:{width}}  {each.state:9}  {detail}".rstrip()
    yield summary(found)


def summary(found: Sequence[Standing]) -> str:
    """Runs by state and the computing time that is left, from the runs that finished."""
    counts = Counter(each.state for each in found)
    text = ", ".join(f"{counts[state]} {state}" for state in STATES if counts[state])
    times = [
        each.record.end - each.record.start
        for each in found
        if each.state == "finished" and each.record and each.record.end
    ]
    left = len(found) - counts["finished"]
    if left and times:
        text += f"; about {duration(left * mean(times))} of computing left, one run at a time"
    return f"{len(found)} runs: {text}"


def _detail(each: Standing, identities: Identities, folder: Path) -> str:
    record = each.record
    if record is None:
        return ""
    if each.state == "finished":
        took = f"in {duration(record.end - record.start)}, " if record.end else ""
        return f"{took}run {record.run_id}"
    epochs = _epochs(identities.config(each.run))
    text = f"epoch {record.epochs} of {epochs}, run {record.run_id}"
    log = log_path(folder, each.run, each.identity)
    return f"{text}, see {log}" if log.is_file() else text


def _epochs(config: Mapping[str, Any]) -> str:
    return str(config["trainer"].get("max_epochs") or "?")
