"""Manifest of a store, and what is checked when it is opened."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hemenet_lab.basics import file_digest
from hemenet_lab.store.fields import (
    CHECKSUM,
    FORMAT,
    FORMAT_VERSION,
    LARGE,
    MANIFEST,
    StoreError,
    checksum,
    content_hash,
)
from hemenet_lab.tasks import Task

DIGITS = 64
"""Of a SHA-256 in hexadecimal."""
FIELD_TYPES = {"num_entries": int, "tasks": list, "splits": list, "files": dict, "hash": str}
"""Fields of the manifest without which a store cannot be read."""


def read_manifest(path: Path) -> dict[str, Any]:
    file = path / MANIFEST
    if not file.is_file():
        raise StoreError(
            f"{path} is not a store (it has no {MANIFEST}); build one with "
            "`hemenet data build --raw DIR --out DIR`, or use the root `demo`"
        )
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
        found = (manifest.get("format"), manifest.get("format_version"))
    except (ValueError, AttributeError, RecursionError) as error:
        raise StoreError(f"{file} is not readable ({error}); build the store again") from error
    if found != (FORMAT, FORMAT_VERSION):
        raise StoreError(
            f"{path} has the format {found[0]} version {found[1]}, this program reads "
            f"{FORMAT} version {FORMAT_VERSION}; build the store again with this version"
        )
    for name, kind in FIELD_TYPES.items():
        if not isinstance(manifest.get(name), kind):
            raise StoreError(
                f"{file}: {name} is {str(manifest.get(name))[:40]!r}, expected {kind.__name__}; "
                "the file is damaged: build the store again"
            )
    if content_hash(manifest) != manifest["hash"]:
        raise StoreError(
            f"{file} was changed: its content is not that of its hash {manifest['hash'][:12]}…; "
            "build the store again"
        )
    if not _has_own_checksum(manifest):
        raise StoreError(
            f"{file} was changed or is damaged: it does not have its own checksum; copy the store "
            "again, or build it again"
        )
    return dict(manifest)


def _has_own_checksum(manifest: dict[str, Any]) -> bool:
    """Check the checksum over all fields, which stores of before do not have."""
    if CHECKSUM in manifest:
        return checksum(manifest) == manifest[CHECKSUM]
    # a changed letter in the field's name must not make the store one of before
    for name, value in manifest.items():
        rest = {other: manifest[other] for other in manifest if other != name}
        if isinstance(value, str) and len(value) == DIGITS and checksum(rest) == value:
            return False
    return True


def read_tasks(path: Path, manifest: dict[str, Any]) -> tuple[Task, ...]:
    try:
        return tuple(Task.from_dict(record) for record in manifest["tasks"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise StoreError(
            f"{path / MANIFEST}: its tasks are not readable ({error!r}); build the store again"
        ) from error


def check_sizes(path: Path, files: dict[str, dict[str, Any]]) -> None:
    for name, expected in files.items():
        file = path / name
        size = file.stat().st_size if file.is_file() else None
        if size != expected["bytes"]:
            found = "missing" if size is None else f"{size} bytes long"
            raise StoreError(
                f"{file} is {found}, the manifest says {expected['bytes']} bytes; "
                "the store is incomplete: copy or build it again"
            )


TABLES_READ = ("entries.csv", "chains.csv")
"""Tables that programs read, for groups and clusters."""


def check_small(path: Path, manifest: dict[str, Any]) -> None:
    """Raises `StoreError` unless all arrays but the `LARGE` ones, and tables, are as written."""
    large = {f"{field.name}.npy" for field in LARGE}
    wanted = {name: said.get("sha256") for name, said in manifest["files"].items()}
    tables = manifest.get("tables")
    tables = tables if isinstance(tables, dict) else {}
    wanted |= {name: digest for name, digest in tables.items() if name in TABLES_READ}
    for name, digest in wanted.items():
        if name not in large and _digest_of(path / name) != digest:
            raise StoreError(
                f"{path / name} was changed or is damaged: its SHA-256 is not that of the "
                "manifest; copy the store again, or build it again"
            )


def _digest_of(path: Path) -> str:
    return file_digest(path) if path.is_file() else "missing"
