"""Transfers: retried after passing faults, side by side, in place only when whole and checked."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from urllib3.exceptions import MaxRetryError
from urllib3.util import Retry

from hemenet_lab.protein_mt.fetch.checks import check_file
from hemenet_lab.protein_mt.fetch.report import Record
from hemenet_lab.protein_mt.fetch.request import (
    Job,
    LocalFault,
    NotThere,
    Passing,
    Refused,
    discard,
    receive,
)
from hemenet_lab.protein_mt.fetch.session import Session, Stopped

Known = Mapping[str, Record]
"""Place in the raw folder → record of an earlier run."""


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
    """Outcome of each job, in the order of the jobs; several are done side by side.

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
        record = _present(job, known.get(place)) or download(job, session)
        return replace(record, path=place) if record.is_here else record

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
            check_file(job, job.path)
        except ValueError:
            return None
    return Record(job.item, job.source, "present", bytes=size, sha256=digest, url=job.url)


def download(job: Job, session: Session) -> Record:
    """Fetches a file and puts it in place once it is whole and passes its check."""
    blank = Record(job.item, job.source, "not tried", url=job.url)
    if session.stopped:
        return replace(blank, note=session.reason)
    try:
        size, digest, attempts = _until_whole(job, session)
    except NotThere as error:
        session.note_answer(True)
        return replace(blank, status="missing", note=str(error))
    except (Passing, Refused) as error:
        session.note_answer(False)
        return replace(blank, status="failed", note=str(error))
    except LocalFault as error:
        discard(job.part)
        session.stop(str(error))
        return replace(blank, status="failed", note=str(error))
    except Stopped:
        return replace(blank, note=session.reason)
    session.note_answer(True)
    note = f"in {attempts} attempts" if attempts > 1 else ""
    return replace(blank, status="fetched", bytes=size, sha256=digest, note=note)


def measure(path: Path) -> tuple[int, str]:
    """Size in bytes and SHA-256 of a file."""
    with path.open("rb") as file:
        return path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest()


def _until_whole(job: Job, session: Session) -> tuple[int, str, int]:
    """Size, checksum and number of attempts."""
    retries = session.retries()
    while True:
        session.turn()
        try:
            receive(job, session)
            size, digest = _verify(job)
            _put_in_place(job)
            return size, digest, len(retries.history) + 1
        except Passing as fault:
            retries = _wait(fault, retries, job.url, session)


def _wait(fault: Passing, retries: Retry, url: str, session: Session) -> Retry:
    """Waits before the next attempt, and returns the attempts that are left."""
    attempts, longest = len(retries.history) + 1, session.policy.longest_wait
    try:
        retries = retries.increment("GET", url, error=fault)
    except MaxRetryError:
        raise Passing(f"{fault} (gave up after {attempts} attempts)") from None
    if fault.retry_after is None:
        session.sleep(retries.get_backoff_time() or min(session.policy.first_wait, longest))
    elif fault.retry_after <= longest:
        session.pause(fault.retry_after)
    else:
        session.pause(longest)
        raise Passing(f"{fault}: the server asks to wait {fault.retry_after:.0f} s; try later")
    return retries


def _verify(job: Job) -> tuple[int, str]:
    """Size and SHA-256 of the file; a file that is not right is removed and asked for again."""
    size, digest = measure(job.part)
    if job.sha256 and digest != job.sha256:
        discard(job.part)
        raise Passing(f"not the expected file: SHA-256 {digest[:12]}…, not {job.sha256[:12]}…")
    try:
        check_file(job, job.part)
    except ValueError as error:
        discard(job.part)
        raise Passing(f"damaged: {error}") from None
    return size, digest


def _put_in_place(job: Job) -> None:
    try:
        job.path.parent.mkdir(parents=True, exist_ok=True)
        with job.part.open("rb") as file:
            os.fsync(file.fileno())  # the name must not outlive the content in a power cut
        os.replace(job.part, job.path)
    except OSError as error:
        raise LocalFault(f"{job.path} cannot be written: {error}") from error
    discard(job.part)
