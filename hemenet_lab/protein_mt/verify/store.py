"""All checks of a store, in an order in which later ones can trust earlier ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from hemenet_lab.protein_mt.verify.against_raw import check_raw
from hemenet_lab.protein_mt.verify.check import Check, check
from hemenet_lab.protein_mt.verify.files import check_files
from hemenet_lab.protein_mt.verify.labels import check_labels
from hemenet_lab.protein_mt.verify.raw_store import RawStore
from hemenet_lab.protein_mt.verify.splits import check_splits
from hemenet_lab.protein_mt.verify.structures import check_offsets, check_structures


def verify_store(path: str | Path, raw: str | Path | None = None) -> list[Check]:
    """Checks a store with code of its own, which the build does not use.

    Args:
        path: Folder of the store.
        raw: Raw folder that it was built from; its labels are then derived once more and compared.

    Raises:
        ValueError: No store, or no raw folder.
    """
    store = RawStore(path)
    if raw is not None and not Path(raw).is_dir():
        raise ValueError(f"the raw folder {raw} does not exist")
    checks = list(_guarded("files", lambda: check_files(store)))
    offsets = list(_guarded("structures", lambda: iter([check_offsets(store)])))
    checks += offsets
    if any(found.faults for found in offsets):
        return checks  # without them, no row can be told to belong to an entry
    checks += _guarded("structures", lambda: check_structures(store))
    checks += _guarded("labels", lambda: check_labels(store))
    checks += _guarded("splits", lambda: check_splits(store))
    if raw is not None:
        folder = Path(raw)
        checks += _guarded("raw", lambda: check_raw(store, folder))
    return checks


def _guarded(group: str, checks: Callable[[], Iterator[Check]]) -> Iterator[Check]:
    """The checks of a group; one that cannot be made on a damaged store is a fault itself."""
    try:
        yield from checks()
    except (ValueError, IndexError, KeyError, TypeError) as error:
        yield check(group, "the rest could be checked", 1, [f"{type(error).__name__}: {error}"])
