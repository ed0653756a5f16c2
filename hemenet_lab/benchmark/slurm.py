"""Runs as SLURM jobs, through submitit."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hemenet_lab.benchmark.launch_job import Job, Outcome
from hemenet_lab.benchmark.progress import Progress

POLL_SECONDS = 2.0
"""How often the queue is looked at."""


def run_slurm(
    jobs: Sequence[Job],
    progress: Progress,
    folder: Path,
    parameters: Mapping[str, Any],
    parallel: int | None = None,
    cluster: str = "slurm",
) -> list[Outcome]:
    """Submit all jobs as one array and follow them.

    Args:
        jobs: What is to be done.
        progress: Is told of every start and end.
        folder: Shared by all machines; takes submitit's files.
        parameters: Of the jobs, as submitit names them (``timeout_min``, ``slurm_partition``, …).
        parallel: Most jobs at a time; as many as the cluster gives if None.
        cluster: submitit's name of the scheduler; ``local`` runs the jobs on this machine.

    Raises:
        ValueError: submitit is missing, or refuses the parameters.
        KeyboardInterrupt: Ctrl-C; the jobs stay in the queue.
    """
    executor = _executor(folder, parameters, parallel, cluster)
    with executor.batch():
        handles = [executor.submit(job) for job in jobs]
    waiting = {job.run.name: handle for job, handle in zip(jobs, handles, strict=True)}
    for job in jobs:
        progress.start(job.run.name, f"job {waiting[job.run.name].job_id}, {job.start}")
    outcomes: dict[str, Outcome] = {}
    try:
        while len(outcomes) < len(waiting):
            for name, handle in waiting.items():
                if name not in outcomes and handle.done():
                    outcomes[name] = outcome_of(name, handle)
                    progress.end(name, outcomes[name].text, outcomes[name].finished)
            if len(outcomes) < len(waiting):
                time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        left = [handle.job_id for name, handle in waiting.items() if name not in outcomes]
        print(f"The jobs stay in the queue; to end them: scancel {' '.join(left)}")
        raise
    return [outcomes[name] for name in waiting]


def _executor(
    folder: Path, parameters: Mapping[str, Any], parallel: int | None, cluster: str
) -> Any:
    try:
        import submitit
    except ImportError as error:
        raise ValueError(
            "the slurm launcher needs submitit: pip install 'hemenet-lab[slurm]'"
        ) from error
    known = dict(parameters)
    if parallel is not None:
        known.setdefault("slurm_array_parallelism", parallel)
    try:
        executor = submitit.AutoExecutor(folder=folder, cluster=cluster)
        executor.update_parameters(**known)
    except (NameError, TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"submitit refuses cluster {cluster!r} with {known}: {error}") from error
    return executor


def outcome_of(name: str, handle: Any) -> Outcome:
    """What the first task of a job returned; its error and log if it did not come to an end."""
    error = handle.exception()
    if error is None:
        outcome: Outcome = handle.results()[0]
        return outcome
    first = str(error).strip().splitlines()[0]
    return Outcome(name, False, f"FAILED ({first}), see {handle.paths.stderr}")
