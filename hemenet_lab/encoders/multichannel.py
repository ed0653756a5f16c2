"""Geometry of multi-channel graphs (nodes that hold several atoms), in its fast exact form.

A node i has coordinates X_i [C, 3] and channel embeddings A_i = S_i Emb, where S_i [C, K] says
which of K channel types each channel has. HeMeNet and dyMEAN describe a pair of nodes by
R_ij = A_iᵀ D_ij A_j [d_c, d_c] with D_ij the distances between their channels. As A_i has only K
distinct rows, B_ij = S_iᵀ D_ij S_j [K, K] carries all of it:

* W vec(R_ij) = M vec(B_ij) with M = W (Emb ⊗ Emb), made once per layer;
* ‖R_ij‖² = Σ B_ij ∘ (G B_ij G) with G = Emb Embᵀ;
* B_ji = B_ijᵀ, so that each undirected pair is computed once.

`hemenet_lab.encoders.typed_distances` computes these.

Geometry stays in float32 or better under autocast.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor, nn
from torch.nn import functional

from hemenet_lab.encoders.base import Encoder, Equivariant, Preparation
from hemenet_lab.graphs import GraphView, ProteinGraph
from hemenet_lab.nn import segment_count, segment_sum
from hemenet_lab.structures import NUM_ELEMENT_CLASSES, NUM_NODE_TYPES

Aggregation = Literal["mean", "sum"]


class ChannelGraph(NamedTuple):
    """Edges, node pairs and channels, shared by all layers of a forward pass.

    N nodes, E edges, P undirected node pairs, C channels, K channel types, R relations.
    """

    source: Int64[Tensor, " edges"]
    """int64 [E]."""
    target: Int64[Tensor, " edges"]
    """int64 [E]."""
    relation: Int64[Tensor, " edges"]
    """int64 [E]."""
    num_relations: int
    num_nodes: int
    first: Int64[Tensor, " pairs"]
    """int64 [P], lower node of each pair (equal to ``second`` for a self-loop)."""
    second: Int64[Tensor, " pairs"]
    """int64 [P]."""
    pair: Int64[Tensor, " edges"]
    """int64 [E], p where the target is ``first[p]``, P + p where it is ``second[p]``."""
    channels: Float[Tensor, "nodes channels types"]
    """S, [N, C, K]; rows of padding are 0."""
    mask: Bool[Tensor, "nodes channels"]
    """bool [N, C], True for real channels."""
    pooling: Float[Tensor, "nodes channels channels"]
    """T_S of each node, [N, C, C] (`pooling_table`)."""
    degree: Float[Tensor, " nodes"]
    """Incoming edges of each node, at least 1; [N]."""
    edge_attr: Float[Tensor, "edges attributes"]
    """Weights of the rows of the edge embedding, [E, T]: one-hot relations, or any numbers."""
    edge_weight: Float[Tensor, " edges"] | None = None
    """Weights of the messages in the update of h, [E]; None for 1."""


def node_pairs(
    edge_index: Int64[Tensor, "2 edges"], mask: Bool[Tensor, "nodes channels"]
) -> dict[str, Tensor]:
    """``first``, ``second`` and ``pair`` of a `ChannelGraph`, from edges [2, E] and mask [N, C].

    Pairs of nodes with alike numbers of channels lie together, so that a block of them has little
    padding (`hemenet_lab.encoders.typed_distances`).
    """
    source, target = edge_index
    low, high = torch.minimum(source, target), torch.maximum(source, target)
    pairs, place = torch.unique(low * len(mask) + high, return_inverse=True)
    first, second = pairs // len(mask), pairs % len(mask)
    length = occupied_length(mask)
    # by the length of the first node in steps of two, and within a step up or down by the second's
    step, of_second = (length[first] + 1) // 2, length[second]
    turned = torch.where(step % 2 == 0, of_second, mask.shape[1] - of_second)
    order = (step * (mask.shape[1] + 1) + turned).argsort(stable=True)
    of_edge = order.argsort()[place] + len(pairs) * (target != low)
    return {"first": first[order], "second": second[order], "pair": of_edge}


def channel_graph(
    edge_index: Int64[Tensor, "2 edges"],
    relation: Int64[Tensor, " edges"],
    num_relations: int,
    channels: Float[Tensor, "nodes channels types"],
    mask: Bool[Tensor, "nodes channels"],
    edge_attr: Float[Tensor, "edges attributes"],
    edge_weight: Float[Tensor, " edges"] | None = None,
    pairs: Mapping[str, Tensor] | None = None,
) -> ChannelGraph:
    """Prepares what all layers share.

    Args:
        edge_index: Sources and targets, int64 [2, E], in any order.
        relation: Relation of each edge, int64 [E].
        num_relations: Number of relations.
        channels: S, [N, C, K]: one-hot types, or any weights; 0 for padding.
        mask: bool [N, C], True for real channels.
        edge_attr: [E, T], see `ChannelGraph`.
        edge_weight: [E], see `ChannelGraph`.
        pairs: Result of `node_pairs`, if it is known already.
    """
    source, target = edge_index
    n, c = mask.shape
    pairs = node_pairs(edge_index, mask) if pairs is None else pairs
    return ChannelGraph(
        source=source,
        target=target,
        relation=relation,
        num_relations=num_relations,
        num_nodes=n,
        first=pairs["first"],
        second=pairs["second"],
        pair=pairs["pair"],
        channels=channels,
        mask=mask,
        pooling=pooling_table(c).to(channels)[occupied_length(mask)],
        degree=segment_count(target, n).clamp(min=1).to(channels.dtype),
        edge_attr=edge_attr,
        edge_weight=edge_weight,
    )


def present_types(
    channel_type: Int64[Tensor, "nodes channels"], mask: Bool[Tensor, "nodes channels"]
) -> Int64[Tensor, " types"]:
    """Types of the real channels [N, C], each once and in increasing order, int64 [K].

    Leaving absent types out changes nothing, as their rows of B are 0, and makes B four to five
    times smaller for a protein.
    """
    return channel_type[mask].unique()


def one_hot_channels(
    channel_type: Int64[Tensor, "nodes channels"],
    mask: Bool[Tensor, "nodes channels"],
    types: Int64[Tensor, " types"],
    dtype: torch.dtype,
) -> Float[Tensor, "nodes channels types"]:
    """S over some types, [N, C, K] with zero rows for padding.

    Args:
        channel_type: int64 [N, C].
        mask: bool [N, C].
        types: The types that are told apart, int64 [K] (`present_types`).
        dtype: Of the result.
    """
    return ((channel_type.unsqueeze(-1) == types) & mask.unsqueeze(-1)).to(dtype)


@dataclass(frozen=True)
class PairsAndTypes(Preparation):
    """Node pairs of the edges, and the channel types that occur."""

    def tensors(self, graph: ProteinGraph) -> dict[str, Tensor]:
        types = present_types(graph.channel_type, graph.channel_mask)
        return {"types": types, **node_pairs(graph.edge_index, graph.channel_mask)}


class MultichannelEncoder(Encoder):
    """Base of the encoders on multi-channel graphs: HeMeNet, dyMEAN.

    Args:
        view: The graph: nodes, neighbours and relations.
        out_dim: Width of the node features.
        hidden_dim: Width of the first node features.
        channel_dim: Width of the element embeddings.
    """

    def __init__(self, view: GraphView, out_dim: int, hidden_dim: int, channel_dim: int) -> None:
        super().__init__(view, out_dim, PairsAndTypes())
        self.node_embedding = nn.Embedding(NUM_NODE_TYPES, hidden_dim)
        self.channel_embedding = nn.Embedding(NUM_ELEMENT_CLASSES, channel_dim)

    def forward(self, graph: ProteinGraph) -> Float[Tensor, "nodes {self.out_dim}"]:
        """Node features [N, out_dim]."""
        return self.encode(graph)[0]

    def equivariant(self, graph: ProteinGraph) -> Equivariant:
        """``coords``: the moved atoms [A, 3] Å, by node and channel, without padding."""
        return Equivariant(positions={"coords": self.encode(graph)[1][graph.channel_mask]})

    def encode(
        self, graph: ProteinGraph
    ) -> tuple[Float[Tensor, "nodes {self.out_dim}"], Float[Tensor, "nodes channels 3"]]:
        """Node features, and the coordinates of all channels [N, C, 3] Å with padding at 0."""
        h = self.node_embedding(graph.node_type)
        coords = graph.coords.to(torch.promote_types(h.dtype, torch.float32))
        coords = coords.masked_fill(~graph.channel_mask.unsqueeze(-1), 0.0)
        known = self.prepared(graph)
        channels = one_hot_channels(
            graph.channel_type, graph.channel_mask, known["types"], coords.dtype
        )
        relation, num_relations = self.relations(graph)
        shared = channel_graph(
            graph.edge_index,
            relation,
            num_relations,
            channels,
            graph.channel_mask,
            self.edge_attributes(relation, coords.dtype),
            pairs=known,
        )
        return self.run_layers(h, coords, shared, self.channel_embedding(known["types"]))

    def relations(self, graph: ProteinGraph) -> tuple[Tensor, int]:
        """Relation of each edge, int64 [E], and their number; one for all unless overridden."""
        return torch.zeros_like(graph.edge_type), 1

    def edge_attributes(self, relation: Tensor, dtype: torch.dtype) -> Tensor:
        """``edge_attr`` [E, T] of the `ChannelGraph`; none (T = 0) unless overridden."""
        return torch.zeros(len(relation), 0, dtype=dtype, device=relation.device)

    @abstractmethod
    def run_layers(
        self, h: Tensor, coords: Tensor, shared: ChannelGraph, channel_embedding: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Node features [N, out_dim] and moved coordinates [N, C, 3], Å.

        Args:
            h: First node features, [N, hidden_dim].
            coords: [N, C, 3], Å, padding at 0.
            shared: Edges, pairs and channels.
            channel_embedding: Emb of the types that occur, [K, channel_dim].
        """


