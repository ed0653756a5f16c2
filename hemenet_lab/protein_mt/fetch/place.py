"""Files put into the raw folder: links to the user's files, or copies of them."""

from __future__ import annotations

import filecmp
import os
import shutil
from pathlib import Path


def link_or_copy(source: Path, place: Path, *, copy: bool) -> None:
    """Makes ``place`` a symbolic link to ``source``, or a copy; does nothing if it is one.

    Where the file system knows no links the file is copied. A copy appears whole or not at all.

    Raises:
        ValueError: Something else is at ``place``.
        OSError: It cannot be written.
    """
    source = source.resolve()
    if place.is_symlink() or place.exists():
        if place.exists() and _same(source, place):
            return
        if not place.is_symlink():
            raise ValueError(
                f"{place} is there already and is not {source}; remove it, or use another --out"
            )
        place.unlink()
    place.parent.mkdir(parents=True, exist_ok=True)
    if not copy:
        try:
            place.symlink_to(source)
            return
        except (OSError, NotImplementedError):
            if place.is_symlink():
                raise
    draft = place.with_name(f".{place.name}.{os.getpid()}")
    try:
        shutil.copyfile(source, draft)
        os.replace(draft, place)
    finally:
        draft.unlink(missing_ok=True)


def _same(source: Path, place: Path) -> bool:
    """The same file, or one of the same content."""
    return place.samefile(source) or filecmp.cmp(source, place, shallow=False)
