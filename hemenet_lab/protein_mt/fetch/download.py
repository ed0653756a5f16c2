"""One file from its address to its place: again after passing faults, in place only when whole."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path

from hemenet_lab.protein_mt.fetch.job import Job, Record
from hemenet_lab.protein_mt.fetch.request import (
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


def _until_whole(job: Job, session: Session) -> tuple[int, str, int]:
    """Size, checksum and number of attempts."""
    for attempt in range(session.policy.attempts):
        session.turn()
        try:
            receive(job.url, job.part, session)
            size, digest = _verify(job)
            _put_in_place(job)
            return size, digest, attempt + 1
        except Passing as error:
            if attempt + 1 == session.policy.attempts:
                raise Passing(f"{error} (gave up after {attempt + 1} attempts)") from None
            _wait(error, attempt, job.url, session)
    raise AssertionError("the last attempt returns or raises")


def _wait(error: Passing, attempt: int, url: str, session: Session) -> None:
    policy = session.policy
    if error.retry_after is None:
        session.sleep(policy.wait(attempt, url))
    elif error.retry_after <= policy.longest_wait:
        session.pause(error.retry_after)
    else:
        session.pause(policy.longest_wait)
        raise Passing(f"{error}: the server asks to wait {error.retry_after:.0f} s; try later")


def _verify(job: Job) -> tuple[int, str]:
    """Size and SHA-256 of the file; a file that is not right is removed and asked for again."""
    size, digest = measure(job.part)
    if job.sha256 and digest != job.sha256:
        discard(job.part)
        raise Passing(f"not the expected file: SHA-256 {digest[:12]}…, not {job.sha256[:12]}…")
    try:
        job.check(job.part)
    except ValueError as error:
        discard(job.part)
        raise Passing(f"damaged: {error}") from None
    return size, digest


def measure(path: Path) -> tuple[int, str]:
    """Size in bytes and SHA-256 of a file."""
    with path.open("rb") as file:
        return path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest()


def _put_in_place(job: Job) -> None:
    try:
        job.path.parent.mkdir(parents=True, exist_ok=True)
        with job.part.open("rb") as file:
            os.fsync(file.fileno())  # the name must not outlive the content in a power cut
        os.replace(job.part, job.path)
    except OSError as error:
        raise LocalFault(f"{job.path} cannot be written: {error}") from error
    discard(job.part)
