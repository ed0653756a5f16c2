"""``hemenet data``: get raw files, build a store from them, show what it holds, and check it."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Literal

from hemenet_lab.protein_mt import BuildSettings, hosts_with, paths_with, sources_text
from hemenet_lab.protein_mt.fetch import FetchSettings, report_text, run_fetch

FAULTY = 1
"""Exit status of a check that found something, and of a fetch after which something is missing."""


def sources(*, mirror: tuple[str, ...] = (), path: tuple[str, ...] = ()) -> None:
    """Print where the raw files come from.

    Args:
        mirror: Another address for a source's host, as NAME=URL; also by HEMENET_MIRRORS.
        path: Another path of a source, as SOURCE=TEMPLATE.
    """
    print(sources_text(hosts_with(list(mirror)), paths_with(list(path))))


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
    raw: Path | None = None,
    out: Path,
    settings: BuildSettings,
    task: Path | None = None,
    table: tuple[Path, ...] = (),
    structures: Path | None = None,
    split_file: Path | None = None,
    pdb_dir: str = "",
    workers: int | None = None,
    executor: str = "",
    force: bool = False,
) -> None:
    """Make a store from raw files, or from one's own tasks, tables and structures.

    Args:
        raw: Folder with the raw files, in the public layouts; own tasks come beside its six.
        out: Folder of the store.
        settings: What the store holds.
        task: YAML file with tasks of one's own.
        table: Tables with their labels: id, chain, value or terms.
        structures: Folder of their structures, whose names are the ids.
        split_file: Table of splits: id, split and perhaps name; the first is the default.
        pdb_dir: Local copy of the PDB, for chains and ids without a file of their own.
        workers: Processes; one per usable core if not given.
        executor: Address of a dask scheduler, such as tcp://host:8786, whose workers read the
            structures in place of processes of this machine.
        force: Replace a different store.
    """
    from hemenet_lab.basics import usable_cores
    from hemenet_lab.protein_mt.build import OwnData, build_store, summary_text
    from hemenet_lab.store import Store

    own = None
    if task is not None or table or structures is not None:
        places = [raw is not None, structures is not None]
        if task is None or not table or all(places) or not (any(places) or pdb_dir):
            raise ValueError(
                "own data need --task and --table, and one of --structures (or --pdb-dir alone) "
                "for structures of your own, and --raw for tasks beside those of a raw folder"
            )
        own = OwnData(task, table, beside=raw is not None)
    folder = raw if structures is None else structures
    if folder is None and own is None:
        raise ValueError("give --raw DIR, or --task, --table and --structures")
    result = build_store(
        folder,
        out,
        workers=usable_cores() if workers is None else workers,
        settings=settings,
        force=force,
        progress=sys.stderr.isatty(),
        own=own,
        split_file=split_file,
        executor=executor,
        pdb_dir=pdb_dir or None,
    )
    if not result.built:
        print(f"{result.path} is up to date: same raw files, same settings; nothing to do")
        return
    print(summary_text(Store(result.path)))


def embed(
    store: str,
    *,
    model: str,
    revision: str | None = None,
    device: str = "",
    batch: int = 8192,
) -> None:
    """Make embeddings of a store's residues by a protein language model.

    They are kept in the store's folder, one row per residue of each different chain, for models
    with node_input ResidueEmbedding. After an interruption the same command goes on. ESM2, ESM-C,
    ProtT5 and SaProt are read.

    Args:
        store: Folder of the store, or the name of an installed one such as demo.
        model: Name on the Hugging Face hub, such as facebook/esm2_t33_650M_UR50D, or a folder.
        revision: Commit on the hub; known for the four ESM2 models up to 650M.
        device: Where to compute, such as cuda or cpu; a GPU if there is one.
        batch: Most residues that go through the model at once.
    """
    from hemenet_lab.embeddings import (
        LanguageModel,
        ModelName,
        embed_store,
        planned_size,
        store_texts,
    )
    from hemenet_lab.store import Store, store_folder

    if batch < 1:
        raise ValueError(f"--batch {batch}: give 1 residue or more (8192 is usual)")
    name, opened = ModelName(model, revision), Store(store_folder(store))
    texts = store_texts(opened)
    if name.width:  # before the weights are fetched
        print(_plan(texts, planned_size(texts, name.width)))
    import torch

    chosen = device or ("cuda" if torch.cuda.is_available() else "cpu")
    loaded = LanguageModel(name, chosen)
    if not name.width:
        print(_plan(texts, planned_size(texts, loaded.width)))
    shown = sys.stderr.isatty()
    print(embed_store(opened, loaded, texts, batch=batch, progress=shown))


def _plan(texts: list[str], size: int) -> str:
    unit, scale = next((u, s) for u, s in (("GB", 1e9), ("MB", 1e6), ("kB", 1.0e3)) if size > s / 2)
    letters = sum(map(len, texts))
    return f"{len(texts)} different chains, {letters} residues: {size / scale:.1f} {unit} of files"


def inspect(store: Path) -> None:
    """Print what a store holds.

    Args:
        store: Folder of the store.
    """
    from hemenet_lab.protein_mt.build import summary_text
    from hemenet_lab.store import Store

    print(summary_text(Store(store)))


def export(store: Path, *, format: Literal["parquet", "pyg", "csv"], out: Path) -> None:
    """Write a store in a format that other programs read.

    Args:
        store: Folder of the store.
        format: Tables as Parquet or CSV, or dictionaries of tensors for PyTorch Geometric.
        out: New folder for the files.
    """
    from hemenet_lab.store import Store, export_store

    files = export_store(Store(store), out, format)
    print(f"{out}: {', '.join(path.name for path in files)}")


def verify(store: Path, *, raw: Path | None = None, table: tuple[Path, ...] = ()) -> int:
    """Check a store, with code that the build does not use.

    Args:
        store: Folder of the store.
        raw: Derive the labels from its raw files again.
        table: Derive the labels of own tasks from these tables again.
    """
    from hemenet_lab.protein_mt.verify import table as text_of
    from hemenet_lab.protein_mt.verify import verify_store

    checks = verify_store(store, raw, table)
    print(text_of(checks))
    return FAULTY if any(found.faults for found in checks) else 0
