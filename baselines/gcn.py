"""GCN: graph convolutions with activations, residuals and norms (Kipf and Welling 2017)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch_geometric.nn import GCNConv

from baselines.common import ATOM_VIEW, EdgesWithoutLoops, NodeEmbedding, edge_lengths
from hemenet_lab.encoders import Encoder
from hemenet_lab.graphs import GraphView, ProteinGraph
from hemenet_lab.nn import segment_sum


class GCN(Encoder):
    """Stack of graph convolutions, h ← LN(h + ReLU(Â h W + b)) (arXiv 1609.02907, Eq. 2).

    Â is the adjacency matrix with self-loops of weight 1, divided by the square roots of both
    degrees; the convolution is PyG's `GCNConv`, with one Â for all layers. The released GCN
    baseline of HeMeNet feeds every layer with the raw input and returns the last one, so that it is
    one linear map whatever its depth; here each layer sees the layer before. Relations are not told
    apart; self-loops of the view are replaced by the convolution's own.

    Args:
        hidden_dim: Width of all layers.
        num_layers: Number of layers.
        edge_weight: ``distance`` weighs an edge with its length in Å, as the released baseline
            did; ``none`` weighs all edges alike.
        dropout: Dropout of the update, before the residual.
        element_only: Nodes see their element class alone, as in the paper; otherwise residue
            type, element and entity.
        view: Graph to work on: the published atom graph, or one of ``residue`` or ``alpha`` nodes
            (then set ``k`` and ``sequence_offsets`` too).

    Raises:
        ValueError: Another ``edge_weight``.
    """

    paper = "Kipf and Welling, ICLR 2017, arXiv 1609.02907"

    def __init__(
        self,
        hidden_dim: int = 256,
        num_layers: int = 3,
        edge_weight: Literal["none", "distance"] = "none",
        dropout: float = 0.0,
        element_only: bool = False,
        view: GraphView = ATOM_VIEW,
    ) -> None:
        super().__init__(view, hidden_dim, EdgesWithoutLoops())
        if edge_weight not in ("none", "distance"):
            raise ValueError(f"GCN edge_weight is {edge_weight!r}; allowed: none, distance")
        self.edge_weight = edge_weight
        self.embedding = NodeEmbedding(hidden_dim, element_only)
        self.convolutions = nn.ModuleList(
            GCNConv(hidden_dim, hidden_dim, normalize=False) for _ in range(num_layers)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(hidden_dim) for _ in range(num_layers))
        self.dropout = nn.Dropout(dropout)

    def forward(self, graph: ProteinGraph) -> Tensor:
        """Node features [N, hidden_dim]."""
        edge_index, weight = self._edges(graph)
        h: Tensor = self.embedding(graph)
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            h = norm(h + self.dropout(torch.relu(convolution(h, edge_index, weight))))
        return h

    def _edges(self, graph: ProteinGraph) -> tuple[Tensor, Tensor]:
        """Entries of Â, which all layers share: edges and self-loops, and their weights."""
        proper = self.prepared(graph)["proper"]
        nodes = torch.arange(len(graph.pos), device=graph.pos.device)
        source, target = graph.edge_index.index_select(1, proper)
        source, target = torch.cat([source, nodes]), torch.cat([target, nodes])
        weight = graph.pos.new_ones(len(proper))
        if self.edge_weight == "distance":
            weight = edge_lengths(graph)[proper]
        weight = torch.cat([weight, graph.pos.new_ones(len(nodes))])
        # a node's own loop weighs 1, so that no degree is 0
        scale = segment_sum(weight, target, len(nodes)).rsqrt()
        weight = scale.index_select(0, source) * weight * scale.index_select(0, target)
        return torch.stack([source, target]), weight
