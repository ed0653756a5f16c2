"""One function over many jobs: in this process or in several, with a progress bar."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

Job = TypeVar("Job")
Result = TypeVar("Result")


def run_all(
    function: Callable[[Job], Result],
    jobs: Sequence[Job],
    *,
    workers: int,
    title: str,
    progress: bool,
) -> list[Result]:
    """Results of a function for all jobs, in the order of the jobs.

    Args:
        function: A function that other processes can import.
        jobs: Its arguments.
        workers: Number of processes; 1 works in this one.
        title: What the progress bar says.
        progress: Show the bar (on the error stream).

    Raises:
        ValueError: A worker process died.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    bar = Progress(
        *columns, TimeRemainingColumn(), console=Console(stderr=True), disable=not progress
    )
    with bar:
        results = _run(function, jobs, min(workers, len(jobs)))
        return list(bar.track(results, total=len(jobs), description=title))


def _run(function: Callable[[Job], Result], jobs: Sequence[Job], workers: int) -> Iterator[Result]:
    if workers <= 1:
        yield from map(function, jobs)
        return
    chunk = max(1, min(32, len(jobs) // (workers * 4)))
    with ProcessPoolExecutor(workers, mp_context=_context()) as pool:
        try:
            yield from pool.map(function, jobs, chunksize=chunk)
        except BrokenProcessPool as error:
            raise ValueError(
                "a worker process died, perhaps for want of memory; run the same command again, "
                "with fewer --workers: it goes on where it stopped"
            ) from error
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _context() -> multiprocessing.context.BaseContext:
    """A fork server where there is one: forking this process with its threads is not safe."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["__main__", "hemenet_lab.protein_mt.read_item"])
    return context
