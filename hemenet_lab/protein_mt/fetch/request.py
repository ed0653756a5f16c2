"""HTTP request of one file: the body is appended to a partial file, or a reason is raised.

What a server sends is not trusted: redirects stay on the source's host, bodies have a largest
size, no cookies are kept and no passwords sent.
"""

from __future__ import annotations

import base64
import errno
import hashlib
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import urljoin

import requests
from urllib3.exceptions import HTTPError, ProtocolError, ReadTimeoutError
from urllib3.util import Retry, parse_url

from hemenet_lab.protein_mt.fetch.session import Session, Stopped

Check = Callable[[Path], None]
"""Raises ValueError, with the reason, for a file that is not what it should be."""
CHUNK = 1 << 16


@dataclass(frozen=True)
class Job:
    """File to fetch."""

    item: str
    """PDB code, component or name of the table."""
    source: str
    """Name of its source."""
    url: str
    path: Path
    """Final place; a file there is whole."""
    part: Path
    """Place where it grows, on the same file system."""
    check: Check
    most: int
    """Bytes; a longer body is refused while it arrives."""
    sha256: str = ""
    git_blob: str = ""
    """Name that git gives the content; empty where it is not known."""


class NotThere(Exception):
    """The server says that there is no such file."""


class ServerRefused(Exception):
    """An answer that is not taken, or a server that does not answer; retrying does not help."""


class Passing(Exception):
    """A fault that may pass: the request can be sent again."""

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after
        """Seconds that the server asks to wait; None where it does not say."""


class LocalFault(Exception):
    """A file cannot be written on this machine; no further transfer will succeed."""


def receive(job: Job, session: Session) -> None:
    """Brings ``job.part`` to the whole content of the address, from where it ended before.

    A ``.tag`` file beside it holds the server's mark (ETag or date) of the content, so that two
    versions of a file are never joined.

    Raises:
        NotThere: 404 and 410.
        ServerRefused: Other 4xx, a redirect to another host, a body that is too long.
        Passing: 429, 5xx, timeouts, broken connections, and a body that is too short.
        LocalFault: The file cannot be written, for example because the disk is full.
        Stopped: The run ends.
    """
    part, mark = job.part, _mark(job.part)
    start = part.stat().st_size if mark and part.is_file() else 0
    headers = {"Range": f"bytes={start}-", "If-Range": mark} if start else {}
    with _answer(job, headers, session) as response:
        joined = response.status_code == 206 and _range_start(response.headers) == start > 0
        if response.status_code == 206 and not joined:
            discard(part)
            raise Passing("the server sent another part of the file than was asked for")
        start = start if joined else 0
        length = _length(response.headers)
        _check_most(job, start + (length or 0))
        with _local_faults():
            part.parent.mkdir(parents=True, exist_ok=True)
            _write_mark(part, response.headers)
            file = part.open("ab" if joined else "wb")
        with file:
            _copy(job, response, file, session, start, length)
        _check_md5(response.headers, part, joined)


@contextmanager
def _answer(job: Job, headers: Mapping[str, str], session: Session) -> Iterator[requests.Response]:
    """The answer to a request, after redirects on the host of the source."""
    timeout, url = session.policy.timeout, job.url
    with _network_faults(timeout):
        for _ in range(session.policy.redirects + 1):
            response = session.http.get(
                url, headers=dict(headers), timeout=timeout, stream=True, allow_redirects=False
            )
            with response:
                if not response.is_redirect:
                    _check_status(response, job.part, session)
                    yield response
                    return
                url = _redirected(url, response.headers["Location"])
            session.turn()
        raise ServerRefused(
            f"more than {session.policy.redirects} redirects; the last is to {url[:100]}"
        )


@contextmanager
def _network_faults(timeout: float) -> Iterator[None]:
    try:
        yield
    except (requests.exceptions.ReadTimeout, ReadTimeoutError):
        raise Passing(f"no answer within {timeout:g} s") from None
    except requests.exceptions.ConnectTimeout:
        raise Passing(f"no connection within {timeout:g} s") from None
    except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema) as error:
        raise ServerRefused(_plain(str(error))) from None
    except requests.exceptions.ConnectionError as error:
        raise Passing(f"no connection: {_reason(error)}") from None
    except (HTTPError, OSError, UnicodeError) as error:  # requests' own errors are OSErrors
        raise Passing(f"the connection broke: {type(error).__name__} {_reason(error)}") from None


def _redirected(url: str, target: str) -> str:
    """Address that a redirect leads to, if it is on the same host.

    Raises:
        ServerRefused: Another host, port or scheme (https in place of http is fine).
    """
    try:
        target = urljoin(url, target.encode("latin-1").decode("utf-8"))
        old, new = parse_url(url), parse_url(target)
    except ValueError:
        raise ServerRefused(f"a redirect to {_plain(target)}, which is no address") from None
    same = new.scheme == old.scheme and new.port == old.port
    safer = (old.scheme, new.scheme) == ("http", "https") and old.port is new.port is None
    if new.host != old.host or new.auth or not (same or safer):
        raise ServerRefused(
            f"a redirect to {_plain(target)}, away from {old.scheme}://{old.netloc}, is not "
            "followed; if that is the source's new address, give it with --mirror"
        )
    return target


