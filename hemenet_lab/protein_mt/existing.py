"""A store that is there already: is it the same, may it be replaced, and how it is put in place."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hemenet_lab.data.store_fields import FORMAT, FORMAT_VERSION, MANIFEST
from hemenet_lab.protein_mt.counts import CHAINS_FILE, ENTRIES_FILE
from hemenet_lab.protein_mt.drops import DROPS_FILE

PARTIAL = ".partial"
"""Folder in the store's place that holds what an unfinished build has read."""
TABLES = (DROPS_FILE, ENTRIES_FILE, CHAINS_FILE)


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
    moved = all(name.endswith(".npy") or name in TABLES for name in others)
    if others and not (moved and (out / PARTIAL).is_dir()):
        raise ValueError(
            f"{out} holds other files ({', '.join(others[:3])}) and no store; "
            "choose an empty or new folder"
        )


def is_up_to_date(out: Path, origin: Mapping[str, Any], *, force: bool) -> bool:
    """Whether the store is there as it would be built.

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
    for path in (*out.glob("*.npy"), *(out / name for name in TABLES)):
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
    """What differs between a store and what would be built, for people."""
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
    files = _read(out / MANIFEST).get("files", {})
    whole = all((out / name).is_file() for name in (*files, *TABLES))
    return whole and all(
        (out / name).stat().st_size == file["bytes"] for name, file in files.items()
    )
