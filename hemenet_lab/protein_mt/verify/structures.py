"""Checks of the structures: complete, finite, and with indices that mean something."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemenet_lab.protein_mt.verify.store import Check, RawStore, check
from hemenet_lab.structures import (
    NUM_CHANNELS,
    NUM_ELEMENT_CLASSES,
    NUM_NODE_TYPES,
    ONE_LETTER,
)

LEVELS = {
    "node": "node_type",
    "atom": "coords",
    "chain": "chain_name_end",
    "value": "value",
    "term_row": "term_row_end",
}
"""Level of an entry's parts → an array with a row for each part."""
RESIDUES = 21
"""Node types below this are residues."""
FARTHEST = 99_999.0
"""Å; no coordinate of a structure file is larger."""
SEQUENCES = "residues are the capital letters of full sequences"
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Chunk:
    """Nodes and atoms of some entries; ``nodes`` [N] and ``atoms`` [A] say whose each is."""

    nodes: Rows
    atoms: Rows
    num_chains: Rows
    """[entries]."""
    array: Callable[[str], NDArray[Any]]
    """Rows of a node or atom array by its name."""


def check_offsets(store: RawStore) -> Check:
    """Checks where entries begin and end; every other check rests on this."""
    faults = []
    for level, name in LEVELS.items():
        offsets, rows = store.offsets(level), len(store.array(name))
        whole = len(offsets) == store.size + 1 and offsets[0] == 0 and offsets[-1] == rows
        if not whole or (np.diff(offsets) < 0).any():
            faults.append(
                f"{level}_offset does not lead from 0 to {rows} over {store.size} entries"
            )
    return check("structures", "entries follow one another without gaps", store.size, faults)


def check_structures(store: RawStore) -> Iterator[Check]:
    """Entries with residues, finite coordinates, and types, slots and chains in range."""
    faults: dict[str, list[str]] = {name: [] for name in _CHECKS}
    for start, stop in store.chunks():
        chunk = _chunk(store, start, stop)
        for name, (find, _) in _CHECKS.items():
            wrong = np.unique(find(chunk))
            faults[name] += [f"entry {store.ids[start + index]}" for index in wrong.tolist()]
    for name, (_, level) in _CHECKS.items():
        size = store.size if level == "entry" else int(store.offsets(level)[-1])
        yield check("structures", name, size, faults[name])
    if store.full_sequences:
        known = sum(map(bool, store.full_sequences))
        yield check("structures", SEQUENCES, known, _other_residues(store))


def _other_residues(store: RawStore) -> Iterator[str]:
    """Chains whose residues are not the capital letters of their sequence."""
    if len(store.full_sequences) != len(store.sequences):
        yield f"{len(store.full_sequences)} sequences of {len(store.sequences)} chains"
        return
    for place, full in enumerate(store.full_sequences):
        residues = re.sub("[a-z]", "", full)
        if full and (residues != store.sequences[place] or set(full.upper()) - {*ONE_LETTER}):
            yield f"entry {store.ids[store.chains[place][0]]}: chain {store.chains[place][1]}"


def _chunk(store: RawStore, start: int, stop: int) -> Chunk:
    of = {level: store.offsets(level)[start : stop + 1] for level in ("node", "atom", "chain")}
    entries = np.arange(stop - start)
    rows = {level: np.repeat(entries, np.diff(of[level])) for level in ("node", "atom")}

    def array(name: str) -> NDArray[Any]:
        level = "atom" if name in ("coords", "atom_element", "atom_slot") else "node"
        return np.asarray(store.array(name)[of[level][0] : of[level][-1]])

    return Chunk(rows["node"], rows["atom"], np.diff(of["chain"]), array)


def _without_residues(chunk: Chunk) -> Rows:
    residues = chunk.array("node_type") < RESIDUES
    entries = np.arange(len(chunk.num_chains))
    full = np.isin(entries, chunk.nodes[residues]) & np.isin(entries, chunk.atoms)
    return entries[~full | (chunk.num_chains == 0)]


def _not_finite(chunk: Chunk) -> Rows:
    with np.errstate(invalid="ignore"):
        good = (np.abs(chunk.array("coords")) <= FARTHEST).all(axis=1)
    return chunk.atoms[~good]


