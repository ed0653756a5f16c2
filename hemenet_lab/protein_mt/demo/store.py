"""The demo's store in the user's cache: written and built once, safely with several processes."""

from __future__ import annotations

import shutil
from pathlib import Path

from filelock import FileLock

from hemenet_lab.data.cache_folder import cache_folder
from hemenet_lab.protein_mt.build import build_store
from hemenet_lab.protein_mt.demo.settings import VERSION
from hemenet_lab.protein_mt.demo.write import write_demo
from hemenet_lab.protein_mt.settings import BuildSettings

_FOLDER = "demo-{size}-v{version}"
BUILD = BuildSettings(min_seq_id=0.5, coverage=0.8)
"""Whole families stay together: their members have 55 to 95 % of their residues in common."""


def demo_store(cache: Path | None = None, size: str = "full") -> Path:
    """Folder of the demo's store, made on the first call (about a minute on one core).

    Two processes that start at once write it once: the second waits for the first.

    Args:
        cache: Where it is kept; `cache_folder` by default.
        size: ``full`` or ``tiny``.
    """
    folder = (cache or cache_folder()) / _FOLDER.format(size=size, version=VERSION)
    raw, store = folder / "raw", folder / "store"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "lock"):
        if not (raw / "SYNTHETIC").exists():
            print(f"Making the synthetic demo data in {folder}, once; about a minute", flush=True)
            draft = folder / "raw.draft"
            shutil.rmtree(draft, ignore_errors=True)
            write_demo(draft, size)
            draft.rename(raw)
        # the same raw files, settings and code: nothing is built anew
        build_store(raw, store, settings=BUILD, force=True)
    return store


def tiny_store(cache: Path | None = None) -> Path:
    """The store of the tiny demo (24 entries with labels of all six tasks), for tests."""
    return demo_store(cache, size="tiny")


def demo_stores(cache: Path | None = None) -> list[Path]:
    """Stores of the demo that are in the cache already, of any size and version."""
    pattern = f"{_FOLDER.format(size='*', version='*')}/store"
    return sorted((cache or cache_folder()).glob(pattern))
