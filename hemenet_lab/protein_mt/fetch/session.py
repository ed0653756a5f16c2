"""What all transfers of one run share: their pace, their patience, and when to stop."""

from __future__ import annotations

import math
import random
import threading
import time
from dataclasses import dataclass, field

from hemenet_lab.protein_mt.build import code_version


@dataclass(frozen=True)
class Policy:
    """How often, how long and how fast a server is asked."""

    attempts: int = 5
    """Most requests for one file."""
    timeout: float = 60.0
    """Seconds to wait for a connection, and for the next bytes of a body."""
    slowest: float = 1000.0
    """Bytes per second, over ``timeout`` and more, below which a transfer counts as stuck."""
    first_wait: float = 1.0
    """Seconds before the second attempt; each later wait is twice as long."""
    longest_wait: float = 120.0
    """Most seconds between attempts, also where a server asks for more."""
    rate: float = 10.0
    """Most requests per second, over all workers."""
    failures_in_a_row: int = 20
    """So many files in a row that a server does not deliver end the run."""

    def __post_init__(self) -> None:
        for name in ("attempts", "timeout", "rate", "failures_in_a_row"):
            value = getattr(self, name)
            if not value > 0 or math.isnan(value):
                raise ValueError(f"{name} is {value}; it must be above 0")

    def wait(self, attempt: int, url: str) -> float:
        """Seconds after a failed attempt (from 0), with jitter so that workers spread out."""
        jitter = random.Random(f"{url} {attempt}").uniform(0.5, 1.0)
        return min(self.longest_wait, self.first_wait * 2.0**attempt) * jitter


class Stopped(Exception):
    """The run ends before this transfer."""


@dataclass
class Session:
    """State of one run, shared by its threads."""

    policy: Policy = field(default_factory=Policy)
    reason: str = ""
    """Why the run was stopped; empty while it goes on."""

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._next = 0.0
        self._failures = 0

    @property
    def user_agent(self) -> str:
        """How the program names itself to servers."""
        return f"hemenet-lab/{code_version()} (protein structure data sets; Python urllib)"

    @property
    def stopped(self) -> bool:
        return self._stop.is_set()

    def stop(self, reason: str) -> None:
        """Ends the run; the first reason counts."""
        with self._lock:
            self.reason = self.reason or reason
        self._stop.set()

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
        """Nobody sends a request before so many seconds from now: a server asked for it."""
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
