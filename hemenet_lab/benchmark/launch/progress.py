"""One line per run while a grid runs, with the time left."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import mean
from threading import Lock


def duration(seconds: float) -> str:
    """A time span for people: ``40 s``, ``12 min``, ``3.4 h``, ``2.1 days``."""
    for limit, unit, size, digits in (
        (90, "s", 1, 0),
        (90 * 60, "min", 60, 0),
        (48 * 3600, "h", 3600, 1),
    ):
        if seconds < limit:
            return f"{seconds / size:.{digits}f} {unit}"
    return f"{seconds / 86400:.1f} days"


class Progress:
    """Lines about the runs of a grid as they start and end.

    Args:
        total: Runs of the grid.
        done: Runs that were finished before.
        parallel: Runs at a time.
        say: Takes each line.
        clock: Seconds from any start.
    """

    def __init__(
        self,
        total: int,
        done: int,
        parallel: int,
        say: Callable[[str], None] = print,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._total, self._done, self._parallel = total, done, parallel
        self._say, self._clock = say, clock
        self._started: dict[str, float] = {}
        self._times: list[float] = []
        self._lock = Lock()

    def start(self, name: str, how: str) -> None:
        """A run starts."""
        with self._lock:
            self._started[name] = self._clock()
            self._say(f"         {name}: {how}")

    def end(self, name: str, what: str, finished: bool) -> None:
        """A run has ended; the time left is estimated from those that finished."""
        with self._lock:
            took = self._clock() - self._started.pop(name, self._clock())
            self._times += [took] if finished else []
            self._done += 1
            left = self._total - self._done
            after = f"; {left} to go" if left else ""
            if left and self._times:
                after += f", about {duration(left * mean(self._times) / min(self._parallel, left))}"
            self._say(f"[{self._done}/{self._total}] {name}: {what} after {duration(took)}{after}")
