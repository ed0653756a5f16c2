"""What all atom baselines share: the published atom graph, node features and edge lengths."""

from __future__ import annotations

from torch import Tensor, nn

from hemenet_lab.graphs import GraphView, ProteinGraph
from hemenet_lab.nn.radial import safe_norm
from hemenet_lab.structures import NUM_ELEMENT_CLASSES, NUM_NODE_TYPES

ATOM_VIEW = GraphView(nodes="atom", k=0, radius=4.5, radius_max_neighbors=9, sequence_offsets=())
"""HeMeNet's atom baselines: a node per heavy atom, its nine nearest closer than 4.5 Å."""

NUM_ENTITIES = 3
"""Protein, partner and ligand, see `hemenet_lab.graphs.graph`."""


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


def edge_lengths(graph: ProteinGraph) -> Tensor:
    """Distance between the representative atoms of each edge, [E], Å."""
    source, target = graph.edge_index
    return safe_norm(graph.pos[source] - graph.pos[target])
