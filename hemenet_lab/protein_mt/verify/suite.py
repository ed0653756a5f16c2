"""All checks of a store: its files first, then what they hold."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from hemenet_lab.protein_mt.verify.against_raw import check_raw
from hemenet_lab.protein_mt.verify.doubts import check_doubts
from hemenet_lab.protein_mt.verify.labels import check_labels
from hemenet_lab.protein_mt.verify.own import check_own
from hemenet_lab.protein_mt.verify.residues import check_residues
from hemenet_lab.protein_mt.verify.splits import check_splits
from hemenet_lab.protein_mt.verify.store import Check, RawStore, check
from hemenet_lab.protein_mt.verify.structures import check_offsets, check_structures

OWN_FIELDS = ("format", "format_version", "num_entries", "tasks", "splits", "files")
"""Manifest fields that the content hash covers."""
CHECKSUM = "checksum"
"""Manifest field with the SHA-256 over all other fields; older stores do not have it."""


def verify_store(
    path: str | Path, raw: str | Path | None = None, tables: Sequence[Path] = ()
) -> list[Check]:
    """Checks a store with code of its own, which the build does not use.

    A damaged store ends in checks with faults, never in another error.

    Args:
        path: Folder of the store.
        raw: Raw folder that it was built from; its labels are then derived once more and compared.
        tables: Tables of own tasks' labels that it was built from; the same for these.

    Raises:
        ValueError: No store whose manifest can be read, or no raw folder.
    """
    store = RawStore(path)
    if raw is not None and not Path(raw).is_dir():
        raise ValueError(f"the raw folder {raw} does not exist")
    checks = list(_guarded("files", lambda: _check_files(store)))
    offsets = list(_guarded("structures", lambda: iter([check_offsets(store)])))
    checks += offsets
    if any(found.faults for found in offsets):
        return checks  # without them, no row can be told to belong to an entry
    checks += _guarded("structures", lambda: check_structures(store))
    checks += _guarded("labels", lambda: check_labels(store))
    checks += _guarded("labels", lambda: check_doubts(store))
    checks += _guarded("splits", lambda: check_splits(store))
    if raw is not None:
        folder = Path(raw)
        checks += _guarded("raw", lambda: check_raw(store, folder))
        checks += _guarded("raw", lambda: check_residues(store, folder))
    if tables:
        checks += _guarded("raw", lambda: check_own(store, tables))
    return checks


def _guarded(group: str, checks: Callable[[], Iterator[Check]]) -> Iterator[Check]:
    """Makes the checks of a group; one that a damaged store does not allow is a fault itself."""
    try:
        yield from checks()
    except Exception as error:  # wrong bytes can make any step fail, in any way
        fault = f"{type(error).__name__}: {error}"
        yield check(group, "the rest could be checked", 1, [fault])


def _check_files(store: RawStore) -> Iterator[Check]:
    """Compares sizes and SHA-256 of every file, and the hashes over the manifest."""
    yield check("files", "files are those of the manifest", len(store.files), _faults(store))
    yield check("files", "hash of the manifest", 1, _manifest_faults(store))
    tables = store.manifest.get("tables", {})
    faults = [
        f"{name} is missing or was changed"
        for name, digest in tables.items()
        if _digest(store.path / name) != digest
    ]
    yield check("files", "tables are those of the manifest", len(tables), faults)
    yield _drops(store)


def _faults(store: RawStore) -> Iterator[str]:
    for name, said in store.files.items():
        path = store.path / name
        if "/" in name or "\\" in name:
            yield f"the manifest names {name!r}, which is no file of a store"
        elif not path.is_file():
            yield f"{name} is missing"
        elif path.stat().st_size != said.get("bytes"):
            yield f"{name} has {path.stat().st_size} bytes, the manifest says {said.get('bytes')}"
        elif _digest(path) != said.get("sha256"):
            yield f"{name} was changed: its SHA-256 is not that of the manifest"
    for path in sorted(store.path.glob("*.npy")):
        if path.name not in store.files:
            yield f"{path.name} is not in the manifest"


def _manifest_faults(store: RawStore) -> Iterator[str]:
    """Differences of the content hash, and of the checksum over everything where there is one."""
    own = {name: store.manifest.get(name) for name in OWN_FIELDS}
    if _sha256(own) != (said := store.manifest.get("hash")):
        yield f"the manifest gives the hash {said}, its content {_sha256(own)}"
    rest = {name: value for name, value in store.manifest.items() if name != CHECKSUM}
    said = store.manifest.get(CHECKSUM)
    if CHECKSUM in store.manifest and said != _sha256(rest):
        yield f"the manifest gives the checksum {said}, its content {_sha256(rest)}"


def _drops(store: RawStore) -> Check:
    """Compares the manifest's numbers of drops with ``drops.csv``."""
    rows = store.table("drops.csv")
    found: dict[str, dict[str, int]] = {}
    for row in rows:
        reasons = found.setdefault(row["stage"], {})
        reason = row["reason"].partition(":")[0]  # the rest is detail
        reasons[reason] = reasons.get(reason, 0) + int(row["count"])
    said = store.manifest.get("drops")
    faults = [] if said is None or said == found else ["drops.csv has other numbers of drops"]
    return check("files", "drops are counted in the manifest", len(rows), faults)


def _sha256(record: dict[str, object]) -> str:
    text = json.dumps(record, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", errors="surrogatepass")).hexdigest()


def _digest(path: Path) -> str:
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
