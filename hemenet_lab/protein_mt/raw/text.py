"""Plain or gzipped text files line by line, and the lines that a reader could not use."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Problem:
    """A line or value that was left out while reading, and why."""

    file: str
    """Name of the file, without its folder."""
    line: int
    """From 1."""
    id: str
    """What the line is about, where that could be read; else empty."""
    reason: str


def read_lines(path: str | Path) -> Iterator[tuple[int, str]]:
    """Numbered lines without their ends (LF or CRLF) and without a byte-order mark.

    Bytes that are not UTF-8 (older index files hold Latin-1 names) are replaced, not refused.

    Raises:
        ValueError: The file is missing, or a gzip file is cut or damaged.
    """
    path = Path(path)
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rt", encoding="utf-8-sig", errors="replace", newline="") as file:
            for number, line in enumerate(file, start=1):
                yield number, line.rstrip("\r\n")
    except (OSError, EOFError) as error:
        raise ValueError(f"cannot read {path}: {error}; is the file there and whole?") from error
