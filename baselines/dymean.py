"""dyMEAN: adaptive multi-channel equivariant network (Kong et al., ICML 2023)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from hemenet_lab.encoders import (
    Aggregation,
    ChannelGraph,
    MultichannelEncoder,
    check_aggregation,
    coordinate_change,
    first_linear,
    fold_radial,
    normalised_radial,
)
from hemenet_lab.graphs import GraphView
from hemenet_lab.nn import Dropout, linear_at, mlp, segment_sum

Variant = Literal["dymean", "gmsl"]


class DyMEANLayer(nn.Module):
    """One adaptive multi-channel layer (arXiv 2302.00203, Sec. 3.3), without relations.

    For an edge j → i, with R_ij and T_S of `hemenet_lab.encoders.multichannel`::

        m    = φ_m([h_i, h_j, radial_ij, a])      times σ(W m + b) with attention
        X'_i = X_i + aggregate_j T_S(X_i − x̄_j, φ_x(m))

        dymean:  radial = (W vec(R) + b) / (‖R‖ + 1)      h'_i = h_i + φ_h([h_i, Σ_j m])
        gmsl:    radial = W vec(R) / (‖R‖ + ε) + b        h'_i = h_i + W_h Σ_j m + b_h

    Args:
        dim: Width d of the node features.
        num_channels: C, channels of a node.
        channel_dim: d_c, width of the channel embeddings.
        radial_dim: Width of the radial features; ``channel_dim`` by default.
        edge_dim: Width of edge attributes.
        message_dim: Width of the messages; d by default.
        variant: ``dymean`` (the authors' layer) or ``gmsl`` (the one that the HeMeNet paper ran).
        dropout: Dropout of the messages.
        attention: Weigh each message with a learned gate.
        tanh: Bound φ_x to -1 ... 1.
        coords_aggregation: ``mean`` or ``sum`` over the edges of a node.
        move_coords: Whether the layer updates coordinates; without, φ_x does not exist.
        eps: Added to ‖R‖; by default 1 (dymean) or 1e-3 (gmsl).
        centroid_eps: Added to the atom count of a centroid (HeMeNet's code adds 1e-3).
        move_padding: Lets padding channels drift, as in the released code.

    Raises:
        ValueError: Another variant.
    """

    def __init__(
        self,
        dim: int,
        num_channels: int,
        channel_dim: int,
        radial_dim: int | None = None,
        edge_dim: int = 0,
        message_dim: int | None = None,
        *,
        variant: Variant = "dymean",
        dropout: float = 0.1,
        attention: bool = False,
        tanh: bool = False,
        coords_aggregation: Aggregation = "mean",
        move_coords: bool = True,
        eps: float | None = None,
        centroid_eps: float = 0.0,
        move_padding: bool = False,
    ) -> None:
        super().__init__()
        if variant not in ("dymean", "gmsl"):
            raise ValueError(f"variant {variant!r}; allowed: dymean, gmsl")
        check_aggregation(coords_aggregation)
        radial, wide = radial_dim or channel_dim, message_dim or dim
        self.widths = (dim, dim, radial, edge_dim)
        self.variant = variant
        self.tanh = tanh
        self.coords_aggregation = coords_aggregation
        self.move_coords = move_coords
        self.eps = eps if eps is not None else {"dymean": 1.0, "gmsl": 1e-3}[variant]
        self.centroid_eps = centroid_eps
        self.move_padding = move_padding
        self.radial_linear = nn.Linear(channel_dim**2, radial)
        self.edge_mlp = mlp([sum(self.widths), wide, wide], final_activation=True)
        self.dropout = Dropout(dropout)
        self.att_mlp = nn.Sequential(nn.Linear(wide, 1), nn.Sigmoid()) if attention else None
        if variant == "dymean":
            self.node_mlp = mlp([dim + wide, wide, dim])
        else:
            self.phi_h = nn.Linear(wide, dim)
        if move_coords:
            self.coord_mlp = mlp([wide, wide, num_channels], final_bias=False)
            nn.init.xavier_uniform_(linear_at(self.coord_mlp, -1).weight, gain=1e-3)

    def forward(
        self, h: Tensor, coords: Tensor, graph: ChannelGraph, channel_embedding: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Updates features and coordinates.

        Args:
            h: [N, d].
            coords: [N, C, 3], Å.
            graph: Edges, pairs and channels; ``edge_attr`` [E, edge_dim].
            channel_embedding: Emb, [K, d_c].

        Returns:
            h [N, d] and coords [N, C, 3].
        """
        message = self.messages(h, coords, graph, channel_embedding)
        h = h + self.update(h, message, graph)
        if self.move_coords:
            coords = coords + self.displacement(message, coords, graph)
        return h, coords

    def epsilon(self, coords: Tensor, graph: ChannelGraph) -> float | Tensor:
        """Number added to ‖R‖; HeMeNet's released code, compared in tests, makes it depend on X."""
        return self.eps

    def messages(
        self, h: Tensor, coords: Tensor, graph: ChannelGraph, channel_embedding: Tensor
    ) -> Tensor:
        """m_ij, [E, message_dim]; W and Emb are multiplied into the first Linear of φ_m."""
        first = linear_at(self.edge_mlp, 0)
        of_target, of_source, of_radial, of_edge = first.weight.split(self.widths, dim=1)
        epsilon = self.epsilon(coords, graph)
        radial, factor = normalised_radial(coords, graph, channel_embedding, epsilon)
        offset = of_radial @ self.radial_linear.bias
        features, bias = [radial, graph.edge_attr], first.bias
        weights = [of_radial @ fold_radial(self.radial_linear.weight, channel_embedding), of_edge]
        if self.variant == "dymean":
            # the bias of the radial map is divided by the norm too
            features.append(factor)
            weights.append(offset.unsqueeze(1))
        else:
            bias = bias + offset
        hidden = first_linear(
            h, graph, (of_target, of_source), torch.cat(features, 1), torch.cat(weights, 1), bias
        )
        message = self.dropout(self.edge_mlp[1:](hidden))
        return message if self.att_mlp is None else message * self.att_mlp(message)

    def update(self, h: Tensor, message: Tensor, graph: ChannelGraph) -> Tensor:
        """Change of the node features, [N, d]."""
        if graph.edge_weight is not None:
            message = message * graph.edge_weight.unsqueeze(1)
        total = segment_sum(message, graph.target, graph.num_nodes)
        if self.variant == "dymean":
            return self.node_mlp(torch.cat([h, total.to(h.dtype)], dim=1))
        return self.phi_h(total)

    def displacement(self, message: Tensor, coords: Tensor, graph: ChannelGraph) -> Tensor:
        """Change of the coordinates, [N, C, 3] Å."""
        scores = self.coord_mlp(message)
        if self.tanh:
            scores = scores.tanh()
        return coordinate_change(
            coords, scores, graph, self.coords_aggregation, self.centroid_eps, self.move_padding
        )


class DyMEAN(MultichannelEncoder):
    """Multi-channel layers on residues and ligand atoms, relations ignored (dyMEAN, ICML 2023).

    Width, depth and neighbours as in the HeMeNet paper's comparison. A LayerNorm follows every
    layer; the node features are those of the last one.

    Args:
        hidden_dim: Width of the node features.
        num_layers: Number of layers.
        channel_dim: Width of the element embeddings and of the radial features.
        dropout: Dropout of the messages.
        variant: ``dymean`` (the authors' layer) or ``gmsl`` (the one that the HeMeNet paper ran,
            with a single Linear as node update).
        attention: Weigh each message with a learned gate.
        tanh: Bound the coordinate scores to -1 ... 1.
        coords_aggregation: ``mean`` or ``sum`` of the coordinate messages.
        view: The graph: nodes, neighbours and relations.
    """

    paper = "Kong et al., dyMEAN, ICML 2023, arXiv 2302.00203"

    def __init__(
        self,
        hidden_dim: int = 128,
        num_layers: int = 3,
        channel_dim: int = 128,
        dropout: float = 0.1,
        variant: Variant = "dymean",
        attention: bool = False,
        tanh: bool = False,
        coords_aggregation: Aggregation = "mean",
        view: GraphView = GraphView(k=9),  # noqa: B008 - frozen
    ) -> None:
        super().__init__(view, hidden_dim, hidden_dim, channel_dim)
        self.layers = nn.ModuleList(
            DyMEANLayer(
                hidden_dim,
                view.num_channels,
                channel_dim,
                variant=variant,
                dropout=dropout,
                attention=attention,
                tanh=tanh,
                coords_aggregation=coords_aggregation,
                # nothing in training reads the last layer's coordinates
                move_coords=number < num_layers - 1,
            )
            for number in range(num_layers)
        )
        self.layer_norms = nn.ModuleList(nn.LayerNorm(hidden_dim) for _ in range(num_layers))

    def run_layers(
        self, h: Tensor, coords: Tensor, shared: ChannelGraph, channel_embedding: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Node features of the last layer [N, hidden_dim], and coordinates [N, C, 3], Å."""
        for layer, norm in zip(self.layers, self.layer_norms, strict=True):
            h, coords = layer(h, coords, shared, channel_embedding)
            h = norm(h)
        return h, coords
