"""Resuming and replacing: items read before, and a store that is there already."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
from collections.abc import Mapping
from dataclasses import astuple
from functools import cache
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from hemenet_lab.basics import file_digest
from hemenet_lab.protein_mt.build.write import TABLE_FILES
from hemenet_lab.protein_mt.raw import DropRow, ReadResult
from hemenet_lab.store import (
    ATOM_FIELDS,
    FORMAT,
    FORMAT_VERSION,
    MANIFEST,
    NODE_FIELDS,
    OPTIONAL_NODE_FIELDS,
    Entry,
)

ARRAYS = tuple(field.name for field in (*NODE_FIELDS, *ATOM_FIELDS, *OPTIONAL_NODE_FIELDS))
READING_CODE = ("structures", "store", "protein_mt/raw")
"""Folders of the package whose code decides what is read of an item."""


def result_file(item: str) -> str:
    """Name of the file of an item's result.

    A digest, since ids such as ``6HHQ-h`` and ``6HHQ-H`` are one file name where the file system
    does not tell capitals from small letters.
    """
    return f"{hashlib.sha256(item.encode()).hexdigest()[:32]}.npz"


def save_result(path: Path, result: ReadResult, signature: str) -> None:
    """Writes a result; the file appears whole or not at all."""
    entry = result.entry
    meta: dict[str, Any] = {
        "signature": signature,
        "drops": [astuple(row) for row in result.drops],
        "notes": result.notes,
        "date": result.date,
        "fingerprint": result.fingerprint,
        "smiles": result.smiles,
        "entry": [entry.id, entry.kind, entry.chain_names] if entry else None,
        "sequences": entry.chain_sequence if entry else (),
    }
    arrays = {name: getattr(entry, name) for name in ARRAYS} if entry else {}
    # machines that share the folder may be at the same item, if one of them was thought dead
    draft = path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}")
    with draft.open("wb") as file:
        np.savez(file, allow_pickle=False, meta=np.array(json.dumps(meta)), **arrays)
    os.replace(draft, path)


def load_result(path: Path) -> ReadResult:
    """Reads a result back."""
    with np.load(path, allow_pickle=False) as file:
        meta = json.loads(str(file["meta"]))
        entry = None
        if meta["entry"]:
            name, kind, chains = meta["entry"]
            arrays = {array: file[array] for array in ARRAYS}
            texts = tuple(meta["sequences"])
            entry = Entry(
                id=name, kind=kind, chain_names=tuple(chains), chain_sequence=texts, **arrays
            )
    rows = tuple(DropRow(*row) for row in meta["drops"])
    notes = tuple(meta["notes"])
    # results written before SMILES were kept have none
    smiles = meta.get("smiles", "")
    return ReadResult(entry, rows, notes, meta["date"], meta["fingerprint"], smiles)


def is_current(path: Path, signature: str) -> bool:
    """Check for a whole file that was made from the same raw files, settings and code."""
    if not path.is_file():
        return False
    try:
        # numpy leaves a damaged file open if it opens it itself
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            return bool(json.loads(str(file["meta"]))["signature"] == signature)
    except (OSError, EOFError, ValueError, KeyError, BadZipFile):
        # a power cut can leave a file of the right name without its content
        return False


def signature_of(*parts: object) -> str:
    """One text for everything that decides how an item is read."""
    return hashlib.sha256(json.dumps([code_digest(), *parts]).encode()).hexdigest()


@cache
def code_digest(package: Path = Path(__file__).parents[2]) -> str:
    """Digest of the code that reads items, so that nothing read by older code is used.

    Whole folders count, since the name of a file says nothing about what it does.

    Args:
        package: Folder of the package ``hemenet_lab``.
    """
    total = hashlib.sha256()
    for folder in READING_CODE:
        files = sorted((package / folder).rglob("*.py"))
        assert files, f"{package / folder} holds no code; was the folder moved?"
        for path in files:
            name = path.relative_to(package).as_posix()
            total.update(name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


PARTIAL = ".partial"
"""Folder in the store's place that holds what an unfinished build has read."""


def check_folder(out: Path) -> None:
    """Nothing but a store, whole or unfinished, may lie where a store is to be built.

    Raises:
        ValueError: The path is a file, or a folder with other files.
    """
    if not out.exists() or (out / MANIFEST).is_file():
        return
    if not out.is_dir():
        raise ValueError(f"{out} is a file; give the folder that the store is to be")
    others = sorted(path.name for path in out.iterdir() if path.name != PARTIAL)
    moved = all(name.endswith(".npy") or name in TABLE_FILES for name in others)
    if others and not (moved and (out / PARTIAL).is_dir()):
        raise ValueError(
            f"{out} holds other files ({', '.join(others[:3])}) and no store; "
            "choose an empty or new folder"
        )


def is_up_to_date(out: Path, origin: Mapping[str, Any], *, force: bool) -> bool:
    """Check that the store is there as it would be built.

    Args:
        out: Folder of the store.
        origin: What the store would be made from (`origin.origin_of`).
        force: Whether another store may be replaced.

    Raises:
        ValueError: The folder holds another store and ``force`` is not set; says what differs.
    """
    manifest = out / MANIFEST
    if not manifest.is_file():
        return False
    differences = _differences(_read(manifest), origin)
    if differences and not force:
        raise ValueError(
            f"{out} holds a store that was built otherwise ({'; '.join(differences)}); "
            "replace it with --force, or choose another folder"
        )
    return not differences and _is_whole(out)


def put_in_place(draft: Path, out: Path) -> None:
    """Moves the files of a finished store into its folder, in place of an earlier store's.

    The manifest, without which a folder is no store, goes first from the old and comes last.
    """
    (out / MANIFEST).unlink(missing_ok=True)
    for path in (*out.glob("*.npy"), *(out / name for name in TABLE_FILES)):
        path.unlink(missing_ok=True)
    names = sorted(path.name for path in draft.iterdir())
    for name in sorted(names, key=lambda name: (name == MANIFEST, name)):
        (draft / name).replace(out / name)
    shutil.rmtree(draft)


def _read(manifest: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(manifest.read_text(encoding="utf-8")))
    except ValueError as error:
        raise ValueError(
            f"{manifest} is not readable ({error}); remove its folder and build again"
        ) from error


def _differences(old: Mapping[str, Any], origin: Mapping[str, Any]) -> list[str]:
    """List the differences between a store and what would be built, for people."""
    form = (old.get("format"), old.get("format_version"))
    if form != (FORMAT, FORMAT_VERSION):
        return [f"format {form[0]} version {form[1]} instead of {FORMAT_VERSION}"]
    found = []
    before = old.get("settings", {})
    for name, value in origin["settings"].items():
        if before.get(name) != value:
            found.append(f"{name} {before.get(name)} instead of {value}")
    if (old.get("sources"), old.get("synthetic")) != (origin["sources"], origin["synthetic"]):
        found.append("other raw files")
    if old.get("code_version") != origin["code_version"]:
        found.append(f"program version {old.get('code_version')}")
    return found


def _is_whole(out: Path) -> bool:
    """Check that all arrays have their sizes, and all tables (which may be cut) their contents."""
    manifest = _read(out / MANIFEST)
    files, tables = manifest.get("files", {}), manifest.get("tables", {})
    if not all((out / name).is_file() for name in (*files, *TABLE_FILES)):
        return False
    sizes = all((out / name).stat().st_size == file["bytes"] for name, file in files.items())
    return sizes and all(file_digest(out / name) == tables.get(name) for name in TABLE_FILES)
