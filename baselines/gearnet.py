"""GearNet: relational message passing over sequence and space, with optional edge messages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.common import NodeEmbedding, node_chain
from baselines.gearnet_layer import (
    RelationalConv,
    RelationalEdges,
    Slots,
    joined_edges,
    line_graph,
)
from hemenet_lab.encoders import Encoder, Preparation
from hemenet_lab.graphs import GraphView, ProteinGraph
from hemenet_lab.nn import Gathering, NodeBatchNorm, safe_norm
from hemenet_lab.structures import NUM_ELEMENT_CLASSES, NUM_NODE_TYPES

MAX_SEQUENCE_DISTANCE = 10
"""Longest distance along a chain that edge features tell apart; other chains count as this far."""

Implementation = Literal["torchdrug", "gearnet"]

ALPHA_VIEW = GraphView(
    nodes="alpha", k=10, k_min_separation=5, radius=10.0, radius_min_separation=5
)
"""The seven published relations: sequence ±2 with the self-loop, 10 nearest, closer than 10 Å."""

FULLATOM_VIEW = GraphView(
    nodes="atom", k=10, k_min_separation=5, radius=4.5, radius_max_neighbors=32
)
"""The same seven relations between atoms; a radius of 4.5 Å, as in SiamDiff's atom model."""


class GearNetStack(nn.Module):
    """Layers of GearNet or GearNet-Edge on ready-made features.

    Args:
        in_dim: Width of the node features.
        hidden_dims: Width of each layer.
        num_relations: Number of relations.
        implementation: ``torchdrug`` (a self-loop term in each convolution, a second batch norm
            after the short cut, edge messages as an extra update) or ``gearnet``, the authors'
            repository (edge messages inside the convolution). They are different models.
        edge_dim: Width of the edge features; 0 leaves edge messages out.
        num_angle_bins: Relations of the line graph.
        batch_norm: Batch norm in the convolutions (and after them for ``torchdrug``).
        layer_norm: Layer norm after each layer.
        short_cut: Adds a layer's input where the widths agree.
        concat_hidden: Returns all layers side by side, not only the last one.
        dropout: Dropout after each convolution.
        activation: Name of the activation in `torch.nn.functional`.
    """

    def __init__(
        self,
        in_dim: int,
        hidden_dims: Sequence[int],
        num_relations: int,
        *,
        implementation: Implementation = "torchdrug",
        edge_dim: int = 0,
        num_angle_bins: int = 8,
        batch_norm: bool = True,
        layer_norm: bool = False,
        short_cut: bool = True,
        concat_hidden: bool = True,
        dropout: float = 0.0,
        activation: str = "relu",
    ) -> None:
        super().__init__()
        if implementation not in ("torchdrug", "gearnet"):
            raise ValueError(
                f"GearNet implementation {implementation!r}; allowed: torchdrug, gearnet"
            )
        self.torchdrug = implementation == "torchdrug"
        self.num_relations, self.num_angle_bins = num_relations, num_angle_bins
        self.short_cut, self.concat_hidden = short_cut, concat_hidden
        self.out_dim = sum(hidden_dims) if concat_hidden else hidden_dims[-1]
        dims = [in_dim, *hidden_dims]
        # edge features go through the widths of the nodes, one layer behind
        edge_dims = [edge_dim, *dims[:-1]] if edge_dim else []
        common = {
            "self_loop": self.torchdrug,
            "batch_norm": batch_norm,
            "activation": activation,
        }
        self.layers = _convolutions(dims, num_relations, **common)
        self.edge_layers = _convolutions(edge_dims, num_angle_bins, **common)
        norm_dims = dims[1:] if batch_norm and self.torchdrug else []
        self.batch_norms = nn.ModuleList(NodeBatchNorm(dim) for dim in norm_dims)
        self.layer_norms = nn.ModuleList(nn.LayerNorm(dim) for dim in dims[1:] if layer_norm)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        h: Tensor,
        edges: RelationalEdges,
        pos: Tensor,
        edge_features: Tensor | None = None,
        joined: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        """Node features [N, in_dim] → [N, out_dim].

        Args:
            h: Node features.
            edges: Edges, sorted by target.
            pos: Positions [N, 3], Å; used by edge messages only.
            edge_features: [E, edge_dim] in the order of ``edges``.
            joined: Result of `joined_edges`, if it is known already.
        """
        assert (edge_features is not None) == bool(self.edge_layers)
        line = None
        if edges.slots is None:
            edges = edges.with_slots()
        if self.edge_layers:
            line = line_graph(edges, pos, self.num_angle_bins, joined).with_slots()
        hidden = []
        for number in range(len(self.layers)):
            if line is not None and edge_features is not None:
                edge_features = self.edge_layers[number](edge_features, line)
            h = self._layer(number, h, edges, edge_features)
            hidden.append(h)
        return torch.cat(hidden, dim=-1) if self.concat_hidden else h

    def _layer(self, number: int, h: Tensor, edges: RelationalEdges, e: Tensor | None) -> Tensor:
        conv = self.layers[number]
        assert isinstance(conv, RelationalConv)
        out = self.dropout(conv(h, edges, None if self.torchdrug else e))
        if self.short_cut and out.shape == h.shape:
            out = out + h
        if self.torchdrug and e is not None:
            out = out + conv.activation(conv.aggregate(None, edges, e))
        if self.batch_norms:
            out = self.batch_norms[number](out)
        return self.layer_norms[number](out) if self.layer_norms else out


