"""Neighbours along the sequence, found by chain and position and so in any order of the nodes."""

from __future__ import annotations

import torch
from torch import Tensor

from hemenet_lab.graphs import ProteinGraph


def node_chain(graph: ProteinGraph) -> Tensor:
    """Chain of each node, int64 [N]; -1 for ligand atoms."""
    chain = torch.full_like(graph.sequence_index, -1)
    return chain.index_copy(0, graph.polymer_node, graph.polymer_chain)


def sequence_neighbor(graph: ProteinGraph, step: int) -> tuple[Tensor, Tensor]:
    """The residue ``step`` positions further along the chain of each node; none across a gap.

    Args:
        graph: A graph with a node per residue.
        step: +1 or -1.

    Returns:
        Node numbers int64 [N] (the node itself where there is no such residue) and bool [N], True
        where there is one.
    """
    key, order = _positions(graph)
    place = torch.searchsorted(key[order], key + step).clamp(max=max(len(key) - 1, 0))
    candidate = order[place]
    return _by_node(graph, candidate, key[candidate] == key + step)


def present_neighbor(graph: ProteinGraph, step: int) -> tuple[Tensor, Tensor]:
    """As `sequence_neighbor`, but the nearest residue that is present: a gap is stepped over."""
    _, order = _positions(graph)
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(order), device=order.device)
    place = rank + step
    inside = (place >= 0) & (place < len(order))
    candidate = order[place.clamp(min=0, max=max(len(order) - 1, 0))]
    same = graph.polymer_chain[candidate] == graph.polymer_chain
    return _by_node(graph, candidate, inside & same)


def _positions(graph: ProteinGraph) -> tuple[Tensor, Tensor]:
    """A number [M] that grows along each chain by its steps, and the order [M] that sorts it."""
    position = graph.sequence_index[graph.polymer_node]
    if not len(position):
        return position, position
    # two more than the widest chain, so that a step over an end never meets another chain
    span = position.max() - position.min() + 2
    key = graph.polymer_chain * span + position - position.min()
    return key, key.argsort()


def _by_node(graph: ProteinGraph, candidate: Tensor, found: Tensor) -> tuple[Tensor, Tensor]:
    """From numbers within ``polymer_node`` [M] to numbers of nodes [N]."""
    neighbor = torch.arange(len(graph.sequence_index), device=found.device)
    has = torch.zeros(len(neighbor), dtype=torch.bool, device=found.device)
    node = graph.polymer_node
    target = torch.where(found, node[candidate], node)
    return neighbor.index_copy(0, node, target), has.index_copy(0, node, found)
