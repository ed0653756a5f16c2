"""EGNN: E(n)-equivariant message passing (Satorras et al. 2021)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.common import ATOM_VIEW, NodeEmbedding
from hemenet_lab.encoders import Encoder, Equivariant
from hemenet_lab.graphs import GraphView, ProteinGraph
from hemenet_lab.nn import linear_at, mlp, safe_norm, segment_mean, segment_sum


class EGNNLayer(nn.Module):
    """One equivariant layer (arXiv 2102.09844, Eq. 3-6; attention is Eq. 8).

    For an edge j → i with d = x_i − x_j and attributes a::

        m    = φ_e([h_i, h_j, ‖d‖², a])           times σ(W m + b) with attention
        x'_i = x_i + aggregate_j d φ_x(m)
        h'_i = φ_h([h_i, Σ_j m])                  plus h_i with residual

    Parameters are named as in the authors' implementation (``E_GCL``): its state dict loads.

    Args:
        dim: Width of the node features.
        hidden: Width of the messages.
        out_dim: Width of the new node features; ``dim`` if None.
        edge_dim: Width of the edge attributes.
        attention: Weigh each message with a learned gate.
        normalize: Divide d by its length (the length itself passes no gradient).
        tanh: Bound φ_x to -1 ... 1.
        residual: Add the old node features to the new ones.
        coords_aggregation: How the moves of a node's edges are put together.
        update_coords: Whether the layer moves the nodes; otherwise it has no φ_x.
        epsilon: Added to the length in ``normalize``, Å.
        activation: Makes the activation of all three networks.

    Raises:
        ValueError: A residual between different widths, or an unknown ``coords_aggregation``.
    """

    def __init__(
        self,
        dim: int,
        hidden: int,
        out_dim: int | None = None,
        edge_dim: int = 0,
        *,
        attention: bool = False,
        normalize: bool = False,
        tanh: bool = False,
        residual: bool = True,
        coords_aggregation: Literal["mean", "sum"] = "mean",
        update_coords: bool = True,
        epsilon: float = 1e-8,
        activation: Callable[[], nn.Module] = nn.SiLU,
    ) -> None:
        super().__init__()
        out_dim = dim if out_dim is None else out_dim
        if residual and out_dim != dim:
            raise ValueError(
                f"EGNNLayer residual needs equal widths, got {dim} and {out_dim}; "
                "set residual=False or out_dim=None"
            )
        if coords_aggregation not in ("mean", "sum"):
            raise ValueError(
                f"EGNNLayer coords_aggregation is {coords_aggregation!r}; allowed: mean, sum"
            )
        self.widths = (dim, dim, 1 + edge_dim)
        self.normalize, self.tanh, self.residual = normalize, tanh, residual
        self.coords_aggregation, self.epsilon = coords_aggregation, epsilon
        self.edge_mlp = mlp([sum(self.widths), hidden, hidden], activation, final_activation=True)
        self.node_mlp = mlp([dim + hidden, hidden, out_dim], activation)
        self.att_mlp = nn.Sequential(nn.Linear(hidden, 1), nn.Sigmoid()) if attention else None
        self.coord_mlp: nn.Sequential | None = None
        if update_coords:
            self.coord_mlp = mlp([hidden, hidden, 1], activation, final_bias=False)
            # Nodes hardly move in the beginning, as in the authors' implementation.
            nn.init.xavier_uniform_(linear_at(self.coord_mlp, -1).weight, gain=0.001)

    def forward(
        self, h: Tensor, x: Tensor, edge_index: Tensor, edge_attr: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """New node features and coordinates.

        Args:
            h: Node features, [N, dim].
            x: Coordinates, [N, 3], Å.
            edge_index: Sources and targets, int64 [2, E].
            edge_attr: Edge attributes, [E, edge_dim].

        Returns:
            Features [N, out_dim] and coordinates [N, 3].
        """
        source, target = edge_index
        # not x[target]: its gradient is summed one by one
        offset = x.index_select(0, target) - x.index_select(0, source)
        message = self._messages(h, offset, edge_index, edge_attr)
        update = self.node_mlp(torch.cat([h, segment_sum(message, target, len(h))], dim=1))
        if self.coord_mlp is not None:
            x = x + self._moves(message, offset, target, len(h))
        return (h + update if self.residual else update), x

    def _messages(
        self, h: Tensor, offset: Tensor, edge_index: Tensor, edge_attr: Tensor | None
    ) -> Tensor:
        """m of Eq. 3, [E, hidden]."""
        source, target = edge_index
        attributes = offset.square().sum(-1, keepdim=True)
        if edge_attr is not None:
            attributes = torch.cat([attributes, edge_attr], dim=1)
        # The first Linear acts on nodes before they are gathered: same numbers, N rows for E.
        first = linear_at(self.edge_mlp, 0)
        at_target, at_source, at_edge = first.weight.split(self.widths, dim=1)
        hidden = F.linear(attributes, at_edge, first.bias)
        hidden = hidden + F.linear(h, at_target).index_select(0, target)
        hidden = hidden + F.linear(h, at_source).index_select(0, source)
        message: Tensor = self.edge_mlp[1:](hidden)
        return message if self.att_mlp is None else message * self.att_mlp(message)

    def _moves(self, message: Tensor, offset: Tensor, target: Tensor, num_nodes: int) -> Tensor:
        """Change of the coordinates of Eq. 4, [N, 3], Å."""
        assert self.coord_mlp is not None
        scale = self.coord_mlp(message)
        if self.tanh:
            scale = torch.tanh(scale)
        if self.normalize:
            offset = offset / (safe_norm(offset, keepdim=True).detach() + self.epsilon)
        aggregate = segment_mean if self.coords_aggregation == "mean" else segment_sum
        return aggregate(offset * scale, target, num_nodes)


class EGNN(Encoder):
    """Stack of equivariant layers with a LayerNorm on the node features after each.

    The released baseline of HeMeNet has 3 layers of width 256 with messages of width 64, trained in
    half precision. It divides by a graph-wide variance where a LayerNorm is meant and ends in a
    Linear without bias; here each node is normalised by itself, and the heads' first Linear is left
    to mix the features. Deep stacks stay bounded with ``normalize`` and ``tanh``: a layer then
    moves a node by 1 Å at most (with the mean over edges).

    Args:
        hidden_dim: Width of the node features.
        num_layers: Number of layers.
        message_dim: Width of the messages.
        relation_dim: Width of a learned edge attribute per relation; 0 for none, as published.
        attention: Weigh each message with a learned gate.
        normalize: Move nodes along unit vectors.
        tanh: Bound the length of the moves.
        residual: Add a layer's input to its output.
        coords_aggregation: How the moves of a node's edges are put together.
        final_coords: Let the last layer move the nodes too. Its coordinate network has no influence
            on the node features, so it trains only if the loss sees `equivariant`.
        element_only: Nodes see their element class alone, as in the paper; otherwise residue
            type, element and entity.
        view: Graph to work on: the published atom graph, or one of ``alpha`` nodes (then set ``k``
            and ``sequence_offsets`` too).
    """

    view_nodes = ("alpha", "atom")
    paper = "Satorras et al., ICML 2021, arXiv 2102.09844"

    def __init__(
        self,
        hidden_dim: int = 256,
        num_layers: int = 3,
        message_dim: int = 64,
        relation_dim: int = 0,
        attention: bool = False,
        normalize: bool = False,
        tanh: bool = False,
        residual: bool = True,
        coords_aggregation: Literal["mean", "sum"] = "mean",
        final_coords: bool = False,
        element_only: bool = False,
        view: GraphView = ATOM_VIEW,
    ) -> None:
        super().__init__(view, hidden_dim)
        self.embedding = NodeEmbedding(hidden_dim, element_only)
        self.relation = nn.Embedding(view.num_relations, relation_dim) if relation_dim else None
        self.layers = nn.ModuleList(
            EGNNLayer(
                *(hidden_dim, message_dim, hidden_dim, relation_dim),
                attention=attention,
                normalize=normalize,
                tanh=tanh,
                residual=residual,
                coords_aggregation=coords_aggregation,
                update_coords=final_coords or layer < num_layers - 1,
            )
            for layer in range(num_layers)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(hidden_dim) for _ in range(num_layers))

    def forward(self, graph: ProteinGraph) -> Tensor:
        """Node features [N, hidden_dim]."""
        return self._run(graph)[0]

    def equivariant(self, graph: ProteinGraph) -> Equivariant:
        """``coords`` [N, 3], Å: the nodes where the last moving layer leaves them."""
        return Equivariant(positions={"coords": self._run(graph)[1]})

    def _run(self, graph: ProteinGraph) -> tuple[Tensor, Tensor]:
        h, x = self.embedding(graph), graph.pos
        edge_attr = None if self.relation is None else self.relation(graph.edge_type)
        for layer, norm in zip(self.layers, self.norms, strict=True):
            h, x = layer(h, x, graph.edge_index, edge_attr)
            h = norm(h)
        return h, x
