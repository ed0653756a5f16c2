"""Entries from a local copy of the PDB, linked into the raw folder or copied."""

from __future__ import annotations

import filecmp
import os
import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hemenet_lab.protein_mt.fetch.download import changed, measure
from hemenet_lab.protein_mt.fetch.report import Record
from hemenet_lab.protein_mt.fetch.settings import FetchSettings
from hemenet_lab.protein_mt.raw import Archive

SOURCE = "pdb-dir"
"""Source of such entries in the report."""


def take_archived(
    settings: FetchSettings, codes: Sequence[str], known: Mapping[str, Record]
) -> dict[str, Record]:
    """Links the files of entries that the local archive has, and takes their checksums.

    The build says what is wrong with a file that cannot be read.

    Args:
        settings: Place of the archive and of the raw folder.
        codes: PDB codes.
        known: Place in the raw folder → record of an earlier run.

    Returns:
        Code → record, of the entries that are there and not empty.

    Raises:
        ValueError: There is no such archive.
        OSError: A link or file cannot be written.
    """
    archive = Archive(settings.pdb_dir)
    files = [(code, file) for code in codes if (file := archive.find(code)) is not None]

    def take(item: tuple[str, Path]) -> Record:
        code, file = item
        place = settings.out / "structures" / f"{code}{_ending(file, code)}"
        link_or_copy(file, place, copy=settings.copy)
        size, digest = measure(place)
        path = place.relative_to(settings.out).as_posix()
        status = "copied" if settings.copy else "linked"
        record = Record(code, SOURCE, status, path, size, digest, str(file))
        return changed(record, known.get(path)) or record

    filled = [(code, file) for code, file in files if file.stat().st_size]
    with ThreadPoolExecutor(settings.workers, thread_name_prefix="archive") as pool:
        return {record.item: record for record in pool.map(take, filled)}


def _ending(file: Path, code: str) -> str:
    """File name behind the entry: ``.cif.gz`` of ``1abc.cif.gz``, ``.ent`` of ``pdb1abc.ent``."""
    _, found, rest = file.name.lower().partition(code)
    return rest if found else "".join(file.suffixes[-2:])


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