def occupied_length(mask: Bool[Tensor, "nodes channels"]) -> Int64[Tensor, " nodes"]:
    """Last occupied channel + 1 of each node, int64 [N]: holes before it count, padding not."""
    numbers = torch.arange(1, mask.shape[1] + 1, device=mask.device)
    return (mask * numbers).amax(1)


def pooling_table(num_channels: int) -> Float64[Tensor, "lengths {num_channels} {num_channels}"]:
    """T_S for every length n: row c averages the window [c, c + C - n] of C values.

    Beyond n (padding) the window is cut off but still divided by its full width, as published.

    Returns:
        float64 [C + 1, C, C], the first index being n (0 is treated as 1).
    """
    length = torch.arange(num_channels + 1).clamp(min=1).view(-1, 1, 1)
    row = torch.arange(num_channels).view(1, -1, 1)
    column = torch.arange(num_channels).view(1, 1, -1)
    window = num_channels - length + 1
    inside = (column >= row) & (column < row + window)
    return inside.double() / window


def centroids(
    coords: Float[Tensor, "nodes channels 3"],
    mask: Bool[Tensor, "nodes channels"],
    eps: float = 0.0,
) -> Float[Tensor, "nodes 3"]:
    """Mean of the real channels, [N, 3]; ``eps`` is added to their number."""
    count = mask.sum(1, keepdim=True).to(coords.dtype)
    if eps == 0:
        count = count.clamp(min=1)
    return (coords * mask.unsqueeze(-1)).sum(1) / (count + eps)


