"""Runs of a grid as SLURM jobs, through submitit."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hemenet_lab.basics import first_line
from hemenet_lab.benchmark.launch.job import GridJob, Outcome
from hemenet_lab.benchmark.launch.progress import Progress
from hemenet_lab.benchmark.launch.queue import (
    Submitted,
    last_state,
    note_submitted,
    queue_states,
    submitted,
)

POLL_SECONDS = 2.0
"""Time between two looks for results."""
QUEUE_SECONDS = 15.0
"""Time between two looks at the cluster's queue."""
SLURM = "slurm"
CANCELLED = "CANCELLED"
"""How a job ends that somebody ended with ``scancel``."""


def run_slurm(
    jobs: Sequence[GridJob],
    progress: Progress,
    folder: Path,
    parameters: Mapping[str, Any],
    parallel: int | None = None,
    cluster: str = SLURM,
) -> list[Outcome]:
    """Submit all jobs as one array and follow them.

    A job that is in the queue from an earlier command is followed, not submitted again. One that
    is lost (its node failed, it was killed) is submitted once more, unless it was cancelled.

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
    array = _Array(folder, _executor(folder, parameters, parallel, cluster), cluster == SLURM)
    handles = array.in_queue(jobs)
    for job in jobs:
        if job.run.name in handles:
            progress.start(job.run.name, f"job {handles[job.run.name].job_id} is in the queue")
    fresh = [job for job in jobs if job.run.name not in handles]
    handles |= array.submit(fresh)
    for job in fresh:
        progress.start(job.run.name, f"job {handles[job.run.name].job_id}, {job.start}")
    outcomes: dict[str, Outcome] = {}
    retried: set[str] = set()
    try:
        while len(outcomes) < len(jobs):
            again = []
            gone = array.gone({name: handles[name] for name in handles if name not in outcomes})
            for job in jobs:
                name = job.run.name
                if name in outcomes or not (name in gone or handles[name].done()):
                    continue
                outcome = outcome_of(name, handles[name])
                if outcome is None:
                    how = last_state(handles[name].job_id) if array.is_slurm else ""
                    if name not in retried and how != CANCELLED:
                        retried.add(name)
                        again.append((job, how))
                        continue
                    outcome = _lost(name, how, handles[name])
                outcomes[name] = outcome
                progress.end(name, outcome.text, outcome.finished)
            for (job, how), handle in zip(
                again, array.submit([job for job, _ in again]).values(), strict=True
            ):
                before, handles[job.run.name] = handles[job.run.name], handle
                lost = f"job {before.job_id} was lost{f' ({how})' if how else ''}"
                progress.start(job.run.name, f"{lost}; once more as job {handle.job_id}")
            if len(outcomes) < len(jobs):
                time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        left = [handle.job_id for name, handle in handles.items() if name not in outcomes]
        print(
            "The jobs stay in the queue, and the same command follows them again; "
            f"to end them: scancel {' '.join(left)}"
        )
        raise
    return [outcomes[job.run.name] for job in jobs]


class _Array:
    """The jobs of a grid on a cluster.

    Args:
        folder: Of submitit's files.
        executor: submitit's.
        is_slurm: Whether there is a queue to look at.
    """

    def __init__(self, folder: Path, executor: Any, is_slurm: bool) -> None:
        self._folder, self._executor, self.is_slurm = folder, executor, is_slurm
        self._looked = 0.0
        self._missed: set[str] = set()

    def submit(self, jobs: Sequence[GridJob]) -> dict[str, Any]:
        """Name of each run → submitit's handle of its new job."""
        if not jobs:
            return {}
        with self._executor.batch():
            handles = [self._executor.submit(job) for job in jobs]
        if self.is_slurm:
            known = {
                job.identity: Submitted(str(handle.job_id), int(handle.num_tasks))
                for job, handle in zip(jobs, handles, strict=True)
            }
            note_submitted(self._folder, known)
        return {job.run.name: handle for job, handle in zip(jobs, handles, strict=True)}

    def in_queue(self, jobs: Sequence[GridJob]) -> dict[str, Any]:
        """Name of each run that has a job in the queue already → submitit's handle of it."""
        known = submitted(self._folder) if self.is_slurm else {}
        if not known:
            return {}
        from submitit import SlurmJob

        states = queue_states() or {}
        return {
            job.run.name: SlurmJob(self._folder, before.id, list(range(before.tasks)))
            for job in jobs
            if (before := known.get(job.identity)) is not None and before.id in states
        }

    def gone(self, handles: Mapping[str, Any]) -> set[str]:
        """Names of runs whose jobs two looks in a row have not found in the queue.

        One look is not enough: a job's result may take a moment to be seen on a shared disk.
        """
        if not self.is_slurm or time.monotonic() - self._looked < QUEUE_SECONDS:
            return set()
        self._looked = time.monotonic()
        states = queue_states()
        if states is None:
            return set()
        missing = {handle.job_id for handle in handles.values()} - states.keys()
        gone, self._missed = missing & self._missed, missing
        return {name for name, handle in handles.items() if handle.job_id in gone}


def _executor(
    folder: Path, parameters: Mapping[str, Any], parallel: int | None, cluster: str
) -> Any:
    try:
        import submitit
    except ImportError as error:
        raise ValueError(
            "the slurm launcher needs submitit: pip install 'hemenet-lab[cluster]'"
        ) from error
    # it warns at each look at a cluster without accounting; `_Array.gone` needs none
    logging.getLogger("submitit").setLevel(logging.ERROR)
    known = dict(parameters)
    if parallel is not None:
        known.setdefault("slurm_array_parallelism", parallel)
    try:
        executor = submitit.AutoExecutor(folder=folder, cluster=cluster)
        executor.update_parameters(**known)
    except (NameError, TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"submitit refuses cluster {cluster!r} with {known}: {error}") from error
    return executor


def outcome_of(name: str, handle: Any) -> Outcome | None:
    """Outcome that the first task of a job returned, or its error; None if it left nothing."""
    tasks = [handle.task(number) for number in range(handle.num_tasks)]
    if not all(task.paths.result_pickle.exists() for task in tasks):
        return None  # to ask submitit would be to wait
    error = handle.exception()
    if error is None:
        outcome: Outcome = handle.results()[0]
        return outcome
    return Outcome(name, False, f"FAILED ({first_line(error, None)}), see {handle.paths.stderr}")


def _lost(name: str, how: str, handle: Any) -> Outcome:
    if how == CANCELLED:
        return Outcome(name, False, f"FAILED (job {handle.job_id} was cancelled)")
    why = f" ({how})" if how else ""
    return Outcome(name, False, f"FAILED (lost twice{why}), see {handle.paths.stderr}")
