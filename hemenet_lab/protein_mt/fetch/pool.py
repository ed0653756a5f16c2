"""Many transfers side by side, with a progress bar; files that are there are not fetched."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from hemenet_lab.protein_mt.fetch.download import download, measure
from hemenet_lab.protein_mt.fetch.job import Job, Record
from hemenet_lab.protein_mt.fetch.session import Session

Known = Mapping[str, Record]
"""Place in the raw folder → what an earlier run put there."""


def fetch_all(
    jobs: Sequence[Job],
    session: Session,
    raw: Path,
    known: Known,
    *,
    workers: int,
    title: str,
    progress: bool,
) -> list[Record]:
    """What became of each job, in the order of the jobs.

    A file that is there is taken as it is if an earlier run noted its size; if none did, it must
    pass its check, and is fetched again if it does not.
    """
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not progress,
    )

    def one(job: Job) -> Record:
        place = job.path.relative_to(raw).as_posix()
        return _placed(_present(job, known.get(place)) or download(job, session), place)

    with bar, ThreadPoolExecutor(workers, thread_name_prefix="fetch") as pool:
        futures = [pool.submit(one, job) for job in jobs]
        try:
            finished: Iterable[Future[Record]] = as_completed(futures)
            for _ in bar.track(finished, total=len(jobs), description=title):
                pass
        except KeyboardInterrupt:
            session.stop("stopped by the user")
        except BaseException:
            session.stop("an error in the program")
            raise
    return [future.result() for future in futures]


def _present(job: Job, known: Record | None) -> Record | None:
    if not job.path.is_file():
        return None
    size = job.path.stat().st_size
    if known is not None and known.bytes == size and (not job.sha256 or known.sha256 == job.sha256):
        digest = known.sha256
    else:
        size, digest = measure(job.path)
        if job.sha256 and digest != job.sha256:
            return None
        try:
            job.check(job.path)
        except ValueError:
            return None
    return Record(job.item, job.source, "present", bytes=size, sha256=digest, url=job.url)


def _placed(record: Record, place: str) -> Record:
    return replace(record, path=place) if record.is_here else record
