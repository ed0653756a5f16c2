"""GAT: graph attention with edge features (Veličković et al. 2018; Brody et al. 2022)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch_geometric.nn import GATConv, GATv2Conv

from baselines.common import ATOM_VIEW, EdgesWithoutLoops, NodeEmbedding, edge_lengths
from hemenet_lab.encoders import Encoder
from hemenet_lab.graphs import GraphView, ProteinGraph
from hemenet_lab.nn import GaussianBasis

CONVOLUTIONS = {"gatv2": GATv2Conv, "gat": GATConv}


def with_self_loops(
    graph: ProteinGraph, loop_relation: int, proper: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Edges with exactly one self-loop per node (those of the view are replaced).

    Args:
        graph: Graph or batch.
        loop_relation: Relation that the self-loops get.
        proper: Numbers of the edges that are no self-loops (`EdgesWithoutLoops`).

    Returns:
        ``edge_index`` [2, E], lengths [E] in Å, relations [E].
    """
    nodes = torch.arange(len(graph.pos), device=graph.pos.device)
    edge_index = torch.cat([graph.edge_index.index_select(1, proper), nodes.expand(2, -1)], dim=1)
    length = torch.cat([edge_lengths(graph)[proper], graph.pos.new_zeros(len(nodes))])
    relation = torch.cat([graph.edge_type[proper], torch.full_like(nodes, loop_relation)])
    return edge_index, length, relation


class EdgeFeatures(nn.Module):
    """Features of an edge: its length in Gaussians, and a learned vector of its relation.

    Args:
        num_relations: Number of relations.
        num_gaussians: Gaussians over the length.
        relation_dim: Width of the relation embedding.
        max_distance: Centre of the last Gaussian, Å.
    """

    def __init__(
        self, num_relations: int, num_gaussians: int, relation_dim: int, max_distance: float
    ) -> None:
        super().__init__()
        self.length = GaussianBasis(num_gaussians, 0.0, max_distance)
        self.relation = nn.Embedding(num_relations, relation_dim)

    def forward(self, length: Tensor, relation: Tensor) -> Tensor:
        """[E, num_gaussians + relation_dim] from lengths [E] in Å and relations [E]."""
        return torch.cat([self.length(length), self.relation(relation)], dim=-1)


class GAT(Encoder):
    """Stack of graph attention layers, h ← LN(h + ELU(attention(h))).

    Attention is PyG's `GATv2Conv` (arXiv 2105.14491, Eq. 7) or `GATConv` (arXiv 1710.10903,
    Eq. 3), heads concatenated, over the neighbours and the node itself. The released GAT baseline
    of HeMeNet feeds every layer with the raw input and returns the last one (one layer in effect),
    with `GATConv`, one head and no edge features; here each layer sees the layer before.

    Args:
        hidden_dim: Width of all layers, over all heads.
        num_layers: Number of layers.
        heads: Attention heads; ``hidden_dim`` must be a multiple.
        conv: ``gatv2`` for PyG's `GATv2Conv`, ``gat`` for `GATConv`.
        edge_features: Attention sees distance and relation of an edge.
        num_gaussians: Gaussians over the distance, for the edge features.
        relation_dim: Width of the relation embedding, for the edge features.
        max_distance: Centre of the last Gaussian, Å.
        dropout: Dropout of the attention weights and of the update.
        element_only: Nodes see their element class alone, as in the paper; otherwise residue
            type, element and entity.
        view: Graph to work on: the published atom graph, or one of ``residue`` or ``alpha`` nodes
            (then set ``k``, ``sequence_offsets`` and ``max_distance`` too).

    Raises:
        ValueError: Another ``conv``, or ``hidden_dim`` is not a multiple of ``heads``.
    """

    paper = "Veličković et al., ICLR 2018, arXiv 1710.10903; Brody et al., ICLR 2022"

    def __init__(
        self,
        hidden_dim: int = 256,
        num_layers: int = 3,
        heads: int = 4,
        conv: Literal["gatv2", "gat"] = "gatv2",
        edge_features: bool = True,
        num_gaussians: int = 16,
        relation_dim: int = 16,
        max_distance: float = 5.0,
        dropout: float = 0.0,
        element_only: bool = False,
        view: GraphView = ATOM_VIEW,
    ) -> None:
        super().__init__(view, hidden_dim, EdgesWithoutLoops())
        if conv not in CONVOLUTIONS:
            raise ValueError(f"GAT conv is {conv!r}; allowed: {', '.join(CONVOLUTIONS)}")
        if hidden_dim % heads:
            raise ValueError(
                f"GAT hidden_dim is {hidden_dim}, which is not a multiple of heads, {heads}; "
                "change one of them"
            )
        self.embedding = NodeEmbedding(hidden_dim, element_only)
        self.edge_features: EdgeFeatures | None = None
        if edge_features:
            self.edge_features = EdgeFeatures(
                view.num_relations + 1, num_gaussians, relation_dim, max_distance
            )
        edge_dim = num_gaussians + relation_dim if edge_features else None
        self.attentions = nn.ModuleList(
            CONVOLUTIONS[conv](
                *(hidden_dim, hidden_dim // heads, heads),
                edge_dim=edge_dim,
                dropout=dropout,
                add_self_loops=False,
            )
            for _ in range(num_layers)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(hidden_dim) for _ in range(num_layers))
        self.dropout = nn.Dropout(dropout)

    def forward(self, graph: ProteinGraph) -> Tensor:
        """Node features [N, hidden_dim]."""
        proper = self.prepared(graph)["proper"]
        edge_index, length, relation = with_self_loops(graph, self.view.num_relations, proper)
        features = None
        if self.edge_features is not None:
            features = self.edge_features(length, relation)
        h: Tensor = self.embedding(graph)
        for attention, norm in zip(self.attentions, self.norms, strict=True):
            update = nn.functional.elu(attention(h, edge_index, features))
            h = norm(h + self.dropout(update))
        return h