def _all_at_one_place(chunk: Chunk) -> Rows:
    """Entries of several atoms that lie at one point."""
    coords, starts = chunk.array("coords"), np.unique(chunk.atoms, return_index=True)[1]
    if not len(starts):
        return np.empty(0, dtype=np.int64)
    spread = np.maximum.reduceat(coords, starts) - np.minimum.reduceat(coords, starts)
    several = np.diff(np.append(starts, len(coords))) > 1
    return chunk.atoms[starts[several & (spread.max(axis=1) == 0)]]


def _atom_counts(chunk: Chunk) -> Rows:
    counts = chunk.array("node_atoms").astype(np.int64)
    entries = len(chunk.num_chains)
    of_nodes = np.bincount(chunk.nodes, counts, entries)
    wrong = np.flatnonzero(of_nodes != np.bincount(chunk.atoms, minlength=entries))
    return np.concatenate([wrong, chunk.nodes[(counts < 1) | (counts > NUM_CHANNELS)]])


def _slots(chunk: Chunk) -> Rows:
    slots = chunk.array("atom_slot").astype(np.int64)
    wrong = (slots < 0) | (slots >= NUM_CHANNELS)
    counts = chunk.array("node_atoms").astype(np.int64)
    if counts.sum() == len(slots):
        node = np.repeat(np.arange(len(counts)), counts)
        wrong[1:] |= (np.diff(node) == 0) & (np.diff(slots) <= 0)
    return chunk.atoms[wrong]


def _types(chunk: Chunk) -> Rows:
    nodes, entity = chunk.array("node_type"), chunk.array("entity")
    wrong = (nodes < 0) | (nodes >= NUM_NODE_TYPES) | (entity < 0) | (entity > 2)
    wrong |= (nodes >= RESIDUES) != (entity == 2)
    element = chunk.array("atom_element")
    strange = (element < 0) | (element >= NUM_ELEMENT_CLASSES)
    return np.concatenate([chunk.nodes[wrong], chunk.atoms[strange]])


def _chains(chunk: Chunk) -> Rows:
    """Residues have a chain that exists, ligand atoms have none, no chain is empty."""
    chain, residue = chunk.array("node_chain"), chunk.array("node_type") < RESIDUES
    wrong = np.where(residue, (chain < 0) | (chain >= chunk.num_chains[chunk.nodes]), chain != -1)
    first = np.cumsum(chunk.num_chains) - chunk.num_chains
    seen = np.zeros(int(chunk.num_chains.sum()), dtype=bool)
    good = residue & ~wrong
    seen[first[chunk.nodes[good]] + chain[good]] = True
    empty = np.repeat(np.arange(len(first)), chunk.num_chains)[~seen]
    return np.concatenate([chunk.nodes[wrong], empty])


def _order(chunk: Chunk) -> Rows:
    """Positions grow along a chain, chains follow one another, ligand atoms come last."""
    chain = chunk.array("node_chain").astype(np.int64)
    chain = np.where(chain < 0, np.iinfo(np.int64).max, chain)
    step, same = np.diff(chain), np.diff(chunk.nodes) == 0
    position = np.diff(chunk.array("sequence_index").astype(np.int64))
    residue = chunk.array("node_type")[1:] < RESIDUES
    wrong = same & ((step < 0) | ((step == 0) & residue & (position < 1)))
    return chunk.nodes[1:][wrong]


_CHECKS: dict[str, tuple[Callable[[Chunk], Rows], str]] = {
    "every entry has residues, atoms and chains": (_without_residues, "entry"),
    "coordinates are finite": (_not_finite, "atom"),
    "atoms lie at more than one place": (_all_at_one_place, "entry"),
    "nodes have 1 to 14 atoms, and all atoms a node": (_atom_counts, "node"),
    "slots are 0 to 13, ascending, one atom each": (_slots, "atom"),
    "types, entities and elements exist": (_types, "node"),
    "residues have a chain, ligand atoms none": (_chains, "node"),
    "residues in order, then ligand atoms": (_order, "node"),
}
"""Name → what finds the entries with faults, and what it looks at."""
