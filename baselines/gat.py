"""GAT: graph attention with edge features (Veličković et al. 2018; Brody et al. 2022)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch_geometric.nn import GATConv, GATv2Conv

from baselines.common import ATOM_VIEW, LoopedEdges, NodeEmbedding, lengths_between
from hemenet_lab.encoders import Encoder
from hemenet_lab.graphs import GraphView, ProteinGraph
from hemenet_lab.nn import Gathering, GaussianBasis, gather_sum, segment_softmax

CONVOLUTIONS = {"gatv2": GATv2Conv, "gat": GATConv}


BLOCK = 2**11
"""Edges whose scores are computed at a time on a CPU: their features stay in its cache."""


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


def told_of_edges(layers: Iterable[nn.Module], features: Tensor) -> list[Tensor]:
    """What each layer's `attention` needs of the edges, from their features [E, edge_dim].

    `GATv2Conv` needs the features themselves. Of `GATConv` it is a score of each head, a · W e,
    [E, heads]: a vector times e, and one product for all layers.
    """
    layers, maps = list(layers), []
    for layer in layers:
        if isinstance(layer, GATv2Conv):
            return [features for _ in layers]
        assert isinstance(layer, GATConv)
        assert layer.lin_edge is not None
        maps.append(layer.lin_edge.weight.t() @ _by_head(layer.att_edge[0]))
    scores = features @ torch.cat(maps, dim=1)
    return list(scores.split([found.shape[1] for found in maps], dim=1))


def attention(
    layer: GATConv | GATv2Conv, h: Tensor, entries: Gathering, told: Tensor | None
) -> Tensor:
    """What PyG's layer computes, without its copies of node features for every edge.

    Args:
        layer: Holds the parameters; one of `CONVOLUTIONS`.
        h: Node features, [N, in].
        entries: Edges, rows and groups of which are nodes.
        told: Of the edges (`told_of_edges`), if the layer has edge features.

    Returns:
        [N, heads · width].
    """
    if isinstance(layer, GATv2Conv):
        sent, heard = layer.lin_l(h), layer.lin_r(h)
        edge = None if layer.lin_edge is None else layer.lin_edge.weight
        scores = pair_scores(sent, heard, told, edge, layer.att[0], layer.negative_slope, entries)
    else:
        sent = layer.lin(h)
        # a matrix with each head's a in its own column: products, not copies of the width
        ends = torch.cat([_by_head(layer.att_src[0]), _by_head(layer.att_dst[0])], dim=1)
        from_source, from_target = (sent @ ends).split(layer.heads, dim=1)
        scores = from_source.index_select(0, entries.row)
        scores = scores + from_target.index_select(0, entries.group)
        if told is not None:
            scores = scores + told
        scores = nn.functional.leaky_relu(scores, layer.negative_slope)
    weights = segment_softmax(scores, entries.group, len(h))
    weights = nn.functional.dropout(weights, layer.dropout, layer.training)
    parts = [
        gather_sum(part, entries, weight)
        for part, weight in zip(sent.chunk(layer.heads, 1), weights.unbind(1), strict=True)
    ]
    out = torch.cat(parts, dim=1) if len(parts) > 1 else parts[0]
    return out.add_(layer.bias)


def _by_head(att: Tensor) -> Tensor:
    """a [heads, width] as a matrix [heads · width, heads], each head in its own column."""
    heads = torch.eye(len(att), dtype=att.dtype, device=att.device)
    return (att.unsqueeze(-1) * heads.unsqueeze(1)).flatten(0, 1)


def pair_scores(
    sent: Tensor,
    heard: Tensor,
    features: Tensor | None,
    edge_weight: Tensor | None,
    att: Tensor,
    slope: float,
    entries: Gathering,
) -> Tensor:
    """GATv2's scores ``a · LeakyReLU(s_j + t_i + W e)`` of each head, [E, heads].

    On a CPU, blocks of edges go through in turn, and again for the gradient: nothing as large as
    edges × width is kept or written to memory.

    Args:
        sent: s, [N, heads · width].
        heard: t, of the same shape.
        features: e, [E, edge_dim], if there are edge features.
        edge_weight: W, [heads · width, edge_dim].
        att: a, [heads, width].
        slope: Slope of LeakyReLU for negative numbers.
        entries: Edges.
    """
    matrix = _by_head(att)
    half = sent.dtype in (torch.float16, torch.bfloat16)
    dtype = torch.float32 if half else sent.dtype
    if features is not None and edge_weight is not None:
        features, edge_weight = features.to(dtype), edge_weight.to(dtype)
    sent, heard, matrix = sent.to(dtype), heard.to(dtype), matrix.to(dtype)
    with torch.autocast(sent.device.type, enabled=False):
        scores: Tensor = _PairScores.apply(  # type: ignore[no-untyped-call]
            sent, heard, features, edge_weight, matrix, slope, entries.row, entries.group
        )
    return scores


class _PairScores(torch.autograd.Function):
    """`pair_scores`, in blocks."""

    @staticmethod
    def forward(
        ctx: Any,
        sent: Tensor,
        heard: Tensor,
        features: Tensor | None,
        edge_weight: Tensor | None,
        matrix: Tensor,
        slope: float,
        row: Tensor,
        group: Tensor,
    ) -> Tensor:
        ctx.slope = slope
        ctx.save_for_backward(sent, heard, features, edge_weight, matrix, row, group)
        scores = [
            nn.functional.leaky_relu(inner, slope) @ matrix
            for _, inner in _blocks(sent, heard, features, edge_weight, row, group)
        ]
        return scores[0] if len(scores) == 1 else torch.cat(scores)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        sent, heard, features, edge_weight, matrix, row, group = ctx.saved_tensors
        of_sent, of_heard = torch.zeros_like(sent), torch.zeros_like(heard)
        of_matrix = torch.zeros_like(matrix)
        of_weight = None if edge_weight is None else torch.zeros_like(edge_weight)
        of_features = []
        for part, inner in _blocks(sent, heard, features, edge_weight, row, group):
            above = gradient[part]
            of_matrix = of_matrix.addmm(nn.functional.leaky_relu(inner, ctx.slope).t(), above)
            change = torch.ops.aten.leaky_relu_backward(above @ matrix.t(), inner, ctx.slope, False)
            of_sent.index_add_(0, row[part], change)
            of_heard.index_add_(0, group[part], change)
            if features is not None and of_weight is not None:
                of_features.append(change @ edge_weight)
                of_weight = of_weight.addmm(change.t(), features[part])
        whole = torch.cat(of_features) if of_features else None
        return of_sent, of_heard, whole, of_weight, of_matrix, None, None, None


def _blocks(
    sent: Tensor,
    heard: Tensor,
    features: Tensor | None,
    edge_weight: Tensor | None,
    row: Tensor,
    group: Tensor,
) -> Iterator[tuple[slice, Tensor]]:
    """Blocks of edges and what LeakyReLU gets of them; one block on a GPU and in compiled code."""
    parts = [slice(0, len(row))]
    if not torch.compiler.is_compiling() and sent.device.type == "cpu":
        parts = [slice(first, first + BLOCK) for first in range(0, len(row), BLOCK)] or parts
    for part in parts:
        inner = sent.index_select(0, row[part])
        inner += heard.index_select(0, group[part])
        if features is not None and edge_weight is not None:
            inner.addmm_(features[part], edge_weight.t())
        yield part, inner


class GAT(Encoder):
    """Stack of graph attention layers, h ← LN(h + ELU(attention(h))).

    Attention is that of PyG's `GATv2Conv` (arXiv 2105.14491, Eq. 7) or `GATConv` (arXiv 1710.10903,
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
        super().__init__(view, hidden_dim, LoopedEdges(view.num_relations))
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
        known = self.prepared(graph)
        entries = Gathering(*(known[name] for name in Gathering._fields))
        told: list[Tensor | None] = [None] * len(self.attentions)
        if self.edge_features is not None:
            length = lengths_between(graph, entries.row, entries.group)
            features = self.edge_features(length, known["relation"])
            told = [*told_of_edges(self.attentions, features)]
        h: Tensor = self.embedding(graph)
        for layer, norm, of_edges in zip(self.attentions, self.norms, told, strict=True):
            # in place: its gradient then needs the result alone, and no exponentials again
            update = nn.functional.elu_(attention(layer, h, entries, of_edges))
            h = norm(h + self.dropout(update))
        return h
