"""Results of checks, and the table of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

SHOWN = 3
"""Faults of one check that are quoted."""


@dataclass(frozen=True)
class Check:
    """One property of a store, and what contradicts it."""

    group: str
    """``files``, ``structures``, ``labels``, ``splits`` or ``raw``."""
    name: str
    looked_at: int
    """How many things were looked at; none for a check that does not apply."""
    faults: tuple[str, ...] = ()

    @property
    def state(self) -> str:
        """``ok``, ``FAULT`` or ``nothing to check``."""
        return "FAULT" if self.faults else "ok" if self.looked_at else "nothing to check"


def check(group: str, name: str, looked_at: int, faults: Iterable[str]) -> Check:
    """A check with all its faults gathered."""
    return Check(group, name, looked_at, tuple(faults))


def table(checks: Iterable[Check]) -> str:
    """The checks as aligned text, each with its first faults below it."""
    checks = list(checks)
    width = max((len(found.name) for found in checks), default=0)
    lines = [line for found in checks for line in _lines(found, width)]
    faulty = sum(bool(found.faults) for found in checks)
    done = sum(bool(found.looked_at or found.faults) for found in checks)
    verdict = f"{faulty} of {done} checks found faults" if faulty else f"{done} checks passed"
    return "\n".join([*lines, "", verdict])


def _lines(found: Check, width: int) -> Iterator[str]:
    number = f"{found.looked_at:,}"
    yield f"{found.group:<10}  {found.name:<{width}}  {number:>13}  {found.state}"
    yield from (f"{'':<12}{fault}" for fault in islice(found.faults, SHOWN))
    if len(found.faults) > SHOWN:
        yield f"{'':<12}… and {len(found.faults) - SHOWN:,} more"
