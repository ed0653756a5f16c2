"""A real `mlflow server` on loopback that can be killed, frozen and started again."""

from __future__ import annotations

import base64
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class MlflowServer:
    """The server, with its processes in a group of their own."""

    def __init__(self, folder: Path, database: Path) -> None:
        self.folder = folder
        shutil.copy(database, folder / "server.db")
        self.port = free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        words = ["-m", "mlflow", "server", "--workers", "1", "--host", "127.0.0.1"]
        words += ["--port", str(self.port)]
        words += ["--backend-store-uri", f"sqlite:///{self.folder / 'server.db'}"]
        words += ["--artifacts-destination", str(self.folder / "kept")]
        environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        environment.pop("MLFLOW_TRACKING_URI", None)
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, *words],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=environment,
                start_new_session=True,
            )

    def wait(self, seconds: float = 120.0) -> None:
        end = time.monotonic() + seconds
        while not self.answers():
            assert self._process is not None
            assert self._process.poll() is None, (self.folder / "server.log").read_text()
            assert time.monotonic() < end, (self.folder / "server.log").read_text()
            time.sleep(0.1)

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=1) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def signal(self, number: int) -> None:
        assert self._process is not None
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def kill(self) -> None:
        if self._process is not None:
            self.signal(signal.SIGKILL)
            self._process.wait()
            self._process = None


def free_port() -> int:
    """A port of loopback that nobody has.

    Raises:
        OSError: None can be bound.
    """
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class Gate(ThreadingHTTPServer):
    """Stands before a server and lets in only those with a name and a password."""

    def __init__(self, behind: str, user: str, password: str) -> None:
        self.behind = behind
        self.wanted = f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"
        super().__init__(("127.0.0.1", 0), _AtTheGate)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _AtTheGate(BaseHTTPRequestHandler):
    server: Gate

    def _pass(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Authorization") != self.server.wanted:
            self._answer(401, b"who are you?")
            return
        kept = {k: v for k, v in self.headers.items() if k.lower() not in ("host", "connection")}
        asked = urllib.request.Request(
            self.server.behind + self.path, body or None, kept, method=self.command
        )
        try:
            with urllib.request.urlopen(asked, timeout=20) as answer:
                self._answer(answer.status, answer.read())
        except urllib.error.HTTPError as error:
            self._answer(error.code, error.read())
        except OSError:
            self._answer(502, b"nobody is behind the gate")

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _pass

    def _answer(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *words: object) -> None:
        """Nothing."""