def _convolutions(dims: Sequence[int], num_relations: int, **options: Any) -> nn.ModuleList:
    """A convolution from each width to the next."""
    return nn.ModuleList(
        RelationalConv(narrow, wide, num_relations, **options) for narrow, wide in pairwise(dims)
    )


@dataclass(frozen=True)
class SortedEdges(Preparation):
    """``order`` of the edges by target and relation, their `Slots` and the pairs that meet.

    Args:
        num_relations: Number of relations.
        joined: Whether the pairs (``before``, ``after``) are wanted, for edge messages.
    """

    num_relations: int
    joined: bool

    def tensors(self, graph: ProteinGraph) -> dict[str, Tensor]:
        num = len(graph.pos)
        order = (graph.edge_index[1] * self.num_relations + graph.edge_type).argsort(stable=True)
        source, target = graph.edge_index[:, order]
        edges = RelationalEdges(source, target, graph.edge_type[order], num, self.num_relations)
        found = {"order": order}
        for kind, entries in edges.find_slots()._asdict().items():
            found |= {f"{kind}_{name}": part for name, part in entries._asdict().items()}
        if self.joined:
            found["before"], found["after"] = joined_edges(source, target, num)
        return found


def _slots(known: dict[str, Tensor]) -> Slots:
    """The slots that `SortedEdges` found."""
    return Slots(
        *(
            Gathering(*(known[f"{kind}_{name}"] for name in Gathering._fields))
            for kind in Slots._fields
        )
    )


