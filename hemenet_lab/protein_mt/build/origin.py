"""Origin of a store: settings, contents of the raw files, version of the program."""

from __future__ import annotations

import hashlib
import importlib.metadata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from hemenet_lab.protein_mt import BuildSettings
from hemenet_lab.protein_mt.build.parallel import run_all
from hemenet_lab.protein_mt.raw import RawFolder, Source, find_further


def source_digests(
    raw: RawFolder, *, workers: int, progress: bool, executor: str = ""
) -> list[str]:
    """SHA-256 over the files of each item, in the order of the items; each file is read once."""
    files = [_files(source) for source in raw.sources]
    paths = list(dict.fromkeys(path for of_item in files for path in of_item))
    title = "Checking raw files"
    digests = run_all(
        file_digest, paths, workers=workers, title=title, progress=progress, executor=executor
    )
    digest_of = dict(zip(paths, digests, strict=True))
    return [_joined((raw.name(path), digest_of[path]) for path in of_item) for of_item in files]


def origin_of(
    raw: RawFolder, settings: BuildSettings, digests: Sequence[str], given: Sequence[Path] = ()
) -> dict[str, Any]:
    """Manifest fields that two stores share if and only if they were made from the same things.

    Args:
        raw: The raw files.
        settings: What the store holds.
        digests: Result of `source_digests`.
        given: Further files: own tasks, tables and splits.
    """
    structures = hashlib.sha256("".join(digests).encode()).hexdigest()
    files = find_further(raw.path).used(raw, settings.labels)
    labels = {raw.name(path): _joined([("", file_digest(path))]) for path in files}
    return {
        "settings": settings.to_dict(),
        "sources": {
            "label_files": labels,
            **(
                {"given_files": {path.name: _joined([("", file_digest(path))]) for path in given}}
                if given
                else {}
            ),
            "structures": {"items": len(raw.sources), "sha256": structures},
        },
        "synthetic": raw.synthetic,
        "code_version": code_version(),
    }


def file_digest(path: Path) -> bytes:
    """SHA-256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def code_version() -> str:
    """Version of this package; ``source`` where it is used without being installed."""
    try:
        return importlib.metadata.version("hemenet-lab")
    except importlib.metadata.PackageNotFoundError:
        return "source"


def _files(source: Source) -> tuple[Path, ...]:
    return (source.structure, *source.ligands, *source.others)


def _joined(files: Iterable[tuple[str, bytes]]) -> str:
    """SHA-256 over the names (the same on every machine) and contents of files."""
    total = hashlib.sha256()
    for name, content in files:
        total.update(name.encode() + b"\0" + content)
    return total.hexdigest()
