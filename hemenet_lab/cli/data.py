"""``hemenet data``: get raw files, build a store from them, show what it holds, and check it."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Literal

from hemenet_lab.protein_mt.fetch.options import FetchOptions
from hemenet_lab.protein_mt.fetch.session import Policy
from hemenet_lab.protein_mt.settings import BuildSettings
from hemenet_lab.protein_mt.sources import hosts_with, sources_text

FETCH = FetchOptions()
FAULTY = 1
"""Exit status of a check that found something, and of a fetch after which something is missing."""


def sources(*, mirror: tuple[str, ...] = ()) -> None:
    """Print where the raw files come from.

    Args:
        mirror: Another address for a source, as NAME=URL; also by HEMENET_MIRRORS.
    """
    print(sources_text(hosts_with(list(mirror))))


def fetch(
    *,
    out: Path,
    format: Literal["bcif", "cif"] = "bcif",
    ids: Path | None = None,
    pdbbind: Path | None = None,
    affinity_table: Path | None = None,
    ligand_set: Literal["refined", "general"] = "refined",
    copy: bool = False,
    workers: int = FETCH.workers,
    rate: float = FETCH.policy.rate,
    attempts: int = FETCH.policy.attempts,
    timeout: float = FETCH.policy.timeout,
    mirror: tuple[str, ...] = (),
) -> int:
    """Get the raw files from the public sources.

    Args:
        out: Folder for the raw files.
        format: Of structures.
        ids: File with the only PDB codes or chains (1ABC-A) that are wanted.
        pdbbind: Folder of PDBbind's unpacked archives.
        affinity_table: CSV of complexes to take from the PDB, with affinities.
        ligand_set: Complexes of PDBbind.
        copy: Copy PDBbind's files, do not link.
        workers: Transfers side by side.
        rate: Requests per second.
        attempts: Most requests for each file.
        timeout: Seconds without an answer.
        mirror: Another address for a source, as NAME=URL; also by HEMENET_MIRRORS.
    """
    from hemenet_lab.protein_mt.fetch.benchmark import fetch_benchmark
    from hemenet_lab.protein_mt.fetch.report import report_text

    options = FetchOptions(
        format=format,
        ids=ids,
        pdbbind=pdbbind,
        ligand_set=ligand_set,
        copy=copy,
        affinity_table=affinity_table,
        workers=workers,
        policy=Policy(rate=rate, attempts=attempts, timeout=timeout),
        hosts=hosts_with(list(mirror)),
        progress=sys.stderr.isatty(),
    )
    result = fetch_benchmark(out, options)
    print(report_text(result, _fetch_command(out, options, mirror)))
    return 0 if result.complete else FAULTY


def _fetch_command(out: Path, options: FetchOptions, mirror: tuple[str, ...]) -> str:
    """The command that goes on with the same folder and the same options."""
    words = ["hemenet", "data", "fetch", "--out", str(out)]
    for name in ("format", "ids", "pdbbind", "affinity_table", "ligand_set", "workers"):
        value = getattr(options, name)
        if value != getattr(FETCH, name):
            words += [f"--{name.replace('_', '-')}", str(value)]
    for name in ("rate", "attempts", "timeout"):
        value = getattr(options.policy, name)
        if value != getattr(FETCH.policy, name):
            words += [f"--{name}", str(value)]
    words += ["--copy"] if options.copy else []
    for each in mirror:
        words += ["--mirror", each]
    return shlex.join(words)


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
    from hemenet_lab.data.store import Store
    from hemenet_lab.protein_mt.build import build_store, default_workers
    from hemenet_lab.protein_mt.summary import summary_text

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
    from hemenet_lab.data.store import Store
    from hemenet_lab.protein_mt.summary import summary_text

    print(summary_text(Store(store)))


def verify(store: Path, *, raw: Path | None = None) -> int:
    """Check a store, with code that the build does not use.

    Args:
        store: Folder of the store.
        raw: Derive the labels from its raw files again.
    """
    from hemenet_lab.protein_mt.verify.check import table
    from hemenet_lab.protein_mt.verify.store import verify_store

    checks = verify_store(store, raw)
    print(table(checks))
    return FAULTY if any(found.faults for found in checks) else 0
