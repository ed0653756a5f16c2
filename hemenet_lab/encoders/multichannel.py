"""Geometry of multi-channel graphs (nodes that hold several atoms), in its fast exact form.

A node i has coordinates X_i [C, 3] and channel embeddings A_i = S_i Emb, where S_i [C, K] says
which of K channel types each channel has. HeMeNet and dyMEAN describe a pair of nodes by
R_ij = A_iᵀ D_ij A_j [d_c, d_c] with D_ij the distances between their channels. As A_i has only K
distinct rows, B_ij = S_iᵀ D_ij S_j [K, K] carries all of it:

* W vec(R_ij) = M vec(B_ij) with M = W (Emb ⊗ Emb), made once per layer (`fold_radial`);
* ‖R_ij‖² = Σ B_ij ∘ (G B_ij G) with G = Emb Embᵀ;
* B_ji = B_ijᵀ, so that each undirected pair is computed once (`hemenet_lab.nn.typed_distances`).

Geometry stays in float32 or better under autocast.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from hemenet_lab.nn.radial import safe_sqrt
from hemenet_lab.nn.segment import segment_count, segment_sum
from hemenet_lab.nn.typed_distances import TypedDistances

Aggregation = Literal["mean", "sum"]


@dataclass(frozen=True)
class ChannelGraph:
    """What all layers of a forward pass share: edges, node pairs and channels.

    N nodes, E edges, P undirected node pairs, C channels, K channel types, R relations.
    """

    source: Tensor
    """int64 [E]."""
    target: Tensor
    """int64 [E]."""
    relation: Tensor
    """int64 [E]."""
    num_relations: int
    first: Tensor
    """int64 [P], lower node of each pair (equal to ``second`` for a self-loop)."""
    second: Tensor
    """int64 [P]."""
    pair: Tensor
    """int64 [E], p where the target is ``first[p]``, P + p where it is ``second[p]``."""
    channels: Tensor
    """S, [N, C, K]; rows of padding are 0."""
    mask: Tensor
    """bool [N, C], True for real channels."""
    pooling: Tensor
    """T_S of each node, [N, C, C] (`pooling_table`)."""
    degree: Tensor
    """Incoming edges of each node, at least 1; [N]."""
    edge_attr: Tensor
    """Weights of the rows of the edge embedding, [E, T]: one-hot relations, or any numbers."""
    edge_weight: Tensor | None = None
    """Weights of the messages in the update of h, [E]; None for 1."""

    @property
    def num_nodes(self) -> int:
        return len(self.mask)


def channel_graph(
    edge_index: Tensor,
    relation: Tensor,
    num_relations: int,
    channels: Tensor,
    mask: Tensor,
    edge_attr: Tensor,
    edge_weight: Tensor | None = None,
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
    """
    source, target = edge_index
    n, c = mask.shape
    low, high = torch.minimum(source, target), torch.maximum(source, target)
    pairs, place = torch.unique(low * n + high, return_inverse=True)
    return ChannelGraph(
        source=source,
        target=target,
        relation=relation,
        num_relations=num_relations,
        first=pairs // n,
        second=pairs % n,
        pair=place + len(pairs) * (target != low),
        channels=channels,
        mask=mask,
        pooling=pooling_table(c).to(channels)[occupied_length(mask)],
        degree=segment_count(target, n).clamp(min=1).to(channels.dtype),
        edge_attr=edge_attr,
        edge_weight=edge_weight,
    )


