"""Checks of an entry before it is stored: arrays and labels that fit each other and the tasks."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from hemenet_lab.data.entry import Entry
from hemenet_lab.data.store_fields import ATOM_FIELDS, NODE_FIELDS, StoreError
from hemenet_lab.structures import NUM_CHANNELS, NUM_NODE_TYPES
from hemenet_lab.tasks import Task


def check_entry(entry: Entry, tasks: tuple[Task, ...]) -> None:
    """Raises `StoreError` with everything that is wrong with an entry."""
    faults = [*_shape_faults(entry)]
    if not faults:
        faults = [
            *_content_faults(entry),
            *_label_faults(entry, {task.name: task for task in tasks}),
        ]
    if faults:
        raise StoreError(f"entry {entry.id}: {'; '.join(faults)}")


def _shape_faults(entry: Entry) -> Iterator[str]:
    if entry.num_nodes == 0:
        yield "has no nodes; leave entries without residues out"
    for field in (*NODE_FIELDS, *ATOM_FIELDS):
        values = getattr(entry, field.name)
        length = entry.num_nodes if field.level == "node" else entry.num_atoms
        shape = (length, field.width) if field.width else (length,)
        if np.shape(values) != shape or np.asarray(values).dtype != np.dtype(field.dtype):
            yield (
                f"{field.name} is {np.asarray(values).dtype} {np.shape(values)}, "
                f"it must be {np.dtype(field.dtype)} {shape}"
            )
    if entry.chain_uniprot and len(entry.chain_uniprot) != entry.num_chains:
        yield f"{len(entry.chain_uniprot)} UniProt fields for {entry.num_chains} chains"


def _content_faults(entry: Entry) -> Iterator[str]:
    if not np.isfinite(entry.coords).all():
        yield "coordinates are not finite"
    if entry.node_atoms.min() < 1 or int(entry.node_atoms.sum(dtype=np.int64)) != entry.num_atoms:
        yield f"node_atoms must be 1 or more and sum up to the {entry.num_atoms} atoms"
        return
    if entry.node_type.min() < 0 or entry.node_type.max() >= NUM_NODE_TYPES:
        yield f"node types must be 0 to {NUM_NODE_TYPES - 1}"
    if entry.node_chain.min() < -1 or entry.node_chain.max() >= entry.num_chains:
        yield f"node_chain must be -1 to {entry.num_chains - 1}"
    if entry.atom_slot.min() < 0 or entry.atom_slot.max() >= NUM_CHANNELS:
        yield f"atom slots must be 0 to {NUM_CHANNELS - 1}"
    node = np.repeat(np.arange(entry.num_nodes), entry.node_atoms)
    if (np.diff(node * NUM_CHANNELS + entry.atom_slot) <= 0).any():
        yield "atoms of a node must lie in ascending slot order, one per slot"


def _label_faults(entry: Entry, tasks: dict[str, Task]) -> Iterator[str]:
    for name, value in entry.values.items():
        if name not in tasks or (tasks[name].kind, tasks[name].level) != ("regression", "complex"):
            yield f"a value for {name}, which is no complex-level regression task of this store"
        elif not np.isfinite(value):
            yield f"{name} is {value}; leave unknown values out"
    for name, chains in entry.terms.items():
        if name not in tasks or (tasks[name].kind, tasks[name].level) != ("multilabel", "chain"):
            yield f"terms for {name}, which is no chain-level multi-label task of this store"
            continue
        for chain, terms in chains.items():
            if not 0 <= chain < entry.num_chains:
                yield f"{name}: chain {chain} of {entry.num_chains}"
            if len(terms) and not 0 <= np.min(terms) <= np.max(terms) < tasks[name].num_outputs:
                yield f"{name}: terms must be 0 to {tasks[name].num_outputs - 1}"
