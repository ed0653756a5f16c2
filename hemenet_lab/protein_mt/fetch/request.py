"""One HTTP request: the body is appended to a file, whatever goes wrong is said in one way."""

from __future__ import annotations

import base64
import email.utils
import errno
import hashlib
import http.client
import re
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import Message
from pathlib import Path
from typing import IO

from hemenet_lab.protein_mt.fetch.session import Session, Stopped

CHUNK = 1 << 16
AGAIN = (408, 425, 429, 500, 502, 503, 504)
"""Answers after which the same request may succeed; other 5xx are treated alike."""


class NotThere(Exception):
    """The server says that there is no such file."""


class Refused(Exception):
    """The server does not want to answer this request; asking again does not help."""


class Passing(Exception):
    """A fault that may pass: the request can be sent again."""

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after
        """Seconds that the server asks to wait; None where it does not say."""


class LocalFault(Exception):
    """This machine cannot write the file; no further transfer will succeed."""


def receive(url: str, part: Path, session: Session) -> None:
    """Brings ``part`` to the whole content of ``url``, going on where an earlier request ended.

    A ``.tag`` file beside it holds the server's mark (ETag or date) of the content, so that two
    versions of a file are never joined.

    Raises:
        NotThere: 404 and 410.
        Refused: Other 4xx.
        Passing: 429, 5xx, timeouts, broken connections, and a body that is too short.
        LocalFault: The file cannot be written, for example because the disk is full.
        Stopped: The run ends.
    """
    tag = part.with_name(part.name + ".tag")
    headers = {"User-Agent": session.user_agent, "Accept-Encoding": "identity"}
    start = part.stat().st_size if part.is_file() and tag.is_file() else 0
    if start:
        headers |= {"Range": f"bytes={start}-", "If-Range": tag.read_text()}
    with _answer(url, headers, session.policy.timeout, part) as response:
        joined = response.status == 206 and _range_start(response.headers) == start > 0
        if response.status == 206 and not joined:
            discard(part)
            raise Passing("the server sent another part of the file than was asked for")
        with _local_faults():
            part.parent.mkdir(parents=True, exist_ok=True)
            _write_tag(tag, response.headers)
            file = part.open("ab" if joined else "wb")
        with file:
            _copy(response, file, session)
        _check_size(response.headers, part.stat().st_size, start if joined else 0)
        _check_md5(response.headers, part, joined)


def discard(part: Path) -> None:
    """Removes a partial file and its mark."""
    for path in (part, part.with_name(part.name + ".tag")):
        path.unlink(missing_ok=True)


@contextmanager
def _answer(
    url: str, headers: dict[str, str], timeout: float, part: Path
) -> Iterator[http.client.HTTPResponse]:
    try:
        with urllib.request.urlopen(
            urllib.request.Request(url, headers=headers), timeout=timeout
        ) as response:
            yield response
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 416:  # the file is shorter now than what we have of it
                discard(part)
                raise Passing("HTTP 416 for the rest of the file; it is fetched anew") from None
            raise _refusal(error) from None
    except TimeoutError:
        raise Passing(f"no answer within {timeout:g} s") from None
    except urllib.error.URLError as error:
        if isinstance(error.reason, TimeoutError):
            raise Passing(f"no connection within {timeout:g} s") from None
        raise Passing(f"no connection: {error.reason}") from None
    except (http.client.HTTPException, OSError) as error:
        raise Passing(f"the connection broke: {type(error).__name__} {error}".strip()) from None


def _refusal(error: urllib.error.HTTPError) -> Exception:
    said = f"HTTP {error.code} {error.reason}".strip()
    if error.code in AGAIN or error.code >= 500:
        return Passing(said, _retry_after(error.headers))
    if error.code in (404, 410):
        return NotThere(said)
    return Refused(f"{said}: the server refuses; it may block too many requests, try later")


def _retry_after(headers: Message) -> float | None:
    """Seconds of a Retry-After header, which holds seconds or a date."""
    value = (headers.get("Retry-After") or "").strip()
    if value.isdigit():
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None


def _copy(response: http.client.HTTPResponse, file: IO[bytes], session: Session) -> None:
    began, received = time.monotonic(), 0
    while chunk := response.read1(CHUNK):
        write_chunk(file, chunk)
        received += len(chunk)
        if session.stopped:
            raise Stopped
        passed = time.monotonic() - began
        if passed > session.policy.timeout and received < passed * session.policy.slowest:
            raise Passing(f"stuck: {received} bytes in {passed:.0f} s")


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


def _write_tag(tag: Path, headers: Message) -> None:
    """Keeps a strong mark of the content's version; without one nothing can be joined later."""
    etag = headers.get("ETag", "")
    mark = etag if etag and not etag.startswith("W/") else headers.get("Last-Modified", "")
    if mark:
        tag.write_text(mark)
    else:
        tag.unlink(missing_ok=True)


def _range_start(headers: Message) -> int | None:
    match = re.match(r"bytes (\d+)-", headers.get("Content-Range", ""))
    return int(match[1]) if match else None


def _check_size(headers: Message, size: int, start: int) -> None:
    length = headers.get("Content-Length", "")
    if length.isdigit() and size != start + int(length):
        raise Passing(f"the connection ended after {size} of {start + int(length)} bytes")


def _check_md5(headers: Message, part: Path, joined: bool) -> None:
    wanted = headers.get("Content-MD5", "")
    if not wanted or joined:  # of a range it is the sum of that range only
        return
    with part.open("rb") as file:
        found = base64.b64encode(hashlib.file_digest(file, "md5").digest()).decode()
    if found != wanted:
        discard(part)
        raise Passing(f"damaged: the server's MD5 is {wanted}, the file's {found}")