def one_hot_channels(
    channel_type: Tensor, mask: Tensor, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """S over the channel types that occur, and which these are.

    Leaving absent types out changes nothing, as their rows of B are 0, and makes B four to five
    times smaller for a protein.

    Args:
        channel_type: int64 [N, C].
        mask: bool [N, C].
        dtype: Of the result.

    Returns:
        S [N, C, K] with zero rows for padding, and the types int64 [K] in increasing order.
    """
    types = channel_type[mask].unique()
    channels = (channel_type.unsqueeze(-1) == types) & mask.unsqueeze(-1)
    return channels.to(dtype), types


def occupied_length(mask: Tensor) -> Tensor:
    """Last occupied channel + 1 of each node, int64 [N]: holes before it count, padding not."""
    numbers = torch.arange(1, mask.shape[1] + 1, device=mask.device)
    return (mask * numbers).amax(1)


def pooling_table(num_channels: int) -> Tensor:
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


def centroids(coords: Tensor, mask: Tensor, eps: float = 0.0) -> Tensor:
    """Mean of the real channels, [N, 3]; ``eps`` is added to their number."""
    count = mask.sum(1, keepdim=True).to(coords.dtype)
    if eps == 0:
        count = count.clamp(min=1)
    return (coords * mask.unsqueeze(-1)).sum(1) / (count + eps)


def normalised_radial(
    coords: Tensor, graph: ChannelGraph, embedding: Tensor, eps: float | Tensor
) -> tuple[Tensor, Tensor]:
    """B_ij / (‖R_ij‖ + ε) of every edge j → i, rows of B belonging to the target.

    Args:
        coords: [N, C, 3], Å.
        graph: Edges, pairs and channels.
        embedding: Emb, [K, d_c].
        eps: ε, a number or a scalar tensor.

    Returns:
        The features [E, K²] and the factor 1 / (‖R_ij‖ + ε) [E, 1], both float32 or better.
    """
    with torch.autocast(coords.device.type, enabled=False):
        distances: Tensor = TypedDistances.apply(coords, graph.channels, graph.first, graph.second)
        gram = (embedding @ embedding.t()).to(distances.dtype)
        flat = distances.flatten(1)
        squares = (flat * (flat @ torch.kron(gram, gram))).sum(1)
        factor = 1 / (safe_sqrt(squares) + eps)
        scaled = distances * factor.view(-1, 1, 1)
        both = torch.cat([scaled, scaled.transpose(1, 2)]).flatten(1)
        factor = torch.cat([factor, factor]).unsqueeze(1)
        return both.index_select(0, graph.pair), factor.index_select(0, graph.pair)


def fold_radial(weight: Tensor, embedding: Tensor) -> Tensor:
    """M = W (Emb ⊗ Emb): W [o, d_c²] on vec(R) becomes M [o, K²] on vec(B)."""
    with torch.autocast(weight.device.type, enabled=False):
        k, d = embedding.shape
        half = weight.view(-1, d) @ embedding.t()
        return (embedding @ half.view(-1, d, k)).flatten(1)


def check_aggregation(kind: str) -> None:
    """Refuses another way of adding up coordinate messages than ``mean`` and ``sum``."""
    if kind not in ("mean", "sum"):
        raise ValueError(f"coords_aggregation {kind!r}; allowed: mean, sum")


def coordinate_change(
    coords: Tensor,
    scores: Tensor,
    graph: ChannelGraph,
    aggregation: Aggregation = "mean",
    centroid_eps: float = 0.0,
    move_padding: bool = False,
) -> Tensor:
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
    h: Tensor,
    graph: ChannelGraph,
    of_nodes: tuple[Tensor, Tensor],
    features: Tensor,
    weight: Tensor,
    bias: Tensor,
) -> Tensor:
    """A Linear on [h_i, h_j, features_ij] of every edge j → i, applied by input block.

    The blocks of h_i and h_j are applied per node, before they are copied to the edges.

    Args:
        h: [N, d].
        graph: Edges.
        of_nodes: Weights of h_i and of h_j, [o, d] each.
        features: [E, F].
        weight: Weights of the features, [o, F].
        bias: [o].

    Returns:
        [E, o].
    """
    result = functional.linear(features.to(h.dtype), weight, bias)
    for block, node in zip(of_nodes, (graph.target, graph.source), strict=True):
        result += functional.linear(h, block).index_select(0, node)
    return result
