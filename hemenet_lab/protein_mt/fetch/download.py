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

from hemenet_lab.basics import file_digest
from hemenet_lab.protein_mt.fetch.checks import check_file
from hemenet_lab.protein_mt.fetch.report import CHANGED, Record
from hemenet_lab.protein_mt.fetch.request import (
    Job,
    LocalFault,
    NotThere,
    Passing,
    ServerRefused,
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

    A file that is there is taken as it is if it has the checksum that an earlier run noted; if none
    did, it must pass its check, and is fetched again if it does not. One that was changed since is
    refused.
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
        before = known.get(place)
        record = _present(job, before) or _other_version(download(job, session), before)
        return replace(record, path=place) if record.is_here or record.is_changed else record

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
    """Record of a file that is there; None where it has to be fetched."""
    if not job.path.is_file():
        return None
    size, digest = measure(job.path)
    if _unexpected(job, job.path, digest):
        return None
    record = Record(job.item, job.source, "present", bytes=size, sha256=digest, url=job.url)
    if known is None or known.sha256 != digest:
        try:
            check_file(job, job.path)
        except ValueError:
            return None
    return changed(record, known) or record


def changed(record: Record, known: Record | None) -> Record | None:
    """Record of a file that is not what was fetched first; None where it is.

    The record keeps the first checksum, so that the next run finds the same.
    """
    if known is None or not known.sha256 or known.sha256 == record.sha256:
        return None
    note = (
        f"its SHA-256 was {known.sha256} when it came, and is {record.sha256} now; delete the file "
        "to get it anew, or its row in fetch_report.csv to keep it as it is"
    )
    return replace(record, status=CHANGED, bytes=known.bytes, sha256=known.sha256, note=note)


def _other_version(record: Record, known: Record | None) -> Record:
    """The record of a fetched file, with a note where the source had another one before."""
    if record.is_here and known and known.sha256 not in ("", record.sha256):
        note = f"another version: SHA-256 was {known.sha256}, is {record.sha256}"
        return replace(record, note="; ".join(text for text in (record.note, note) if text))
    return record


def _unexpected(job: Job, path: Path, digest: str) -> str:
    """Difference between a file and one that never changes; empty where there is none."""
    if job.sha256 and digest != job.sha256:
        return f"SHA-256 {digest[:12]}…, not {job.sha256[:12]}…"
    if job.git_blob:
        blob = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
        blob.update(path.read_bytes())
        if blob.hexdigest() != job.git_blob:
            return f"git's name of it is {blob.hexdigest()[:12]}…, not {job.git_blob[:12]}…"
    return ""


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
    except (Passing, ServerRefused) as error:
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
    return path.stat().st_size, file_digest(path)


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
    if reason := _unexpected(job, job.part, digest):
        discard(job.part)
        raise Passing(f"not the expected file: {reason}")
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
