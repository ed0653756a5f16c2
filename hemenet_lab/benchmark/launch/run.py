"""GridRun a grid: what is finished is skipped, what was cut off goes on, failures are listed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hemenet_lab.benchmark.grids import Grid, GridOptions, GridRun, Identities
from hemenet_lab.benchmark.launch.job import GridJob, Outcome, Processes, last_line
from hemenet_lab.benchmark.launch.launchers import machine_slots, run_local
from hemenet_lab.benchmark.launch.progress import Progress
from hemenet_lab.benchmark.launch.queue import jobs_folder
from hemenet_lab.benchmark.launch.slurm import run_slurm
from hemenet_lab.benchmark.launch.status import (
    RunStatus,
    log_path,
    run_statuses,
    start_text,
    summary,
)
from hemenet_lab.tracking import RecordedRun, RunDatabase

LAUNCHERS = ("local", "slurm")
TRACKER = "hemenet_lab.tracking.Tracker"


@dataclass(frozen=True)
class Launch:
    """Place and manner in which the runs of a grid are run.

    Args:
        launcher: ``local`` for processes of this machine, ``slurm`` for jobs of a cluster.
        parallel: Most runs at a time.
        slurm: Parameters of the jobs, over those of the grid; ``cluster`` is submitit's.
        processes: Starts the processes of the local launcher.
        say: Takes each line for people.
    """

    launcher: str = "local"
    parallel: int | None = None
    slurm: Mapping[str, Any] = field(default_factory=dict)
    processes: Processes | None = None
    say: Callable[[str], None] = print

    def __post_init__(self) -> None:
        if self.launcher not in LAUNCHERS:
            raise ValueError(f"launcher {self.launcher!r}; allowed: {', '.join(LAUNCHERS)}")


def launch_grid(grid: Grid, options: GridOptions, identities: Identities, launch: Launch) -> int:
    """Bring every run of a grid to its end.

    Returns:
        0 if all are finished, 1 if some failed.
    """
    runs = grid.runs(options)
    tracker = tracker_settings(runs, identities)
    database = RunDatabase.make(tracker)  # before the processes start, so that they find it
    found = run_statuses(runs, identities, database)
    refuse_twins(found)
    for each in found:
        if each.state == "finished" and each.record is not None:
            _add_to_grid(each.record, each.run, database)
    launch.say(f"Grid {grid.name}: {summary(found, identities)}")
    place = {**tracker, "folder": str(database.folder)}
    jobs = [
        GridJob(each.run, each.identity, place, start_text(each, identities))
        for each in found
        if each.state != "finished"
    ]
    if not jobs:
        return 0
    outcomes = _launch(grid, jobs, len(found), identities, database, launch)
    failed = [outcome for outcome in outcomes if not outcome.finished]
    _tag_shared(jobs, database)
    for line in _failures(failed, jobs, database):
        launch.say(line)
    return 1 if failed else 0


def tracker_settings(runs: Sequence[GridRun], identities: Identities) -> dict[str, Any]:
    """Settings of the logger of all runs; it says where they are recorded.

    Raises:
        ValueError: The runs are not recorded in MLflow.
    """
    logger = identities.config(runs[0])["trainer"]["logger"]
    if not isinstance(logger, dict) or logger.get("class_path") != TRACKER:
        raise ValueError(f"trainer.logger is {logger!r}; a benchmark needs {TRACKER}, the default")
    return {key: logger["init_args"].get(key) for key in ("folder", "tracking_uri")}


def refuse_twins(found: Sequence[RunStatus]) -> None:
    """Raise ValueError if two runs of a grid are the same."""
    names = defaultdict(list)
    for each in found:
        names[each.identity].append(each.run.name)
    twins = [group for group in names.values() if len(group) > 1]
    if twins:
        raise ValueError(
            f"runs {', '.join(twins[0])} have the same settings, data and seed; correct the grid "
            "(or the --set that makes them alike), or choose with --only"
        )


def _launch(
    grid: Grid,
    jobs: Sequence[GridJob],
    total: int,
    identities: Identities,
    database: RunDatabase,
    launch: Launch,
) -> list[Outcome]:
    if launch.launcher == "slurm":
        parameters = {**_layout(jobs, identities), **grid.slurm, **launch.slurm}
        cluster = str(parameters.pop("cluster", "slurm"))
        parallel = launch.parallel
        progress = Progress(total, total - len(jobs), parallel or len(jobs), launch.say)
        folder = jobs_folder(database.folder, grid.name)
        return run_slurm(jobs, progress, folder, parameters, parallel, cluster)
    devices = [identities.config(job.run)["trainer"]["devices"] for job in jobs]
    slots = machine_slots(launch.parallel, all(str(each) in ("1", "auto") for each in devices))
    progress = Progress(total, total - len(jobs), len(slots), launch.say)
    return run_local(jobs, progress, slots, launch.processes)


def _layout(jobs: Sequence[GridJob], identities: Identities) -> dict[str, Any]:
    """Nodes and tasks of a job as Lightning expects them: one task per device.

    Raises:
        ValueError: The runs ask for different numbers of devices, or for all that there are.
    """
    trainers = [identities.config(job.run)["trainer"] for job in jobs]
    wanted = {(trainer["num_nodes"], number_of(trainer["devices"]) or 1) for trainer in trainers}
    nodes, devices = wanted.pop()
    if wanted:
        raise ValueError("the runs ask for different devices; start them apart, with --only")
    if devices < 1:
        raise ValueError("a cluster must know how many devices: --set trainer.devices=8 or another")
    layout = {"nodes": nodes, "tasks_per_node": devices}
    if trainers[0]["accelerator"] in ("gpu", "cuda"):
        layout["gpus_per_node"] = layout["tasks_per_node"]
    return layout


def number_of(devices: int | str | Sequence[int]) -> int | None:
    """Number of devices that a run asks for; None for ``auto``, -1 for all that there are.

    Args:
        devices: As Lightning takes them: ``4``, ``"4"`` (from the command line), ``[0, 2]``,
            ``"0,2"``, ``auto``.
    """
    if isinstance(devices, int):
        return devices
    if devices == "auto":
        return None
    if isinstance(devices, str) and "," not in devices:
        return int(devices)
    names = devices.split(",") if isinstance(devices, str) else devices
    return len([name for name in names if name != ""])


def _add_to_grid(record: RecordedRun, run: GridRun, database: RunDatabase) -> None:
    database.add_to_grid(record, run.grid, run.axes, run.command())


def _tag_shared(jobs: Sequence[GridJob], database: RunDatabase) -> None:
    """Tag runs that another command finished for another grid meanwhile."""
    for job in jobs:
        record = job.status(database).record
        if record is not None and record.finished:
            _add_to_grid(record, job.run, database)


def _failures(
    failed: Sequence[Outcome], jobs: Sequence[GridJob], database: RunDatabase
) -> list[str]:
    """Lines to print about failed runs."""
    if not failed:
        return []
    by_name = {job.run.name: job for job in jobs}
    lines = [f"{len(failed)} of {len(jobs)} runs failed; start the command again to retry them:"]
    for outcome in failed:
        job = by_name[outcome.name]
        log = log_path(database.folder, job.run, job.identity)
        lines += [f"  {outcome.name}: {outcome.text}", f"      {last_line(log)}"]
    return lines
