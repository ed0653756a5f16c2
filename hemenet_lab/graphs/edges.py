"""Edges of a view: exact nearest neighbours, radius and sequence relations, in plain numpy.

Distances between nodes are the smallest between any two of their atoms. Neighbours are chosen
among the allowed pairs, so that the sequence rule never costs a node one of its ``k`` edges, unless
the view asks for the published ``k_filter: after``. Pairs
come from a radius search whose radius grows for the nodes that still lack neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from hemenet_lab.graphs.view import GraphView

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class NodeArrays:
    """Arrays that edges depend on, for N nodes with A atoms.

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
    same_slot = view.atom_offsets == "same_slot"
    relations += [_sequence(nodes, offset, same_slot) for offset in view.sequence_offsets]
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
        chosen = nearest(nodes, pairs, view.k, _choice_separation(view))
        apart = _apart(nodes, *chosen, view.k_min_separation)
        found.append((chosen[0][apart], chosen[1][apart]))
    if view.radius:
        assert pairs is not None
        found.append(_within_radius(nodes, pairs, view))
    return found


def _choice_separation(view: GraphView) -> int:
    """Separation in sequence of the nodes among which the ``k`` nearest are chosen."""
    return view.k_min_separation if view.k_filter == "before" else 0


def _within_radius(nodes: NodeArrays, pairs: Pairs, view: GraphView) -> tuple[Ints, Ints]:
    """Edges between nodes closer than the radius, of each target the nearest ones."""
    kept = pairs.select(pairs.distance < view.radius)
    kept = kept.allowed(nodes, view.radius_min_separation)
    if view.radius_max_neighbors:
        kept = kept.first_per_target(view.radius_max_neighbors)
    return kept.source, kept.target


def _sequence(nodes: NodeArrays, offset: int, same_slot: bool) -> tuple[Ints, Ints]:
    """Edges from each residue to the one ``offset`` further along its chain.

    Of atoms those of one slot are joined, or all of both residues.
    """
    polymer = np.flatnonzero(nodes.chain >= 0)
    if offset == 0 and nodes.slot is None:
        return polymer, polymer
    # a residue is known by its chain and position, an atom that is joined to its like by its slot
    start = nodes.sequence_index.min(initial=0)
    length = nodes.sequence_index.max(initial=0) - start + 1 + abs(offset)
    key = nodes.chain * (2 * length) + (nodes.sequence_index - start + abs(offset))
    if nodes.slot is not None and offset != 0 and same_slot:
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


START_RADIUS = {"residue": 6.5, "alpha": 8.5, "atom": 4.5}
"""First search radius of each kind of node, Å; matters for speed only."""
GROWTH = 1.3
"""Factor by which the radius grows for nodes that have not found their neighbours yet."""


@dataclass(frozen=True)
class Pairs:
    """Node pairs and their distance, sorted by target, then distance, then source.

    All pairs that are no further than ``radius`` apart are there.
    """

    source: Ints
    target: Ints
    distance: NDArray[np.float64]
    radius: float

    def select(self, keep: NDArray[np.bool_]) -> Pairs:
        """The pairs where ``keep`` is True."""
        return Pairs(self.source[keep], self.target[keep], self.distance[keep], self.radius)

    def allowed(self, nodes: NodeArrays, separation: int) -> Pairs:
        """The pairs that are not neighbours in sequence."""
        return self.select(_apart(nodes, self.source, self.target, separation))

    def first_per_target(self, limit: int) -> Pairs:
        """The ``limit`` nearest pairs of each target."""
        return self.select(_rank_in_group(self.target) < limit)


def close_pairs(nodes: NodeArrays, view: GraphView) -> Pairs:
    """Pairs of different nodes within the view's radius, or the first search radius if larger."""
    radius = max(START_RADIUS[view.nodes] if view.k else 0.0, view.radius)
    coords = nodes.coords.astype(np.float64)
    found = cKDTree(coords).query_pairs(radius, output_type="ndarray")
    rules = [_choice_separation(view)] * bool(view.k)
    rules += [view.radius_min_separation] * bool(view.radius)
    atom, other = _pairs_apart(nodes, found[:, 0], found[:, 1], min(rules))
    low, high = nodes.atom_node[atom], nodes.atom_node[other]
    low, high = np.minimum(low, high), np.maximum(low, high)
    offset = coords[atom] - coords[other]
    distance = np.einsum("ij,ij->i", offset, offset)
    if len(nodes) < len(coords):
        low, high, distance = _smallest(low, high, distance, len(nodes))
    distance = np.sqrt(distance)
    both = (np.concatenate([low, high]), np.concatenate([high, low]), np.tile(distance, 2))
    return _sorted_pairs(*both, radius)


