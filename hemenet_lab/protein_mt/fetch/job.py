"""One file to fetch, and what became of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Check = Callable[[Path], None]
"""Raises ValueError, with the reason, for a file that is not what it should be."""
HERE = ("fetched", "present", "linked", "copied", "written")
"""Statuses of things that are there; the others are ``missing`` (the server has no such file),
``failed`` (it was not delivered whole), ``unusable`` and ``not tried``."""


@dataclass(frozen=True)
class Job:
    """One file to fetch."""

    item: str
    """PDB code, component or name of the table."""
    source: str
    """Name of its source."""
    url: str
    path: Path
    """Final place; a file there is whole."""
    part: Path
    """Where it grows, on the same file system."""
    check: Check
    sha256: str = ""


@dataclass(frozen=True)
class Record:
    """What became of one item: a row of ``fetch_report.csv``."""

    item: str
    source: str
    status: str
    path: str = ""
    """Place in the raw folder; empty where there is none."""
    bytes: int = 0
    sha256: str = ""
    url: str = ""
    note: str = ""

    @property
    def is_here(self) -> bool:
        return self.status in HERE
