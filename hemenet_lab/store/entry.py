"""Entry: one item of the benchmark as flat arrays, as the store keeps it, and its checks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hemenet_lab.store.fields import ATOM_FIELDS, NODE_FIELDS, OPTIONAL_NODE_FIELDS, StoreError
from hemenet_lab.structures import CA_SLOT, NUM_CHANNELS, NUM_NODE_TYPES, ONE_LETTER
from hemenet_lab.tasks import Task

WHOLE = -1
"""Chain of the terms of a complex-level task."""
PROTEIN, PARTNER, LIGAND = 0, 1, 2
"""Values of ``entity``; cofactor atoms count as ligand."""


@dataclass(frozen=True)
class Entry:
    """A complex or a single chain: nodes with their atoms, chains, and labels.

    Nodes are residues (by chain, in sequence order), then ligand atoms; N nodes, A atoms, C chains.
    Atoms lie grouped by node, in ascending slot order.
    """

    id: str
    kind: str
    """Where it comes from: ``lba``, ``ppa``, ``chain``, or ``user`` for one's own structure."""
    # nodes
    node_type: NDArray[np.int8]
    """[N], 0-20 residue, 21-29 ligand atom by element class."""
    entity: NDArray[np.int8]
    """[N], 0 protein, 1 partner, 2 ligand or cofactor."""
    node_chain: NDArray[np.int16]
    """[N], chain of a residue; -1 for ligand and cofactor atoms."""
    sequence_index: NDArray[np.int32]
    """[N], position along the chain with steps over gaps; 0 for ligand atoms."""
    residue_number: NDArray[np.int32]
    """[N], author numbering; 0 for ligand atoms."""
    insertion_code: NDArray[np.uint8]
    """[N], ASCII code of the letter, 0 for none."""
    node_atoms: NDArray[np.uint8]
    """[N], number of atoms of each node, 1-14."""
    # atoms
    coords: NDArray[np.float32]
    """[A, 3], Å."""
    atom_element: NDArray[np.int8]
    """[A], element class."""
    atom_slot: NDArray[np.int8]
    """[A], channel, 0-13; 0 for ligand atoms."""
    # chains
    chain_names: tuple[str, ...]
    """[C], author chain ids."""
    chain_uniprot: tuple[str, ...] = ()
    """[C], UniProt ids joined by ``;``, empty where unknown."""
    chain_sequence: tuple[str, ...] = ()
    """[C], deposited sequence of the whole chain (SEQRES) in one-letter code, in lower case where
    it has no residue here; empty where unknown, or not that of each residue."""
    # labels: absent keys and chains are unlabelled
    values: dict[str, float] = field(default_factory=dict)
    """Complex-level regression: task name → value."""
    terms: dict[str, dict[int, NDArray[np.int32]]] = field(default_factory=dict)
    """Multi-label: task name → {chain: indices of its terms}; at the complex level the chain is
    `WHOLE`."""
    chain_values: dict[str, dict[int, float]] = field(default_factory=dict)
    """Chain-level regression: task name → {chain: value}."""
    b_factor: NDArray[np.float32] | None = None
    """[N], mean B-factor of a residue's atoms in Å², the pLDDT of a predicted model; 0 for ligand
    atoms. None where it was not kept."""
    chemistry: NDArray[np.uint16] | None = None
    """[N], bits of `CHEMISTRY` of a ligand atom; 0 for residues, cofactors and molecules that RDKit
    does not accept. None where it was not kept."""

    @property
    def num_nodes(self) -> int:
        return len(self.node_type)

    @property
    def num_atoms(self) -> int:
        return len(self.coords)

    @property
    def num_chains(self) -> int:
        return len(self.chain_names)

    @property
    def sequences(self) -> tuple[str, ...]:
        """[C], one-letter sequence of each chain's residues, those without coordinates left out."""
        letters = np.array(list(ONE_LETTER))
        residues = self.node_type < len(ONE_LETTER)
        return tuple(
            "".join(letters[self.node_type[residues & (self.node_chain == chain)]])
            for chain in range(self.num_chains)
        )

    def residues_of(self, chain: int) -> NDArray[np.int64]:
        """Nodes of a chain's residues, in the order of the chain."""
        node = np.flatnonzero(self.node_chain == chain)
        return node[np.argsort(self.sequence_index[node], kind="stable")]

    @property
    def atom_node(self) -> NDArray[np.int64]:
        """[A], node of each atom."""
        return np.repeat(np.arange(self.num_nodes), self.node_atoms)

    @property
    def representative(self) -> NDArray[np.int64]:
        """[N], atom that gives a node's place: the alpha carbon, else the first one."""
        node = self.atom_node
        atoms = np.searchsorted(node, np.arange(self.num_nodes))
        alpha = np.flatnonzero((self.atom_slot == CA_SLOT) & (self.node_chain[node] >= 0))
        atoms[node[alpha]] = alpha
        return atoms


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
    for array_field in (*NODE_FIELDS, *ATOM_FIELDS):
        values = getattr(entry, array_field.name)
        length = entry.num_nodes if array_field.level == "node" else entry.num_atoms
        shape = (length, array_field.width) if array_field.width else (length,)
        if np.shape(values) != shape or np.asarray(values).dtype != np.dtype(array_field.dtype):
            yield (
                f"{array_field.name} is {np.asarray(values).dtype} {np.shape(values)}, "
                f"it must be {np.dtype(array_field.dtype)} {shape}"
            )
    for optional in OPTIONAL_NODE_FIELDS:
        found = getattr(entry, optional.name)
        if found is not None and np.shape(found) != (entry.num_nodes,):
            yield f"{optional.name} is {np.shape(found)}, it must be {(entry.num_nodes,)}"
    if entry.chain_uniprot and len(entry.chain_uniprot) != entry.num_chains:
        yield f"{len(entry.chain_uniprot)} UniProt fields for {entry.num_chains} chains"
    if entry.chain_sequence and len(entry.chain_sequence) != entry.num_chains:
        yield f"{len(entry.chain_sequence)} sequences for {entry.num_chains} chains"


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
    yield from _sequence_faults(entry)