def _check_status(response: requests.Response, part: Path, session: Session) -> None:
    status, retries = response.status_code, session.retries()
    said = f"HTTP {status} {_plain(response.reason or '')}".strip()
    if 200 <= status < 300:
        return
    if status == 416:  # the file is shorter now than what we have of it
        discard(part)
        raise Passing("HTTP 416 for the rest of the file; it is fetched from its start")
    wait = _retry_after(retries, response.headers.get("Retry-After", ""))
    if retries.is_retry("GET", status, wait is not None):
        raise Passing(said, wait)
    if status in (404, 410):
        raise NotThere(said)
    raise ServerRefused(f"{said}: the server refuses; it may block too many requests, try later")


def _retry_after(retries: Retry, text: str) -> float | None:
    """Seconds of a Retry-After header, which holds seconds or a date."""
    try:
        return retries.parse_retry_after(text[:100])
    except (HTTPError, ValueError, OverflowError):
        return None


def _copy(
    job: Job,
    response: requests.Response,
    file: IO[bytes],
    session: Session,
    start: int,
    length: int | None,
) -> None:
    """Appends the body to a file, as it comes: not decoded, within the bounds of size and time."""
    began, received = time.monotonic(), 0
    try:
        while chunk := response.raw.read1(CHUNK, decode_content=False):
            received += len(chunk)
            _check_most(job, start + received)
            write_chunk(file, chunk)
            if session.stopped:
                raise Stopped
            passed = time.monotonic() - began
            if passed > session.policy.timeout and received < passed * session.policy.slowest:
                raise Passing(f"stuck: {received} bytes in {passed:.0f} s")
    except ProtocolError:
        if length is None:
            raise
    if length is not None and received != length:
        raise Passing(f"the connection ended after {start + received} of {start + length} bytes")


def write_chunk(file: IO[bytes], chunk: bytes) -> None:
    """Appends to a file.

    Raises:
        LocalFault: It cannot be written.
    """
    with _local_faults():
        file.write(chunk)
        file.flush()


@contextmanager
def _local_faults() -> Iterator[None]:
    """Around what only this machine's disk can make fail (network faults are OSErrors too)."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise LocalFault(f"the disk is full ({error.strerror})") from error
        raise LocalFault(f"a file cannot be written: {error}") from error


def _length(headers: Mapping[str, str]) -> int | None:
    """Content-Length; None where the server gives none.

    Raises:
        Passing: It is not a number.
    """
    text = headers.get("Content-Length", "").strip()
    if not text:
        return None
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise Passing(f"the server gives the Content-Length {_plain(text)}")
    return int(text)


def _check_most(job: Job, size: int) -> None:
    if size > job.most:
        discard(job.part)
        raise ServerRefused(
            f"longer than {job.most:,} bytes, the most that is taken for {job.source}; it is not "
            "what this source has"
        )


def _check_md5(headers: Mapping[str, str], part: Path, joined: bool) -> None:
    wanted = headers.get("Content-MD5", "")
    if not wanted or joined:  # of a range it is the sum of that range only
        return
    with part.open("rb") as file:
        found = base64.b64encode(hashlib.file_digest(file, "md5").digest()).decode()
    if found != wanted:
        discard(part)
        raise Passing(f"damaged: the server's MD5 is {_plain(wanted)}, the file's {found}")


def _range_start(headers: Mapping[str, str]) -> int | None:
    match = re.match(r"bytes ([0-9]{1,18})-", headers.get("Content-Range", ""))
    return int(match[1]) if match else None


def _mark_file(part: Path) -> Path:
    return part.with_name(part.name + ".tag")


def _mark(part: Path) -> str:
    """The server's mark of the content that ``part`` begins; empty where there is none."""
    path = _mark_file(part)
    text = path.read_bytes().decode("ascii", errors="replace") if path.is_file() else ""
    return text if re.fullmatch(r"[ -~]{1,200}", text) else ""


def _write_mark(part: Path, headers: Mapping[str, str]) -> None:
    """Keeps a strong mark of the content's version; without one nothing can be joined later."""
    etag = headers.get("ETag", "")
    mark = etag if etag and not etag.startswith("W/") else headers.get("Last-Modified", "")
    if re.fullmatch(r"[ -~]{1,200}", mark):  # it becomes a header of the next request
        _mark_file(part).write_text(mark, encoding="ascii")
    else:
        _mark_file(part).unlink(missing_ok=True)


def discard(part: Path) -> None:
    """Removes a partial file and its mark."""
    for path in (part, _mark_file(part)):
        path.unlink(missing_ok=True)


def _reason(error: Exception) -> str:
    """The innermost reason of an error of the network libraries, in one line."""
    cause = error.args[0] if error.args else error
    cause = getattr(cause, "reason", cause)
    return _plain(str(cause))


def _plain(text: str) -> str:
    """Text from a server as one short line: it goes to a terminal and into a report."""
    return "".join(c if c.isprintable() else "?" for c in text.strip())[:160]
