"""State that all transfers of one run share: pace, connections, and when to stop."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from importlib.metadata import PackageNotFoundError, version

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from hemenet_lab.protein_mt.fetch.settings import Policy

CONNECTIONS = 32
"""Connections that are kept open for each server; more workers open new ones."""
AGAIN = frozenset({408, 425, 429, *range(500, 600)})
"""Answers after which the same request may succeed."""


class Stopped(Exception):
    """The run ends before this transfer."""


@dataclass
class Session:
    """State of one run, shared by its threads."""

    policy: Policy = field(default_factory=Policy)
    reason: str = ""
    """Reason for stopping the run; empty while it continues."""

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._next = 0.0
        self._failures = 0
        self.http = _connections()

    @property
    def stopped(self) -> bool:
        return self._stop.is_set()

    def stop(self, reason: str) -> None:
        """Ends the run; the first reason counts."""
        with self._lock:
            self.reason = self.reason or reason
        self._stop.set()

    def retries(self) -> Retry:
        """A new count of the attempts for one file, and of the waits between them."""
        policy = self.policy
        return Retry(
            total=policy.attempts - 1,
            status_forcelist=AGAIN,
            backoff_factor=policy.first_wait,
            backoff_jitter=policy.first_wait,
            backoff_max=policy.longest_wait,
        )

    def turn(self) -> None:
        """Waits until the next request may be sent.

        Raises:
            Stopped: The run ends.
        """
        with self._lock:
            now = time.monotonic()
            at = max(now, self._next)
            self._next = at + 1.0 / self.policy.rate
        self.sleep(at - now)

    def pause(self, seconds: float) -> None:
        """Lets nobody send a request before so many seconds from now: a server asked for it."""
        with self._lock:
            self._next = max(self._next, time.monotonic() + seconds)

    def sleep(self, seconds: float) -> None:
        """Waits, unless the run ends.

        Raises:
            Stopped: The run ends.
        """
        if self._stop.wait(max(0.0, seconds)):
            raise Stopped

    def note_answer(self, delivered: bool) -> None:
        """Counts the files in a row that servers did not deliver, and stops after too many."""
        with self._lock:
            self._failures = 0 if delivered else self._failures + 1
            failures = self._failures
        if failures >= self.policy.failures_in_a_row:
            self.stop(
                f"{failures} files in a row could not be transferred; is the network up, and do "
                "the servers answer?"
            )


class _Connections(requests.Session):
    """Leaves redirects to its user: by itself it would read their bodies, however long."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        return None


def _connections() -> requests.Session:
    """Connections that keep no cookies and send no passwords from ``~/.netrc``."""
    http = _Connections()
    http.headers.clear()
    http.headers.update({"User-Agent": _user_agent(), "Accept-Encoding": "identity"})
    http.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    http.auth = _no_password
    adapter = HTTPAdapter(pool_maxsize=CONNECTIONS)
    for scheme in ("http://", "https://"):
        http.mount(scheme, adapter)
    return http


def _no_password(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _user_agent() -> str:
    """Name of the program for servers."""
    try:
        number = version("hemenet-lab")
    except PackageNotFoundError:  # used without being installed
        number = "source"
    return f"hemenet-lab/{number} (protein structure data sets; Python requests)"
