"""What a store is made from: settings, contents of the raw files, version of the program."""

from __future__ import annotations

import hashlib
import importlib.metadata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hemenet_lab.protein_mt.further_files import find_further
from hemenet_lab.protein_mt.layout import RawFolder, Source
from hemenet_lab.protein_mt.run import run_all
from hemenet_lab.protein_mt.settings import BuildSettings


def source_digests(raw: RawFolder, *, workers: int, progress: bool) -> list[str]:
    """SHA-256 over the files of each item, in the order of the items."""
    files = [_files(raw, source) for source in raw.sources]
    title = "Checking raw files"
    return run_all(digest_files, files, workers=workers, title=title, progress=progress)


def origin_of(raw: RawFolder, settings: BuildSettings, digests: Sequence[str]) -> dict[str, Any]:
    """Manifest fields that two stores share if and only if they were made from the same things."""
    structures = hashlib.sha256("".join(digests).encode()).hexdigest()
    files = find_further(raw.path).used(raw, settings.labels)
    labels = {raw.name(path): digest_files([("", path)]) for path in files}
    return {
        "settings": settings.to_dict(),
        "sources": {
            "label_files": labels,
            "structures": {"items": len(raw.sources), "sha256": structures},
        },
        "synthetic": raw.synthetic,
        "code_version": code_version(),
    }


def digest_files(files: Sequence[tuple[str, Path]]) -> str:
    """SHA-256 over the names and contents of files.

    Args:
        files: Name (the same on every machine) and path of each.
    """
    total = hashlib.sha256()
    for name, path in files:
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").digest()
        total.update(name.encode() + b"\0" + content)
    return total.hexdigest()


def code_version() -> str:
    """Version of this package; ``source`` where it is used without being installed."""
    try:
        return importlib.metadata.version("hemenet-lab")
    except importlib.metadata.PackageNotFoundError:
        return "source"


def _files(raw: RawFolder, source: Source) -> list[tuple[str, Path]]:
    paths = (source.structure, *source.ligands, *source.others)
    return [(raw.name(path), path) for path in paths]
