"""``hemenet data``: get raw files, build a store from them, show what it holds, and check it."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from hemenet_lab.protein_mt import BuildSettings, hosts_with, sources_text
from hemenet_lab.protein_mt.fetch import FetchSettings, report_text, run_fetch

FAULTY = 1
"""Exit status of a check that found something, and of a fetch after which something is missing."""


def sources(*, mirror: tuple[str, ...] = ()) -> None:
    """Print where the raw files come from.

    Args:
        mirror: Another address for a source, as NAME=URL; also by HEMENET_MIRRORS.
    """
    print(sources_text(hosts_with(list(mirror))))


def fetch(*, settings: FetchSettings) -> int:
    """Get the raw files from the public sources.

    Args:
        settings: What to get, and how.
    """
    settings = replace(settings, progress=settings.progress or sys.stderr.isatty())
    result = run_fetch(settings)
    print(report_text(result))
    return 0 if result.complete else FAULTY


def build(
    *,
    raw: Path,
    out: Path,
    settings: BuildSettings,
    workers: int | None = None,
    force: bool = False,
) -> None:
    """Make a store from raw files.

    Args:
        raw: Folder with the raw files.
        out: Folder of the store.
        settings: What the store holds.
        workers: Processes; one per usable core if not given.
        force: Replace a different store.
    """
    from hemenet_lab.protein_mt.build import build_store, default_workers, summary_text
    from hemenet_lab.store import Store

    result = build_store(
        raw,
        out,
        workers=default_workers() if workers is None else workers,
        settings=settings,
        force=force,
        progress=sys.stderr.isatty(),
    )
    if not result.built:
        print(f"{result.path} is up to date: same raw files, same settings; nothing to do")
        return
    print(summary_text(Store(result.path)))


def inspect(store: Path) -> None:
    """Print what a store holds.

    Args:
        store: Folder of the store.
    """
    from hemenet_lab.protein_mt.build import summary_text
    from hemenet_lab.store import Store

    print(summary_text(Store(store)))


def verify(store: Path, *, raw: Path | None = None) -> int:
    """Check a store, with code that the build does not use.

    Args:
        store: Folder of the store.
        raw: Derive the labels from its raw files again.
    """
    from hemenet_lab.protein_mt.verify import table, verify_store

    checks = verify_store(store, raw)
    print(table(checks))
    return FAULTY if any(found.faults for found in checks) else 0
