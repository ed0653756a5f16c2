"""Faults for the checker to find: arrays and tables of a store are changed, and sealed again."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from hemenet_lab.protein_mt.verify import verify_store
from hemenet_lab.protein_mt.verify.suite import CHECKSUM, OWN_FIELDS

Array = np.ndarray[Any, Any]


def faults(store: Path, raw: Path | None = None) -> dict[str, tuple[str, ...]]:
    return {found.name: found.faults for found in verify_store(store, raw) if found.faults}


def reseal(store: Path) -> None:
    """Makes the manifest fit the files again, so that only what they say can give a fault away."""
    manifest = json.loads((store / "manifest.json").read_text(encoding="utf-8"))
    for name in manifest["files"]:
        content = (store / name).read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        manifest["files"][name] = {"bytes": len(content), "sha256": digest}
    for name in manifest["tables"]:
        manifest["tables"][name] = hashlib.sha256((store / name).read_bytes()).hexdigest()
    manifest["hash"] = sha256({name: manifest[name] for name in OWN_FIELDS})
    manifest.pop(CHECKSUM, None)
    manifest[CHECKSUM] = sha256(manifest)
    (store / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


def sha256(record: dict[str, Any]) -> str:
    text = json.dumps(record, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def edit(store: Path, name: str, change: Callable[[Array], Array | None]) -> None:
    """Changes one array in place (or replaces it by what the function returns), and reseals."""
    array = np.load(store / f"{name}.npy")
    changed = change(array)
    np.save(store / f"{name}.npy", array if changed is None else changed)
    reseal(store)


def put(place: Any, value: Any) -> Callable[[Array], None]:
    def change(array: Array) -> None:
        array[place] = value

    return change


def move(store: Path, split: str, entry: str, part: int) -> None:
    """Puts an entry into another part, in the array and in the table."""
    with (store / "entries.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    place = [row["id"] for row in rows].index(entry)
    rows[place][split] = ("train", "val", "test", "unused")[part]
    with (store / "entries.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    edit(store, f"split_{split}", put(place, part))
