"""Items that a build has read already, one file each, so that a killed build can go on."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import astuple
from functools import cache
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from hemenet_lab.data.entry import Entry
from hemenet_lab.data.store_fields import ATOM_FIELDS, NODE_FIELDS
from hemenet_lab.protein_mt.drops import DropRow
from hemenet_lab.protein_mt.read_entry import ReadResult

ARRAYS = tuple(field.name for field in (*NODE_FIELDS, *ATOM_FIELDS))
_READING_CODE = (
    *("structures/*.py", "data/convert.py", "data/entry.py"),
    *("protein_mt/read*.py", "protein_mt/select_chain.py"),
)


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
        "entry": [entry.id, entry.kind, entry.chain_names] if entry else None,
    }
    arrays = {name: getattr(entry, name) for name in ARRAYS} if entry else {}
    draft = path.with_name(f".{path.name}.{os.getpid()}")
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
            entry = Entry(id=name, kind=kind, chain_names=tuple(chains), **arrays)
    rows = tuple(DropRow(*row) for row in meta["drops"])
    return ReadResult(entry, rows, tuple(meta["notes"]), meta["date"], meta["fingerprint"])


def is_current(path: Path, signature: str) -> bool:
    """Whether a whole file is there that was made from the same raw files, settings and code."""
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
def code_digest() -> str:
    """Digest of the code that reads items, so that nothing read by older code is used."""
    package = Path(__file__).parents[1]
    files = sorted(path for pattern in _READING_CODE for path in package.glob(pattern))
    texts = [path.read_bytes() for path in files]
    return hashlib.sha256(b"\0".join(texts)).hexdigest()
