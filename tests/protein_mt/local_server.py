"""A web server on this machine that serves given files, with the faults that servers have."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PATIENCE = 5.0
"""Seconds after which the server gives a silent client up."""


@dataclass
class Request:
    """What a client asked."""

    path: str
    headers: dict[str, str]


@dataclass
class LocalServer:
    """Files by path; faults of a path are used up one per request, then the file is served."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    faults: dict[str, list[str]] = field(default_factory=dict)
    """``404``, ``429 5`` (with a Retry-After), ``500``; ``cut N`` (N bytes, then the end),
    ``damaged`` (a byte in the middle is wrong), ``slow`` (silence), ``drip`` (byte by byte)."""
    headers: dict[str, str] = field(default_factory=dict)
    """Sent with each file."""
    requests: list[Request] = field(default_factory=list)

    def asked(self, path: str) -> list[Request]:
        return [request for request in self.requests if request.path == path]


@contextmanager
def serving() -> Iterator[LocalServer]:
    """A running server; it is stopped at the end, whatever happens."""
    state = LocalServer()
    released = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        timeout = PATIENCE

        def do_GET(self) -> None:
            state.requests.append(Request(self.path, dict(self.headers)))
            left = state.faults.get(self.path, [])
            answer(self, state, left.pop(0) if left else "", released)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield state
    finally:
        released.set()
        server.shutdown()
        server.server_close()
        thread.join(PATIENCE)


def answer(
    handler: BaseHTTPRequestHandler, state: LocalServer, fault: str, released: threading.Event
) -> None:
    """One answer, with one fault."""
    content = state.files.get(handler.path)
    if fault[:3].isdigit() or content is None:
        status, _, wait = (fault or "404").partition(" ")
        handler.send_response(int(status))
        if wait:
            handler.send_header("Retry-After", wait)
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        return
    if fault == "slow":
        released.wait(PATIENCE)
        return
    if fault == "drip":
        drip(handler, content, released)
        return
    if fault == "damaged":
        middle = len(content) // 2
        content = content[:middle] + bytes([content[middle] ^ 255]) + content[middle + 1 :]
    send(handler, state, content, fault)


def send(handler: BaseHTTPRequestHandler, state: LocalServer, content: bytes, fault: str) -> None:
    """A file, or the rest of it that a Range header asks for."""
    start = 0
    asked = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
    same = handler.headers.get("If-Range", "") == state.headers.get("ETag", "-")
    if asked and same:
        start = int(asked[1])
    if start >= len(content) > 0 and start:
        handler.send_response(416)
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        return
    handler.send_response(206 if start else 200)
    if start:
        handler.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
    body = content[start:]
    handler.send_header("Content-Length", str(len(body)))
    for name, value in state.headers.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body[: int(fault[4:])] if fault.startswith("cut ") else body)


def drip(handler: BaseHTTPRequestHandler, content: bytes, released: threading.Event) -> None:
    """A file, one byte after the other, until the client has enough of it."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    for place in range(int(PATIENCE / 0.02)):
        try:
            handler.wfile.write(content[place : place + 1])
        except OSError:
            return
        if released.wait(0.02):
            return
