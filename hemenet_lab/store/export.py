"""Export of a store into formats that other programs read: Parquet, CSV, and files for PyG."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hemenet_lab.basics import csv_cell
from hemenet_lab.store.entry import WHOLE, Entry
from hemenet_lab.store.fields import ATOM_FIELDS, FORMAT_VERSION, StoreError
from hemenet_lab.store.frames import TABLES
from hemenet_lab.store.reader import Store

if TYPE_CHECKING:
    import pandas as pd

ABOUT = "tasks.json"
"""Tasks with their terms, splits, and the hash of the store, beside the exported tables."""
CHUNK = 1_000
"""Entries that are written together, so that memory stays flat."""


def export_store(store: Store, out: str | Path, form: str) -> list[Path]:
    """Writes a store in another format; the folder appears whole or not at all.

    Args:
        store: The store.
        out: Folder, which must not hold anything yet.
        form: One of `FORMATS`.

    Returns:
        The files.

    Raises:
        ValueError: Another format, or a folder that holds something.
    """
    out = Path(out)
    if form not in FORMATS:
        raise ValueError(f"format {form!r}; allowed: {', '.join(FORMATS)}")
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise StoreError(f"{out} exists already; remove it or choose another folder")
    out.parent.mkdir(parents=True, exist_ok=True)
    draft = out.parent / f".{out.name}.{os.getpid()}.partial"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    try:
        FORMATS[form](store, draft)
        text = json.dumps(_about(store), indent=1, ensure_ascii=False)
        (draft / ABOUT).write_text(text + "\n", encoding="utf-8")
        draft.rename(out)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return sorted(out.iterdir())


def _about(store: Store) -> dict[str, Any]:
    return {
        "store": store.hash,
        "format_version": FORMAT_VERSION,
        "entries": len(store),
        "splits": list(store.split_names),
        "tasks": [task.to_dict() for task in store.tasks],
    }


def _chunks(store: Store) -> Iterator[tuple[int, int]]:
    for first in range(0, max(len(store), 1), CHUNK):
        yield first, min(first + CHUNK, len(store))


def _parquet(store: Store, folder: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    for table in TABLES:
        writer = None
        for first, last in _chunks(store):
            frame = store.to_pandas(table, first, last)
            found = pa.Table.from_pandas(frame, writer and writer.schema, preserve_index=False)
            if writer is None:
                writer = parquet.ParquetWriter(folder / f"{table}.parquet", found.schema)
            writer.write_table(found)
        if writer is not None:
            writer.close()


def _csv(store: Store, folder: Path) -> None:
    for table in TABLES:
        with (folder / f"{table}.csv").open("w", encoding="utf-8", newline="") as file:
            for first, last in _chunks(store):
                frame = _for_people(store.to_pandas(table, first, last))
                frame.to_csv(file, index=False, header=first == 0, lineterminator="\n")


def _for_people(frame: pd.DataFrame) -> pd.DataFrame:
    """The table without a cell that a spreadsheet takes for a formula."""
    for name in frame.columns:
        if frame[name].dtype.kind not in "biuf":
            safe = {text: csv_cell(text) for text in frame[name].unique()}
            frame[name] = frame[name].map(safe)
    return frame


def _pyg(store: Store, folder: Path) -> None:
    import torch  # nothing else here needs it

    parts = {name: store.split(name) for name in store.split_names}
    for number, (first, last) in enumerate(_chunks(store)):
        found = []
        for index in range(first, last):
            arrays = {
                **_arrays(store[index], store),
                **{f"split_{name}": codes[index : index + 1] for name, codes in parts.items()},
            }
            tensors = {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}
            names = {"entry_id": store.ids[index], "chain_names": list(store[index].chain_names)}
            found.append({**tensors, **names})
        torch.save(found, folder / f"entries-{number:04d}.pt")


def _arrays(entry: Entry, store: Store) -> dict[str, Any]:
    """Arrays of an entry under the names of PyG; labels have a row per chain, or one."""
    found: dict[str, Any] = {
        **{field.name: getattr(entry, field.name) for field in (*store.node_fields, *ATOM_FIELDS)},
        "atom_node": entry.atom_node,
        "pos": entry.coords[entry.representative],
    }
    for task in store.tasks:
        rows = entry.num_chains if task.level == "chain" else 1
        kind = np.float64 if task.kind == "regression" else np.bool_
        target: NDArray[Any] = np.zeros((rows, task.num_outputs), kind)
        mask = np.zeros(rows, np.bool_)
        values = dict(entry.chain_values.get(task.name, {}))
        if task.name in entry.values:
            values[WHOLE] = entry.values[task.name]
        for chain, value in values.items():
            target[max(chain, 0), 0] = value
            mask[max(chain, 0)] = True
        for chain, terms in entry.terms.get(task.name, {}).items():
            target[max(chain, 0), terms] = True
            mask[max(chain, 0)] = True
        found |= {f"y_{task.name}": target, f"mask_{task.name}": mask}
    return found


FORMATS: dict[str, Callable[[Store, Path], None]] = {
    "parquet": _parquet,
    "pyg": _pyg,
    "csv": _csv,
}
"""Name → what writes the files of a store into a folder."""
