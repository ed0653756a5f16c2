"""Files that are whole or not there, and what is recorded of files to tell them again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4


def file_digest(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def put_file(path: Path, content: bytes) -> None:
    """Write a file, with its folder, that is there as a whole or not at all.

    Several processes, of several machines too, may write the same.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{uuid4().hex}.partial")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    except BaseException:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise


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
