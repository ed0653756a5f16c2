"""Tables of a store, for pandas: entries, chains, nodes, atoms and labels."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hemenet_lab.store.entry import WHOLE, Entry
from hemenet_lab.store.fields import (
    ATOM_FIELDS,
    SPLIT_NAMES,
    Field,
)
from hemenet_lab.structures import ELEMENT_CLASSES, RESIDUES
from hemenet_lab.tasks import Task

if TYPE_CHECKING:
    import pandas as pd

NODE_NAMES = np.array([*RESIDUES, *ELEMENT_CLASSES], dtype=object)
"""Name of each node type: a residue's, or the element class of a ligand atom."""


class Tabled(Protocol):
    """What the tables need of a `Store`."""

    tasks: tuple[Task, ...]

    @property
    def ids(self) -> tuple[str, ...]: ...
    @property
    def full_label(self) -> NDArray[np.bool_]: ...
    @property
    def groups(self) -> NDArray[np.int64]: ...
    @property
    def node_fields(self) -> tuple[Field, ...]: ...
    @property
    def split_names(self) -> tuple[str, ...]: ...
    def split(self, name: str = ...) -> NDArray[np.int8]: ...
    def array(self, name: str) -> NDArray[Any]: ...
    def __len__(self) -> int: ...
    def __getitem__(self, index: int) -> Entry: ...


def frame_of(store: Tabled, table: str, first: int = 0, last: int | None = None) -> pd.DataFrame:
    """One of the tables of some entries; `docs/store.md` lists the columns of each.

    Args:
        store: The store.
        table: One of `TABLES`.
        first, last: Positions of the entries, the last one not included; all if not given.

    Raises:
        ValueError: There is no such table.
    """
    import pandas as pd  # takes half a second, and few need it

    if table not in TABLES:
        raise ValueError(f"a store has no table {table!r}; it has {', '.join(TABLES)}")
    last = len(store) if last is None else last
    return pd.DataFrame(TABLES[table](store, first, last))


Columns = dict[str, Any]


def _entries(store: Tabled, first: int, last: int) -> Columns:
    here = slice(first, last)
    offsets = {level: store.array(f"{level}_offset") for level in ("node", "atom", "chain")}
    parts = np.array(SPLIT_NAMES, dtype=object)
    return {
        "id": _ids(store)[here],
        "kind": np.array([store[index].kind for index in range(first, last)], dtype=object),
        **{f"num_{level}s": np.diff(offset[first : last + 1]) for level, offset in offsets.items()},
        "full_label": store.full_label[here],
        "group": store.groups[here],
        **{f"split_{name}": parts[store.split(name)[here]] for name in store.split_names},
    }


def _chains(store: Tabled, first: int, last: int) -> Columns:
    entry, place = _places(store, "chain", first, last)
    entries = [store[index] for index in range(first, last)]
    names = [name for found in entries for name in found.chain_names]
    ids = [name for found in entries for name in found.chain_uniprot]
    sequences = [
        text for found in entries for text in found.chain_sequence or ("",) * found.num_chains
    ]
    return {
        "id": _ids(store)[entry],
        "chain": place.astype(np.int16),
        "chain_name": np.array(names, dtype=object),
        "uniprot": np.array(ids, dtype=object),
        "sequence": np.array(sequences, dtype=object),
    }


def _nodes(store: Tabled, first: int, last: int) -> Columns:
    entry, place = _places(store, "node", first, last)
    rows = _rows(store, "node", first, last)
    return {
        "id": _ids(store)[entry],
        "node": place.astype(np.int32),
        "name": NODE_NAMES[store.array("node_type")[rows]],
        **{field.name: store.array(field.name)[rows] for field in store.node_fields},
    }


def _atoms(store: Tabled, first: int, last: int) -> Columns:
    entry, _ = _places(store, "atom", first, last)
    _, place = _places(store, "node", first, last)
    rows = _rows(store, "atom", first, last)
    node = np.repeat(place, store.array("node_atoms")[_rows(store, "node", first, last)])
    columns: Columns = {"id": _ids(store)[entry], "node": node.astype(np.int32)}
    for field in ATOM_FIELDS:
        values = store.array(field.name)[rows]
        columns |= dict(zip("xyz", values.T, strict=True)) if field.width else {field.name: values}
    return columns


def _labels(store: Tabled, first: int, last: int) -> Columns:
    found = []
    for index in range(first, last):
        entry = store[index]
        values = {(task, WHOLE): value for task, value in entry.values.items()}
        values |= {
            (task, chain): value
            for task, of_chains in entry.chain_values.items()
            for chain, value in of_chains.items()
        }
        found += [(index, task, chain, "", value) for (task, chain), value in values.items()]
        for task in store.tasks:
            for chain, terms in entry.terms.get(task.name, {}).items():
                names = [task.terms[term] for term in terms.tolist()]
                found += [(index, task.name, chain, name, 1.0) for name in names]
                found += [] if names else [(index, task.name, chain, "", 0.0)]
    entry_, task_, chain_, term_, value_ = zip(*found, strict=True) if found else [()] * 5
    return {
        "id": _ids(store)[np.array(entry_, dtype=np.int64)],
        "chain": np.array(chain_, dtype=np.int16),
        "task": np.array(task_, dtype=object),
        "term": np.array(term_, dtype=object),
        "value": np.array(value_, dtype=np.float64),
    }


TABLES: dict[str, Callable[[Tabled, int, int], Columns]] = {
    "entries": _entries,
    "chains": _chains,
    "nodes": _nodes,
    "atoms": _atoms,
    "labels": _labels,
}
"""Name → columns of the rows of some entries."""


def _ids(store: Tabled) -> NDArray[np.object_]:
    return np.array(store.ids, dtype=object)


def _rows(store: Tabled, level: str, first: int, last: int) -> slice:
    offset = store.array(f"{level}_offset")
    return slice(int(offset[first]), int(offset[last]))


def _places(
    store: Tabled, level: str, first: int, last: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Entry of each row, and the row's position in it."""
    offset = np.asarray(store.array(f"{level}_offset")[first : last + 1])
    entry = np.repeat(np.arange(first, last), np.diff(offset))
    return entry, np.arange(offset[0], offset[-1]) - np.repeat(offset[:-1], np.diff(offset))
