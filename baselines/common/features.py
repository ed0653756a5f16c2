"""Views, node embeddings, edge lengths and sequence neighbours that several baselines share."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hemenet_lab.encoders import Preparation
from hemenet_lab.graphs import GraphView, ProteinGraph
from hemenet_lab.nn import gathering, safe_norm
from hemenet_lab.structures import NUM_ELEMENT_CLASSES, NUM_NODE_TYPES

ATOM_VIEW = GraphView(nodes="atom", k=0, radius=4.5, radius_max_neighbors=9, sequence_offsets=())
"""HeMeNet's atom baselines: a node per heavy atom, its nine nearest closer than 4.5 Å."""

NUM_ENTITIES = 3
"""Protein, partner and ligand, see `hemenet_lab.data.graph`."""


class NodeEmbedding(nn.Module):
    """First node features: the sum of learned vectors for type, element and entity.

    The paper's baselines saw the element alone, while HeMeNet saw the residue type; with all three
    every encoder has the same input. The sum has unit variance at the start.

    Args:
        dim: Width of the features.
        element_only: The paper's input: element class, no residue type and no entity.
    """

    def __init__(self, dim: int, element_only: bool = False) -> None:
        super().__init__()
        self.element = nn.Embedding(NUM_ELEMENT_CLASSES, dim)
        self.node_type = None if element_only else nn.Embedding(NUM_NODE_TYPES, dim)
        self.entity = None if element_only else nn.Embedding(NUM_ENTITIES, dim)
        tables = [table for table in self.children() if isinstance(table, nn.Embedding)]
        for table in tables:
            nn.init.normal_(table.weight, std=len(tables) ** -0.5)

    def forward(self, graph: ProteinGraph) -> Tensor:
        """Node features [N, dim]."""
        h = self.element(graph.element)
        if self.node_type is not None and self.entity is not None:
            h = h + self.node_type(graph.node_type) + self.entity(graph.entity)
        return h


@dataclass(frozen=True)
class LoopedEdges(Preparation):
    """Edges with exactly one self-loop per node (those of the view are replaced), by target.

    The parts of a `Gathering` whose rows are sources and whose groups are targets, both nodes; and
    ``relation`` [E'], that of each edge, ``loop_relation`` for self-loops.

    Args:
        loop_relation: Relation of the self-loops.
    """

    loop_relation: int

    def tensors(self, graph: ProteinGraph) -> dict[str, Tensor]:
        source, target = graph.edge_index
        nodes = torch.arange(len(graph.pos), device=source.device)
        proper = (source != target).nonzero().squeeze(1)
        target, order = torch.cat([target[proper], nodes]).sort(stable=True)
        source = torch.cat([source[proper], nodes])[order]
        loops = torch.full_like(nodes, self.loop_relation)
        relation = torch.cat([graph.edge_type[proper], loops])[order]
        found = gathering(source, target, len(nodes), len(nodes))
        return {**found._asdict(), "relation": relation}


def edge_lengths(graph: ProteinGraph) -> Tensor:
    """Distance between the representative atoms of each edge, [E], Å."""
    return lengths_between(graph, *graph.edge_index)


def lengths_between(graph: ProteinGraph, source: Tensor, target: Tensor) -> Tensor:
    """Distance between the representative atoms of pairs of nodes, [E], Å."""
    return safe_norm(graph.pos.index_select(0, source) - graph.pos.index_select(0, target))


def unit(v: Tensor) -> Tensor:
    """Vectors [..., 3] scaled to length 1; zero stays zero."""
    length = safe_norm(v, keepdim=True)
    return v / torch.where(length > 0, length, 1.0)


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