def _sequence_faults(entry: Entry) -> Iterator[str]:
    letters = np.array(list(ONE_LETTER))
    for chain, sequence in enumerate(entry.chain_sequence):
        kinds = entry.node_type[entry.residues_of(chain)]
        if (kinds >= len(letters)).any() or not set(sequence.upper()) <= set(ONE_LETTER):
            yield f"the sequence of chain {chain} has other letters than {ONE_LETTER}"
        elif sequence and "".join(filter(str.isupper, sequence)) != "".join(letters[kinds]):
            yield f"the capital letters of the sequence of chain {chain} are not its residues"


def _label_faults(entry: Entry, tasks: dict[str, Task]) -> Iterator[str]:
    def is_of(name: str, kind: str, level: str) -> bool:
        return name in tasks and (tasks[name].kind, tasks[name].level) == (kind, level)

    for name, value in entry.values.items():
        if not is_of(name, "regression", "complex"):
            yield f"a value for {name}, which is no complex-level regression task of this store"
        elif not np.isfinite(value):
            yield f"{name} is {value}; leave unknown values out"
    for name, values in entry.chain_values.items():
        if not is_of(name, "regression", "chain"):
            yield f"values for {name}, which is no chain-level regression task of this store"
            continue
        for chain, value in values.items():
            if not 0 <= chain < entry.num_chains:
                yield f"{name}: chain {chain} of {entry.num_chains}"
            if not np.isfinite(value):
                yield f"{name} of chain {chain} is {value}; leave unknown values out"
    for name, chains in entry.terms.items():
        if not (is_of(name, "multilabel", "chain") or is_of(name, "multilabel", "complex")):
            yield f"terms for {name}, which is no multi-label task of this store"
            continue
        for chain, terms in chains.items():
            here = 0 <= chain < entry.num_chains
            if not (here if tasks[name].level == "chain" else chain == WHOLE):
                yield f"{name}: chain {chain} of {entry.num_chains}"
            if len(terms) and not 0 <= np.min(terms) <= np.max(terms) < tasks[name].num_outputs:
                yield f"{name}: terms must be 0 to {tasks[name].num_outputs - 1}"
