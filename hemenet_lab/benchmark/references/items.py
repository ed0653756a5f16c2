"""Labelled items of a task, as plain arrays: where they are, their label, group and system."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hemenet_lab.store import WHOLE, Entry, Store
from hemenet_lab.tasks import Task

LIGANDS_FILE = "ligands.csv"
"""Table of a built store with the SMILES of its ligands."""

Ints = NDArray[np.int64]
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Items:
    """The labelled items of one task, n of them, in the order of the store."""

    task: Task
    entry: Ints
    """[n], index of the entry."""
    chain: Ints
    """[n], chain of the entry; -1 at the complex level."""
    target: Values
    """[n, out]."""
    system: Ints
    """[n], see `systems`; -1 where an item is alone in its system or the task is not of ligands."""

    def __len__(self) -> int:
        return len(self.entry)


def items_of(store: Store, task: Task) -> Items:
    """Every labelled item of a task, whatever part of a split it is in."""
    column = [known.name for known in store.tasks].index(task.name)
    found: list[tuple[int, int]] = []
    targets = []
    for index in np.flatnonzero(store.labelled[:, column]).tolist():
        for chain, target in _labels(store[index], task):
            found.append((index, chain))
            targets.append(target)
    where = np.array(found, dtype=np.int64).reshape(-1, 2)
    target = np.array(targets, dtype=np.float64).reshape(len(found), task.num_outputs)
    system = systems(store, where[:, 0]) if task.kind == "regression" else np.full(len(found), -1)
    return Items(task, where[:, 0], where[:, 1], target, system)


def _labels(entry: Entry, task: Task) -> Iterator[tuple[int, Values]]:
    """(chain, target [out]) of each labelled item of an entry; `WHOLE` at the complex level."""
    if task.kind == "multilabel":
        for chain, terms in sorted(entry.terms[task.name].items()):
            yield chain, np.bincount(terms, minlength=task.num_outputs).astype(np.float64)
    elif task.level == "complex":
        yield WHOLE, np.array([entry.values[task.name]])
    else:
        for chain, value in sorted(entry.chain_values[task.name].items()):
            yield chain, np.array([value])


def item_names(store: Store, items: Items, places: Sequence[int] | Ints) -> list[tuple[str, str]]:
    """(entry, chain) of some of the items; no chain at the complex level."""
    found = []
    for at in places:
        entry, chain = int(items.entry[at]), int(items.chain[at])
        name = "" if chain == WHOLE else store[entry].chain_names[chain]
        found.append((store.ids[entry], name))
    return found


def systems(store: Store, entries: Sequence[int] | Ints) -> Ints:
    """[n], number of the system of each entry; -1 without one.

    A system is one protein structure with several ligands: entries whose protein atoms are the same
    and at the same places. An entry without ligand, or whose protein no other one has, has none.
    """
    keys = [_protein(store[int(index)]) for index in entries]
    members: dict[str, int] = {}
    for key in keys:
        members[key] = members.get(key, 0) + 1
    number = {key: at for at, key in enumerate(k for k, n in members.items() if k and n > 1)}
    return np.array([number.get(key, -1) for key in keys], dtype=np.int64)


def _protein(entry: Entry) -> str:
    """Digest of an entry's protein atoms; empty for an entry without ligand."""
    polymer = entry.node_chain >= 0
    if polymer.all():
        return ""
    atoms = np.repeat(polymer, entry.node_atoms)
    content = entry.node_type[polymer].tobytes() + entry.coords[atoms].tobytes()
    return hashlib.sha256(content).hexdigest()


def smiles_of(store: Store) -> dict[str, str]:
    """SMILES of each entry's ligand, as far as the store tells; empty for an older store."""
    file = store.path / LIGANDS_FILE
    if not file.is_file():
        return {}
    with file.open(newline="", encoding="utf-8") as stream:
        return {row["id"]: row["smiles"] for row in csv.DictReader(stream) if row["smiles"]}
