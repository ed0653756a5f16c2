"""HeMeNet: heterogeneous multichannel equivariant network (Han et al., AAAI 2025)."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from hemenet_lab.encoders.multichannel import (
    Aggregation,
    ChannelGraph,
    MultichannelEncoder,
    centroids,
    check_aggregation,
    coordinate_change,
    first_linear,
)
from hemenet_lab.encoders.typed_distances import (
    fold_radial,
    normalised_radial,
    smallest_distances,
)
from hemenet_lab.graphs import GraphView, ProteinGraph
from hemenet_lab.nn import (
    Dropout,
    GaussianBasis,
    Norm,
    linear_at,
    mlp,
    node_norm,
    safe_norm,
    segment_sum,
)

BASIS_END = 15.0
"""Last centre of the Gaussians of HeMeNet+, Å; logarithms tell what is further away."""


class PairDistances(nn.Module):
    """What HeMeNet+ knows of how far two nodes are apart, and its weights in φ_m's first Linear.

    Of the smallest distance between two atoms and of the distance of the centroids, each: Gaussians
    up to `BASIS_END`, and log(1 + d).

    Args:
        num_gaussians: Gaussians of each of the two.
        out_dim: Width of φ_m's first layer.
    """

    def __init__(self, num_gaussians: int, out_dim: int) -> None:
        super().__init__()
        self.basis = GaussianBasis(num_gaussians, 0.0, BASIS_END)
        self.linear = nn.Linear(2 * num_gaussians + 2, out_dim, bias=False)

    def forward(
        self, coords: Float[Tensor, "nodes channels 3"], graph: ChannelGraph
    ) -> Float[Tensor, "edges features"]:
        """[E, 2 · num_gaussians + 2] from coordinates [N, C, 3], Å, in their precision."""
        nodes = graph.first, graph.second
        centre = centroids(coords, graph.mask)
        apart = centre.index_select(0, graph.first) - centre.index_select(0, graph.second)
        smallest = smallest_distances(coords, graph.mask, *nodes)
        distance = torch.stack([smallest, safe_norm(apart)], dim=1)
        found = torch.cat([self.basis(distance).flatten(1), distance.log1p()], dim=1)
        return torch.cat([found, found]).index_select(0, graph.pair)


class HeMeNetLayer(nn.Module):
    """One layer of relational multichannel message passing (Eq. 1-4), in the fast exact form.

    Args:
        dim: Width d of the node features.
        num_relations: R.
        num_channels: C, channels of a node.
        channel_dim: d_c, width of channel embeddings and of the radial features.
        edge_dim: Width of the relation embedding e_r; 0 for none.
        message_dim: Width of the messages; d by default.
        dropout: Dropout of the messages.
        norm: Normalisation of the update of h: ``batch`` (paper), ``layer`` or ``none``.
        coords_aggregation: ``mean`` over all incoming edges (Eq. 4) or ``sum``.
        move_coords: Whether the layer updates coordinates; without, φ_x and w_r do not exist.
        attention: A learned gate on each message (an option of the released code, off there).
        eps: ε of the normalisation of R.
        centroid_eps: Added to the atom count of a centroid (the released code adds 1e-3).
        move_padding: Lets padding channels drift, as in the released code.
        distance_gaussians: Gaussians of each distance that the messages see (HeMeNet+); 0 for none.
    """

    def __init__(
        self,
        dim: int,
        num_relations: int,
        num_channels: int,
        channel_dim: int,
        edge_dim: int,
        *,
        message_dim: int | None = None,
        dropout: float = 0.1,
        norm: Norm = "batch",
        coords_aggregation: Aggregation = "mean",
        move_coords: bool = True,
        attention: bool = False,
        eps: float = 1e-3,
        centroid_eps: float = 0.0,
        move_padding: bool = False,
        distance_gaussians: int = 0,
    ) -> None:
        super().__init__()
        check_aggregation(coords_aggregation)
        self.widths = (dim, dim, channel_dim, edge_dim)
        self.num_relations = num_relations
        self.coords_aggregation = coords_aggregation
        self.move_coords = move_coords
        self.eps = eps
        self.centroid_eps = centroid_eps
        self.move_padding = move_padding
        self.radial_linear = nn.Linear(channel_dim**2, channel_dim)
        wide = message_dim or dim
        self.message_mlp = mlp([sum(self.widths), wide, wide], final_activation=True)
        self.dropout = Dropout(dropout)
        self.att_mlp = nn.Sequential(nn.Linear(wide, 1), nn.Sigmoid()) if attention else None
        self.hetero_linear = nn.Linear(num_relations * wide, dim)
        self.norm = node_norm(norm, dim)
        if move_coords:
            self.coord_mlp = mlp([wide, wide, num_channels], final_bias=False)
            nn.init.xavier_uniform_(linear_at(self.coord_mlp, -1).weight, gain=1e-3)
            self.w_r = nn.Parameter(torch.ones(num_relations, 1))
        # last, so that all else starts with the same random numbers as without it
        self.distances = PairDistances(distance_gaussians, wide) if distance_gaussians else None

    def forward(
        self,
        h: Float[Tensor, "nodes dim"],
        coords: Float[Tensor, "nodes channels 3"],
        graph: ChannelGraph,
        channel_embedding: Float[Tensor, "types channel_dim"],
        edge_embedding: Float[Tensor, "attributes edge_dim"],
    ) -> tuple[Float[Tensor, "nodes dim"], Float[Tensor, "nodes channels 3"]]:
        """Updates features and coordinates.

        Args:
            h: [N, d].
            coords: [N, C, 3], Å.
            graph: Edges, pairs and channels.
            channel_embedding: Emb, [K, d_c].
            edge_embedding: Rows that ``graph.edge_attr`` [E, T] mixes, [T, edge_dim].

        Returns:
            h [N, d] and coords [N, C, 3].
        """
        message = self.messages(h, coords, graph, channel_embedding, edge_embedding)
        h = h + functional.silu(self.norm(self.aggregate(message, graph)))
        if self.move_coords:
            coords = coords + self.displacement(message, coords, graph)
        return h, coords

    def epsilon(self, coords: Tensor, graph: ChannelGraph) -> float | Tensor:
        """ε of R / (‖R‖ + ε); the released layer, compared in tests, makes it depend on X."""
        return self.eps

    def messages(
        self,
        h: Float[Tensor, "nodes dim"],
        coords: Float[Tensor, "nodes channels 3"],
        graph: ChannelGraph,
        channel_embedding: Float[Tensor, "types channel_dim"],
        edge_embedding: Float[Tensor, "attributes edge_dim"],
    ) -> Float[Tensor, "edges message_dim"]:
        """m_ij = φ_m([h_i, h_j, radial_ij, e_r]) (Eq. 1), [E, d].

        The first Linear is applied by input block: per node to h_i and h_j, and per edge to
        B and the relation only, with W_rad and both embeddings multiplied into its weight.
        HeMeNet+ adds its distances there, and keeps that product in float32 under autocast:
        bfloat16 would round away what they tell.
        """
        exact = self.distances is not None
        precision = torch.autocast(h.device.type, enabled=False) if exact else nullcontext()
        with precision:
            first = linear_at(self.message_mlp, 0)
            of_target, of_source, of_radial, of_edge = first.weight.split(self.widths, dim=1)
            epsilon = self.epsilon(coords, graph)
            radial, _ = normalised_radial(coords, graph, channel_embedding, epsilon)
            folded = fold_radial(self.radial_linear.weight, channel_embedding)
            weights = [of_radial @ folded, of_edge @ edge_embedding.t()]
            features = [radial, graph.edge_attr]
            bias = first.bias + of_radial @ self.radial_linear.bias
            if self.distances is not None:
                weights.append(self.distances.linear.weight)
                features.append(self.distances(coords, graph))
            weight, known = torch.cat(weights, dim=1), torch.cat(features, dim=1)
        hidden = first_linear(h, graph, (of_target, of_source), known, weight, bias, exact)
        message = self.dropout(self.message_mlp[1:](hidden))
        if self.att_mlp is not None:
            message = message * self.att_mlp(message)
        return message

    def aggregate(
        self, message: Float[Tensor, "edges message_dim"], graph: ChannelGraph
    ) -> Float[Tensor, "nodes dim"]:
        """W concat_r Σ_{j in N_r(i)} m_ij + b (Eq. 3 with φ_h linear), [N, d]."""
        if graph.edge_weight is not None:
            message = message * graph.edge_weight.unsqueeze(1)
        slot = graph.target * self.num_relations + graph.relation
        total = segment_sum(message, slot, graph.num_nodes * self.num_relations)
        return self.hetero_linear(total.view(graph.num_nodes, -1))

    def displacement(
        self,
        message: Float[Tensor, "edges message_dim"],
        coords: Float[Tensor, "nodes channels 3"],
        graph: ChannelGraph,
    ) -> Float[Tensor, "nodes channels 3"]:
        """Change of the coordinates (Eq. 2 and 4), [N, C, 3] Å."""
        scores = self.coord_mlp(message) * self.w_r.index_select(0, graph.relation)
        return coordinate_change(
            coords, scores, graph, self.coords_aggregation, self.centroid_eps, self.move_padding
        )


class HeMeNetStack(nn.Module):
    """Layers with a LayerNorm on h after each; their outputs concatenated.

    Args:
        layers: The layers, first to last.
        dim: Width d of each.
    """

    def __init__(self, layers: Sequence[HeMeNetLayer], dim: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.layer_norms = nn.ModuleList(nn.LayerNorm(dim) for _ in layers)

    def forward(
        self,
        h: Float[Tensor, "nodes dim"],
        coords: Float[Tensor, "nodes channels 3"],
        *shared: Any,
    ) -> tuple[Float[Tensor, "nodes all_layers"], Float[Tensor, "nodes channels 3"]]:
        """Node features [N, L·d] and coordinates [N, C, 3] Å; ``shared`` goes to every layer."""
        outputs = []
        for layer, norm in zip(self.layers, self.layer_norms, strict=True):
            h, coords = layer(h, coords, *shared)
            h = norm(h)
            outputs.append(h)
        return torch.cat(outputs, dim=1), coords


class HeMeNet(MultichannelEncoder):
    """Heterogeneous multichannel equivariant network (Han et al., AAAI 2025, Eq. 1-4).

    Args:
        hidden_dim: Width d of the node features in each layer.
        num_layers: Number of layers; the output concatenates all of them.
        channel_dim: Width d_c of the element embeddings and of the radial features.
        relation_dim: Width of the relation embedding e_r.
        dropout: Dropout of the messages.
        norm: Normalisation of the update of h: ``batch`` (paper), ``layer`` or ``none``.
        coords_aggregation: ``mean`` (paper) or ``sum`` of the coordinate messages.
        relational: False ignores the relations: one W, one w and no e_r (ablation of Table 4).
        final_coords: Gives the last layer a coordinate update too; nothing in training reads it,
            so its parameters would never get a gradient.
        distance_gaussians: HeMeNet+, which is not in the paper: messages also see the smallest
            distance of two nodes' atoms and the distance of their centroids, each as so many
            Gaussians and a logarithm; 0 (paper) for neither. R / (‖R‖ + ε) hides distances.
        view: The graph: nodes, neighbours and relations.
    """

    paper = "Han et al., HeMeNet, AAAI 2025, arXiv 2404.01693"

    def __init__(
        self,
        hidden_dim: int = 256,
        num_layers: int = 6,
        channel_dim: int = 128,
        relation_dim: int = 128,
        dropout: float = 0.1,
        norm: Norm = "batch",
        coords_aggregation: Aggregation = "mean",
        relational: bool = True,
        final_coords: bool = False,
        distance_gaussians: int = 0,
        view: GraphView = GraphView(),  # noqa: B008 - frozen
    ) -> None:
        if num_layers < 1:
            raise ValueError(f"HeMeNet num_layers is {num_layers}; it must be 1 or more")
        if distance_gaussians < 0 or distance_gaussians == 1:
            raise ValueError(
                f"HeMeNet distance_gaussians is {distance_gaussians}; "
                "allowed: 0 (none, as published) or 2 and more"
            )
        super().__init__(view, num_layers * hidden_dim, hidden_dim, channel_dim)
        self.num_relations = view.num_relations if relational else 1
        self.relational = relational
        edge_dim = relation_dim if relational else 0
        self.relation_embedding = (
            nn.Embedding(self.num_relations, relation_dim) if relational else None
        )
        self.stack = HeMeNetStack(
            [
                HeMeNetLayer(
                    hidden_dim,
                    self.num_relations,
                    view.num_channels,
                    channel_dim,
                    edge_dim,
                    dropout=dropout,
                    norm=norm,
                    coords_aggregation=coords_aggregation,
                    move_coords=final_coords or number < num_layers - 1,
                    distance_gaussians=distance_gaussians,
                )
                for number in range(num_layers)
            ],
            hidden_dim,
        )

    def relations(self, graph: ProteinGraph) -> tuple[Tensor, int]:
        """The view's relations, or one for all edges."""
        return (
            (graph.edge_type, self.num_relations) if self.relational else super().relations(graph)
        )

    def edge_attributes(self, relation: Tensor, dtype: torch.dtype) -> Tensor:
        """One-hot relations [E, R]; none if relations are ignored."""
        if not self.relational:
            return super().edge_attributes(relation, dtype)
        return functional.one_hot(relation, self.num_relations).to(dtype)

    def run_layers(
        self, h: Tensor, coords: Tensor, shared: ChannelGraph, channel_embedding: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Outputs of all layers side by side [N, num_layers · hidden_dim], and coordinates."""
        if self.relation_embedding is None:
            edge_embedding = coords.new_zeros(0, 0)
        else:
            edge_embedding = self.relation_embedding.weight
        return self.stack(h, coords, shared, channel_embedding, edge_embedding)