def check_aggregation(kind: str) -> None:
    """Refuses another way of adding up coordinate messages than ``mean`` and ``sum``."""
    if kind not in ("mean", "sum"):
        raise ValueError(f"coords_aggregation {kind!r}; allowed: mean, sum")


def coordinate_change(
    coords: Float[Tensor, "nodes channels 3"],
    scores: Float[Tensor, "edges channels"],
    graph: ChannelGraph,
    aggregation: Aggregation = "mean",
    centroid_eps: float = 0.0,
    move_padding: bool = False,
) -> Float[Tensor, "nodes channels 3"]:
    """Sum or mean of T_S(X_i - x̄_j, z_ij) over the incoming edges of every node.

    T_S and X_i are the same for all edges of a node, so the scores are added up first, plain and
    times the offset of the centroids, and pooled once per node.

    Args:
        coords: [N, C, 3], Å.
        scores: z, [E, C].
        graph: Edges and channels.
        aggregation: ``mean`` over the incoming edges of all relations, or ``sum``.
        centroid_eps: Added to the number of atoms of a centroid.
        move_padding: Lets padding channels drift; they stay in place otherwise.

    Returns:
        [N, C, 3], Å.
    """
    with torch.autocast(coords.device.type, enabled=False):
        scores = scores.to(coords.dtype)
        centre = centroids(coords, graph.mask, centroid_eps)
        offset = centre.index_select(0, graph.source) - centre.index_select(0, graph.target)
        terms = torch.cat([scores, *(scores * axis for axis in offset.split(1, dim=1))], dim=1)
        total = segment_sum(terms, graph.target, graph.num_nodes).view(len(coords), 4, -1)
        pooled = total @ graph.pooling.transpose(1, 2)
        plain, shifted = pooled[:, 0].unsqueeze(-1), pooled[:, 1:].transpose(1, 2)
        change = (coords - centre.unsqueeze(1)) * plain - shifted
        if aggregation == "mean":
            change = change / graph.degree.view(-1, 1, 1)
        return change if move_padding else change * graph.mask.unsqueeze(-1)


def first_linear(
    h: Float[Tensor, "nodes dim"],
    graph: ChannelGraph,
    of_nodes: tuple[Float[Tensor, "out dim"], Float[Tensor, "out dim"]],
    features: Float[Tensor, "edges features"],
    weight: Float[Tensor, "out features"],
    bias: Float[Tensor, " out"],
    exact: bool = False,
) -> Float[Tensor, "edges out"]:
    """A Linear on [h_i, h_j, features_ij] of every edge j → i, applied by input block.

    The blocks of h_i and h_j are applied per node, before they are copied to the edges.

    Args:
        h: [N, d].
        graph: Edges.
        of_nodes: Weights of h_i and of h_j, [o, d] each.
        features: [E, F].
        weight: Weights of the features, [o, F].
        bias: [o].
        exact: Multiplies the features in their own precision, even under autocast.

    Returns:
        [E, o].
    """
    if exact:
        with torch.autocast(h.device.type, enabled=False):
            result = functional.linear(features, weight.to(features), bias.to(features))
    else:
        result = functional.linear(features.to(h.dtype), weight, bias)
    for block, node in zip(of_nodes, (graph.target, graph.source), strict=True):
        result += functional.linear(h, block).index_select(0, node)
    return result