def nearest(nodes: NodeArrays, pairs: Pairs, k: int, separation: int) -> tuple[Ints, Ints]:
    """(source, target) of the ``k`` nearest allowed nodes of each node, or all where fewer are.

    A target is settled once it has ``k`` allowed pairs within the radius searched so far: every
    pair that was not found is further away. The radius grows for the others only.
    """
    wanted = np.minimum(k, _num_allowed(nodes, separation))
    sources, targets = [], []
    tree: cKDTree | None = None
    while True:
        pairs = pairs.allowed(nodes, separation).first_per_target(k)
        have = np.bincount(pairs.target, minlength=len(nodes))
        done = (have >= wanted)[pairs.target]
        sources.append(pairs.source[done])
        targets.append(pairs.target[done])
        wanted = np.where(have >= wanted, 0, wanted)
        open_nodes = np.flatnonzero(wanted)
        if not len(open_nodes):
            return np.concatenate(sources), np.concatenate(targets)
        tree = tree or cKDTree(nodes.coords.astype(np.float64))
        pairs = _pairs_of(nodes, tree, open_nodes, pairs.radius * GROWTH, separation)


def _pairs_of(
    nodes: NodeArrays, tree: cKDTree, targets: Ints, radius: float, separation: int
) -> Pairs:
    """All allowed pairs of some targets within the radius."""
    chosen = np.zeros(len(nodes), dtype=bool)
    chosen[targets] = True
    atoms = np.flatnonzero(chosen[nodes.atom_node])
    coords = nodes.coords[atoms].astype(np.float64)
    found = cKDTree(coords).sparse_distance_matrix(tree, radius, output_type="ndarray")
    place = _places(nodes, separation)[nodes.atom_node]
    apart = np.abs(place[atoms][found["i"]] - place[found["j"]]) >= max(separation, 1)
    found = found[apart]
    target, source = nodes.atom_node[atoms[found["i"]]], nodes.atom_node[found["j"]]
    target, source, distance = _smallest(target, source, found["v"], len(nodes))
    return _sorted_pairs(source, target, distance, radius)


def _smallest(
    first: Ints, second: Ints, distance: NDArray[np.float64], num_nodes: int
) -> tuple[Ints, Ints, NDArray[np.float64]]:
    """Each pair of nodes once, with its smallest distance."""
    if not len(first):
        return first, second, distance
    key = first * num_nodes + second
    if num_nodes**2 < 2**31:
        key = key.astype(np.int32)  # sorted in half the time
    order = np.argsort(key)
    key = key[order]
    start = np.flatnonzero(np.r_[True, key[1:] != key[:-1]])
    smallest = np.minimum.reduceat(distance[order], start)
    key = key[start].astype(np.int64)
    return key // num_nodes, key % num_nodes, smallest


def _sorted_pairs(
    source: Ints, target: Ints, distance: NDArray[np.float64], radius: float
) -> Pairs:
    order = np.lexsort((source, distance, target))
    return Pairs(source[order], target[order], distance[order], radius)


def _places(nodes: NodeArrays, separation: int) -> Ints:
    """[N], numbers that are nearer than ``separation`` for the pairs that `_apart` refuses only.

    For a separation of 0, which refuses none, they are different for all nodes.
    """
    if separation < 1:
        return np.arange(len(nodes))
    position = nodes.sequence_index - nodes.sequence_index.min(initial=0)
    place = nodes.chain * (position.max(initial=0) + 1 + separation) + position
    return np.where(nodes.chain < 0, -separation * np.arange(1, len(nodes) + 1), place)


def _pairs_apart(nodes: NodeArrays, atom: Ints, other: Ints, separation: int) -> tuple[Ints, Ints]:
    """The pairs of atoms whose nodes are different, and not neighbours in sequence."""
    place = _places(nodes, separation)[nodes.atom_node]
    keep = np.flatnonzero(np.abs(place[atom] - place[other]) >= max(separation, 1))
    return atom[keep], other[keep]


def _apart(nodes: NodeArrays, source: Ints, target: Ints, separation: float) -> NDArray[np.bool_]:
    """False for pairs of one chain that are nearer than ``separation`` in sequence."""
    steps = np.abs(nodes.sequence_index[source] - nodes.sequence_index[target])
    chain = nodes.chain[source]
    return (chain != nodes.chain[target]) | (chain < 0) | (steps >= separation)


def _num_allowed(nodes: NodeArrays, separation: int) -> Ints:
    """[N], how many nodes each node may have as a neighbour."""
    allowed = np.full(len(nodes), len(nodes) - 1)
    polymer = np.flatnonzero(nodes.chain >= 0)
    if separation == 0 or not len(polymer):
        return allowed
    position = nodes.sequence_index[polymer] - nodes.sequence_index[polymer].min()
    key = nodes.chain[polymer] * (position.max() + 2 * separation) + position
    ordered = np.sort(key)
    near = np.searchsorted(ordered, key + separation) - np.searchsorted(
        ordered, key - separation, side="right"
    )
    allowed[polymer] -= near - 1
    return allowed


def _rank_in_group(group: Ints) -> Ints:
    """Position of each element within its run of equal values in a sorted array."""
    if not len(group):
        return group
    start = np.flatnonzero(np.r_[True, group[1:] != group[:-1]])
    length = np.diff(np.r_[start, len(group)])
    return np.arange(len(group)) - np.repeat(start, length)
