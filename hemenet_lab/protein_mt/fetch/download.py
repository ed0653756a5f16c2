"""Transfer of one file: retried after passing faults, in place only when whole and checked."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path

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
    """What is left of the attempts, after the wait that comes before the next one."""
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
