"""Reading of all items, file by file and in several processes, unless read already."""

from __future__ import annotations

import multiprocessing
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from hemenet_lab.basics import run_on_cluster
from hemenet_lab.protein_mt import BuildSettings
from hemenet_lab.protein_mt.build.resume import is_current, result_file, save_result, signature_of
from hemenet_lab.protein_mt.labels import Labels
from hemenet_lab.protein_mt.raw import RawFolder, Source, read_sources

Job = TypeVar("Job")
Result = TypeVar("Result")


def run_all(
    function: Callable[[Job], Result],
    jobs: Sequence[Job],
    *,
    workers: int,
    title: str,
    progress: bool,
    executor: str = "",
    name: Callable[[Job], str] = str,
) -> list[Result]:
    """Results of a function for all jobs, in the order of the jobs.

    Args:
        function: A function that other processes can import.
        jobs: Its arguments.
        workers: Number of processes; 1 works in this one.
        title: What the progress bar says.
        progress: Show the bar (on the error stream).
        executor: Address of a dask scheduler whose workers do it in place of processes.
        name: What a job is called in messages.

    Raises:
        ValueError: A worker process died, or the executor is of no use.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    bar = Progress(
        *columns, TimeRemainingColumn(), console=Console(stderr=True), disable=not progress
    )
    with bar:
        if executor:
            results = run_on_cluster(function, jobs, executor, name=name)
        else:
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
    context.set_forkserver_preload(["__main__", "hemenet_lab.protein_mt.build.parallel"])
    return context


@dataclass(frozen=True)
class ReadJob:
    """One item to read, and where the result goes."""

    source: Source
    partners: tuple[str, ...]
    """Author chain ids of the binding partner, where the affinity file gives them."""
    keep_hetero: bool
    contact: float
    min_plddt: float
    signature: str
    """Changes with everything that decides what is read."""
    result: Path


def read_jobs(
    raw: RawFolder,
    labels: Labels,
    digests: Sequence[str],
    folder: Path,
    settings: BuildSettings,
) -> dict[str, ReadJob]:
    """Item → what to read, with the results in ``folder``."""
    jobs = {}
    options = settings.keep_hetero, settings.contact, settings.min_plddt
    for source, digest in zip(raw.sources, digests, strict=True):
        record = labels.affinities.get(source.kind, {}).get(source.code)
        partners = record.partner_chains if record and source.kind == "ppa" else ()
        if labels.own is not None and raw.own:
            partners = labels.own.partners.get(source.code, ())
        jobs[source.id] = ReadJob(
            source,
            partners,
            *options,
            signature_of(source.id, source.kind, partners, *options, digest),
            folder / result_file(source.id),
        )
    return jobs


def by_file(jobs: Iterable[ReadJob]) -> list[tuple[ReadJob, ...]]:
    """The jobs grouped by structure file: an entry gives up to 75 chains of the benchmark."""
    groups: dict[Path, list[ReadJob]] = defaultdict(list)
    for job in jobs:
        groups[job.source.structure].append(job)
    return [tuple(group) for group in groups.values()]


def file_of(jobs: Sequence[ReadJob]) -> str:
    """Path of the structure file of jobs that `by_file` has grouped."""
    return str(jobs[0].source.structure)


def read_items(jobs: Sequence[ReadJob]) -> list[bool]:
    """Reads the items of one structure file, which is parsed once, and saves each result.

    Returns:
        For each job: False where its result was there already.
    """
    fresh = [not is_current(job.result, job.signature) for job in jobs]
    missing = [job for job, is_missing in zip(jobs, fresh, strict=True) if is_missing]
    wanted = [(job.source, job.partners) for job in missing]
    first = jobs[0]
    results = read_sources(
        wanted,
        keep_hetero=first.keep_hetero,
        contact=first.contact,
        min_plddt=first.min_plddt,
    )
    for job, result in zip(missing, results, strict=True):
        save_result(job.result, result, job.signature)
    return fresh
