"""GCN: graph convolutions with activations, residuals and norms (Kipf and Welling 2017)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch_geometric.nn import GCNConv

from baselines.common import ATOM_VIEW, LoopedEdges, NodeEmbedding, lengths_between
from hemenet_lab.encoders import Encoder
from hemenet_lab.graphs import GraphView, ProteinGraph
from hemenet_lab.nn import Gathering, gather_sum, segment_sum


class GCN(Encoder):
    """Stack of graph convolutions, h ← LN(h + ReLU(Â h W + b)) (arXiv 1609.02907, Eq. 2).

    Â is the adjacency matrix with self-loops of weight 1, divided by the square roots of both
    degrees, and the same for all layers; parameters are those of PyG's `GCNConv`. The released GCN
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
        super().__init__(view, hidden_dim, LoopedEdges(view.num_relations))
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
        entries, weight = self._adjacency(graph)
        h: Tensor = self.embedding(graph)
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            assert isinstance(convolution, GCNConv)
            assert isinstance(convolution.bias, Tensor)
            update = gather_sum(convolution.lin(h), entries, weight) + convolution.bias
            h = norm(h + self.dropout(torch.relu(update)))
        return h

    def _adjacency(self, graph: ProteinGraph) -> tuple[Gathering, Tensor]:
        """Â, which all layers share: places and weights of its entries."""
        known = self.prepared(graph)
        entries = Gathering(*(known[name] for name in Gathering._fields))
        source, target = entries.row, entries.group
        weight = graph.pos.new_ones(len(source))
        if self.edge_weight == "distance":
            # a node's own loop weighs 1, so that no degree is 0
            weight = torch.where(source == target, weight, lengths_between(graph, source, target))
        scale = segment_sum(weight, target, len(graph.pos)).rsqrt()
        return entries, scale.index_select(0, source) * weight * scale.index_select(0, target)
