"""Edges of a view: exact nearest neighbours, radius and sequence relations, in plain numpy.

Distances between nodes are the smallest between any two of their atoms. Neighbours are chosen
among the allowed pairs, so that the sequence rule never costs a node one of its ``k`` edges.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hemenet_lab.data.neighbors import Pairs, close_pairs, nearest
from hemenet_lab.data.view import GraphView

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class NodeArrays:
    """What edges depend on, for N nodes with A atoms.

    Args:
        coords: [A, 3], Å.
        atom_node: [A], node of each atom.
        chain: [N], chain of each node; -1 for ligand atoms, which have spatial edges only.
        sequence_index: [N], position of the node's residue along its chain.
        slot: [N], channel slot of the atom in an atom view; None where nodes are residues.
    """

    coords: NDArray[np.float32]
    atom_node: Ints
    chain: Ints
    sequence_index: Ints
    slot: Ints | None = None

    def __len__(self) -> int:
        return len(self.chain)


def build_edges(nodes: NodeArrays, view: GraphView) -> tuple[Ints, Ints]:
    """All edges of a structure.

    Returns:
        ``edge_index`` [2, E] (source, target) and ``edge_type`` [E], the index of the relation in
        ``view.relations``; sorted by target, then relation, then source.
    """
    relations = [*_spatial(nodes, view)]
    relations += [_sequence(nodes, offset) for offset in view.sequence_offsets]
    source = np.concatenate([found[0] for found in relations])
    target = np.concatenate([found[1] for found in relations])
    kind = np.repeat(np.arange(len(relations)), [len(found[0]) for found in relations])
    order = np.argsort((target * len(relations) + kind) * len(nodes) + source)
    return np.stack([source[order], target[order]]), kind[order]


def _spatial(nodes: NodeArrays, view: GraphView) -> list[tuple[Ints, Ints]]:
    """(source, target) of the nearest-neighbour and radius relations that the view has."""
    found = []
    pairs = close_pairs(nodes, view) if view.k or view.radius else None
    if view.k:
        assert pairs is not None
        found.append(nearest(nodes, pairs, view.k, view.k_min_separation))
    if view.radius:
        assert pairs is not None
        found.append(_within_radius(nodes, pairs, view))
    return found


def _within_radius(nodes: NodeArrays, pairs: Pairs, view: GraphView) -> tuple[Ints, Ints]:
    """Edges between nodes closer than the radius, of each target the nearest ones."""
    kept = pairs.select(pairs.distance < view.radius)
    kept = kept.allowed(nodes, view.radius_min_separation)
    if view.radius_max_neighbors:
        kept = kept.first_per_target(view.radius_max_neighbors)
    return kept.source, kept.target


def _sequence(nodes: NodeArrays, offset: int) -> tuple[Ints, Ints]:
    """Edges from each residue to the one ``offset`` further along its chain."""
    polymer = np.flatnonzero(nodes.chain >= 0)
    if offset == 0 and nodes.slot is None:
        return polymer, polymer
    # a residue is known by its chain and position; atoms are joined to those of their own slot
    start = nodes.sequence_index.min(initial=0)
    length = nodes.sequence_index.max(initial=0) - start + 1 + abs(offset)
    key = nodes.chain * (2 * length) + (nodes.sequence_index - start + abs(offset))
    if nodes.slot is not None and offset != 0:
        key, step = key * (nodes.slot.max() + 1) + nodes.slot, nodes.slot.max() + 1
    else:
        step = 1
    polymer = polymer[np.argsort(key[polymer], kind="stable")]
    have, want = key[polymer], key[polymer] - offset * step
    first = np.searchsorted(have, want, side="left")
    count = np.searchsorted(have, want, side="right") - first
    target = np.repeat(polymer, count)
    within = np.arange(len(target)) - np.repeat(np.cumsum(count) - count, count)
    return polymer[np.repeat(first, count) + within], target
