"""Edges by plain loops over all pairs: the readable reference for `hemenet_lab.graphs.edges`."""

from __future__ import annotations

import numpy as np

from hemenet_lab.graphs.edges import NodeArrays
from hemenet_lab.graphs.view import GraphView

Edge = tuple[int, int, int]
"""(target, relation, source)."""


def slow_edges(nodes: NodeArrays, view: GraphView) -> list[Edge]:
    """Every edge of the view, sorted."""
    edges: list[Edge] = []
    names = list(view.relations)
    for target in range(len(nodes)):
        if view.k:
            found = allowed_sources(nodes, target, view.k_min_separation)
            if view.k_filter == "before":
                found = found[: view.k]
            else:
                nearest = allowed_sources(nodes, target, 0)[: view.k]
                found = [pair for pair in nearest if pair in found]
            edges += [(target, names.index("knn"), source) for _, source in found]
        if view.radius:
            found = allowed_sources(nodes, target, view.radius_min_separation)
            found = [pair for pair in found if pair[0] < view.radius]
            found = found[: view.radius_max_neighbors or None]
            edges += [(target, names.index("radius"), source) for _, source in found]
        for offset in view.sequence_offsets:
            kind = names.index(f"sequence{offset:+d}")
            edges += [
                (target, kind, source)
                for source in range(len(nodes))
                if follows(nodes, source, target, offset, view.atom_offsets == "all_pairs")
            ]
    return sorted(edges)


def allowed_sources(nodes: NodeArrays, target: int, separation: int) -> list[tuple[float, int]]:
    """(distance, source) of all nodes that may be a neighbour, nearest first."""
    found = []
    for source in range(len(nodes)):
        same_chain = nodes.chain[source] == nodes.chain[target] >= 0
        steps = abs(int(nodes.sequence_index[source]) - int(nodes.sequence_index[target]))
        if source != target and not (same_chain and steps < separation):
            found.append((distance(nodes, source, target), source))
    return sorted(found)


def distance(nodes: NodeArrays, first: int, second: int) -> float:
    """Smallest distance between two nodes' atoms."""
    a = nodes.coords[nodes.atom_node == first].astype(np.float64)
    b = nodes.coords[nodes.atom_node == second].astype(np.float64)
    return min(float(np.sqrt(((p - q) ** 2).sum())) for p in a for q in b)


def follows(nodes: NodeArrays, source: int, target: int, offset: int, all_pairs: bool) -> bool:
    """True where the target is ``offset`` residues further along the source's chain."""
    if nodes.chain[source] != nodes.chain[target] or nodes.chain[target] < 0:
        return False
    if nodes.sequence_index[target] != nodes.sequence_index[source] + offset:
        return False
    if nodes.slot is None:
        return offset != 0 or source == target
    return offset == 0 or all_pairs or bool(nodes.slot[source] == nodes.slot[target])
