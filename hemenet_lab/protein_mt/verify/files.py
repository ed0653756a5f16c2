"""Checks of a store's files: all there, unchanged, and described by the manifest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from hemenet_lab.protein_mt.verify.check import Check, check
from hemenet_lab.protein_mt.verify.raw_store import RawStore

OWN_FIELDS = ("format", "format_version", "num_entries", "tasks", "splits", "files")
"""Manifest fields that the content hash covers."""


def check_files(store: RawStore) -> Iterator[Check]:
    """Sizes and SHA-256 of every file, and the hash over them."""
    yield check("files", "files are those of the manifest", len(store.files), _faults(store))
    record = {name: store.manifest.get(name) for name in OWN_FIELDS}
    text = json.dumps(record, sort_keys=True, ensure_ascii=False)
    found, said = hashlib.sha256(text.encode()).hexdigest(), store.manifest.get("hash")
    wrong = [] if found == said else [f"the manifest gives {said}, its content {found}"]
    yield check("files", "hash of the manifest", 1, wrong)
    tables = store.manifest.get("tables", {})
    faults = [
        f"{name} is missing or was changed"
        for name, digest in tables.items()
        if _digest(store.path / name) != digest
    ]
    yield check("files", "tables are those of the manifest", len(tables), faults)


def _faults(store: RawStore) -> Iterator[str]:
    for name, said in store.files.items():
        path = store.path / name
        if not path.is_file():
            yield f"{name} is missing"
        elif path.stat().st_size != said["bytes"]:
            yield f"{name} has {path.stat().st_size} bytes, the manifest says {said['bytes']}"
        elif _digest(path) != said["sha256"]:
            yield f"{name} was changed: its SHA-256 is not that of the manifest"
    for path in sorted(store.path.glob("*.npy")):
        if path.name not in store.files:
            yield f"{path.name} is not in the manifest"


def _digest(path: Path) -> str:
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