class GearNet(Encoder):
    """GearNet on alpha carbons, or GearNet-Edge with ``edge_messages`` (Zhang et al., ICLR 2023).

    Args:
        hidden_dim: Width of each layer.
        num_layers: Number of layers.
        embedding_dim: Width of the input; 42 can express as much as one-hot type, element and
            entity side by side, the published kind of input.
        implementation: ``torchdrug`` (the published results) or ``gearnet``, the authors' later
            repository; they differ in self-loop term, norms and edge messages.
        edge_messages: Message passing between edges over binned angles (GearNet-Edge).
        num_angle_bins: Bins of 180° for the edge messages.
        batch_norm: Batch norm in the layers.
        layer_norm: Layer norm after each layer.
        short_cut: Residual connections.
        concat_hidden: Output is all layers side by side (width ``num_layers * hidden_dim``).
        dropout: Dropout in each layer.
        element_only: Nodes see their element class alone; otherwise residue type, element, entity.
        view: Graph; by default the seven relations of the paper.
    """

    paper = "Zhang et al., ICLR 2023, arXiv 2203.06125"

    def __init__(
        self,
        hidden_dim: int = 512,
        num_layers: int = 6,
        embedding_dim: int = 42,
        implementation: Implementation = "torchdrug",
        edge_messages: bool = False,
        num_angle_bins: int = 8,
        batch_norm: bool = True,
        layer_norm: bool = False,
        short_cut: bool = True,
        concat_hidden: bool = True,
        dropout: float = 0.0,
        element_only: bool = False,
        view: GraphView = ALPHA_VIEW,
    ) -> None:
        out_dim = num_layers * hidden_dim if concat_hidden else hidden_dim
        super().__init__(view, out_dim, SortedEdges(view.num_relations, edge_messages))
        self.edge_messages = edge_messages
        self.embedding = NodeEmbedding(embedding_dim, element_only)
        self.element_only = element_only
        self.num_kinds = NUM_ELEMENT_CLASSES if element_only else NUM_NODE_TYPES
        edge_dim = 2 * self.num_kinds + view.num_relations + MAX_SEQUENCE_DISTANCE + 2
        self.stack = GearNetStack(
            embedding_dim,
            [hidden_dim] * num_layers,
            view.num_relations,
            implementation=implementation,
            edge_dim=edge_dim if edge_messages else 0,
            num_angle_bins=num_angle_bins,
            batch_norm=batch_norm,
            layer_norm=layer_norm,
            short_cut=short_cut,
            concat_hidden=concat_hidden,
            dropout=dropout,
        )

    def forward(self, graph: ProteinGraph) -> Tensor:
        """Node features [N, out_dim]."""
        known = self.prepared(graph)
        order = known["order"]
        source, target = graph.edge_index.index_select(1, order)
        edges = RelationalEdges(
            source,
            target,
            graph.edge_type[order],
            len(graph.pos),
            self.view.num_relations,
            slots=_slots(known),
        )
        h = self.embedding(graph)
        features = self._edge_features(graph, edges).to(h.dtype) if self.edge_messages else None
        joined = (known["before"], known["after"]) if self.edge_messages else None
        return self.stack(h, edges, graph.pos, features, joined)

    def _edge_features(self, graph: ProteinGraph, edges: RelationalEdges) -> Tensor:
        """Types of both ends, relation, distance along the chain and in space, [E, edge_dim]."""
        source, target = edges.source, edges.target
        chain, position = node_chain(graph), graph.sequence_index
        steps = (position[source] - position[target]).abs().clamp(max=MAX_SEQUENCE_DISTANCE)
        same = (chain[source] == chain[target]) & (chain[source] >= 0)
        steps = torch.where(same, steps, MAX_SEQUENCE_DISTANCE)
        distance = safe_norm(graph.pos[source] - graph.pos[target])
        kind = graph.element if self.element_only else graph.node_type
        parts = [
            F.one_hot(kind[source], self.num_kinds),
            F.one_hot(kind[target], self.num_kinds),
            F.one_hot(edges.relation, self.view.num_relations),
            F.one_hot(steps, MAX_SEQUENCE_DISTANCE + 1),
            distance.unsqueeze(-1),
        ]
        return torch.cat([part.to(distance.dtype) for part in parts], dim=-1)


class GearNetFullAtom(GearNet):
    """GearNet on heavy atoms, HeMeNet's full-atom baseline: the same layers on another graph.

    Args:
        hidden_dim: Width of each layer.
        view: Graph; by default seven relations between atoms.
        **options: Options of `GearNet`.
    """

    view_nodes = ("atom",)
    paper = "Zhang et al., NeurIPS 2023 (SiamDiff), arXiv 2301.12068"

    def __init__(
        self, hidden_dim: int = 128, view: GraphView = FULLATOM_VIEW, **options: Any
    ) -> None:
        super().__init__(hidden_dim=hidden_dim, view=view, **options)
