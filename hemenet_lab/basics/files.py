"""What is recorded of files, to tell later that they are the same."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any


def file_digest(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def record_files(
    folder: Path, sized: Iterable[str], hashed: Iterable[str]
) -> dict[str, dict[str, Any]]:
    """Sizes of some files of a folder and digests of some, as `are_recorded` compares them."""
    return {
        "bytes": {name: (folder / name).stat().st_size for name in sized},
        "sha256": {name: file_digest(folder / name) for name in hashed},
    }


def are_recorded(folder: Path, record: Mapping[str, Any]) -> bool:
    """Check that a folder's files are those of a record, which may be damaged itself."""
    try:
        sized, hashed = record["bytes"], record["sha256"]
        return record_files(folder, sized, hashed) == {"bytes": sized, "sha256": hashed}
    except (OSError, KeyError, TypeError, ValueError):
        return False
