"""Layers of GearNet: relational convolution, and the line graph of its edges.

Zhang et al., "Protein Representation Learning by Geometric Structure Pretraining", ICLR 2023,
arXiv 2203.06125.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from baselines.common import Block, expand_ranges, target_blocks
from hemenet_lab.nn import (
    Gathering,
    NodeBatchNorm,
    gather_sum,
    gathering,
    safe_norm,
    segment_count,
    segment_sum,
)

BLOCK_NUMBERS = 2**25
"""Numbers (128 MB in float32) that one block of sums, or of messages, may hold."""


class Slots(NamedTuple):
    """Edges by target and relation: what is added up before the linear map.

    The slot of an edge is ``target * num_relations + relation``.
    """

    of_sources: Gathering
    """Rows are the sources."""
    of_edges: Gathering
    """Rows are the edges themselves."""


@dataclass(frozen=True)
class RelationalEdges:
    """Edges with relations, sorted by target.

    Args:
        source: Where each message comes from, int64 [E].
        target: Where it goes, int64 [E], ascending.
        relation: Its relation, int64 [E].
        num_nodes: Number of targets.
        num_relations: Number of relations.
        weight: Weight of each edge, [E]; all 1 for None.
        slots: Result of `find_slots`, if it is known already.
    """

    source: Tensor
    target: Tensor
    relation: Tensor
    num_nodes: int
    num_relations: int
    weight: Tensor | None = None
    slots: Slots | None = None

    def find_slots(self) -> Slots:
        """Sorts the edges by target and relation."""
        slot, order = (self.target * self.num_relations + self.relation).sort(stable=True)
        num_slots, num_edges = self.num_nodes * self.num_relations, len(self.source)
        return Slots(
            gathering(self.source[order], slot, self.num_nodes, num_slots),
            gathering(order, slot, num_edges, num_slots),
        )

    def with_slots(self) -> RelationalEdges:
        """The edges with their slots."""
        return replace(self, slots=self.find_slots())

    def blocks(self, width: int) -> list[Block]:
        """Blocks of targets whose sums are of a bounded size; several where one is too large."""
        largest = self.num_nodes * self.num_relations * width
        if largest > BLOCK_NUMBERS:
            largest = max(largest, len(self.source) * width)
        return target_blocks(self.target, self.num_nodes, math.ceil(largest / BLOCK_NUMBERS))


class RelationalConv(nn.Module):
    """Sums the neighbours of each relation apart and mixes them linearly (section 3).

    ``h'_i = ReLU(BN(W concat_r Σ_{j→i of relation r} ω (h_j + t) + b [+ W_0 h_i + b_0]))``; without
    the last two terms it is the layer of the authors' repository, with them that of torchdrug.

    Args:
        in_dim: Input width.
        out_dim: Output width.
        num_relations: Number of relations.
        self_loop: Adds the linear map of the node itself.
        batch_norm: Normalises before the ReLU.
        edge_dim: Width of edge features that enter the messages by a linear map; 0 for none.
        activation: Name of the activation in `torch.nn.functional`.
    """

    def __init__(
        self,
        in_dim: int,
        out_dim: int,
        num_relations: int,
        *,
        self_loop: bool = True,
        batch_norm: bool = True,
        edge_dim: int = 0,
        activation: str = "relu",
    ) -> None:
        super().__init__()
        self.activation = getattr(nn.functional, activation)
        self.linear = nn.Linear(num_relations * in_dim, out_dim)
        self.self_loop = nn.Linear(in_dim, out_dim) if self_loop else None
        self.batch_norm = NodeBatchNorm(out_dim) if batch_norm else None
        self.edge_linear = nn.Linear(edge_dim, in_dim) if edge_dim else None

    def forward(self, h: Tensor, edges: RelationalEdges, edge_term: Tensor | None = None) -> Tensor:
        """[N, in_dim] → [N, out_dim].

        Args:
            h: Node features.
            edges: Edges between them.
            edge_term: Added to the messages, [E, in_dim] ([E, edge_dim] where the layer has edge
                features).
        """
        if self.edge_linear is not None:
            edge_term = self.edge_linear(edge_term)
        out = self.aggregate(h, edges, edge_term)
        if self.self_loop is not None:
            out = out + self.self_loop(h)
        if self.batch_norm is not None:
            out = self.batch_norm(out)
        return self.activation(out)

    def aggregate(
        self, values: Tensor | None, edges: RelationalEdges, edge_term: Tensor | None = None
    ) -> Tensor:
        """``W concat_r Σ ω (values[source] + t) + b``, [num_nodes, out_dim].

        No message is kept. Where the sums are too large, blocks of targets bound the memory; their
        messages are computed again for the gradient.

        Args:
            values: [num_nodes, in_dim]; None for 0.
            edges: The edges.
            edge_term: t, [E, in_dim]; None for 0.
        """
        blocks = edges.blocks(self.linear.in_features // edges.num_relations)
        if len(blocks) == 1:
            return self._whole(values, edges, edge_term)
        parts = [
            checkpoint(
                self._block,
                values,
                edges,
                edge_term,
                block,
                use_reentrant=False,
                preserve_rng_state=False,
            )
            for block in blocks
        ]
        return torch.cat(parts)

    def _whole(
        self, values: Tensor | None, edges: RelationalEdges, edge_term: Tensor | None
    ) -> Tensor:
        of_sources, of_edges = edges.slots or edges.find_slots()
        weight = None if edges.weight is None else edges.weight[of_edges.row]
        sums = [
            gather_sum(table, entries, weight)
            for table, entries in ((values, of_sources), (edge_term, of_edges))
            if table is not None
        ]
        total = sums[0] if len(sums) == 1 else sums[0] + sums[1]
        return self.linear(total.view(edges.num_nodes, self.linear.in_features))

    def _block(
        self,
        values: Tensor | None,
        edges: RelationalEdges,
        edge_term: Tensor | None,
        block: Block,
    ) -> Tensor:
        low, high, first, last = block
        parts = []
        if values is not None:
            parts.append(values.index_select(0, edges.source[first:last]))
        if edge_term is not None:
            parts.append(edge_term[first:last])
        message = parts[0] if len(parts) == 1 else parts[0] + parts[1]
        if edges.weight is not None:
            message = message * edges.weight[first:last, None]
        slot = (edges.target[first:last] - low) * edges.num_relations + edges.relation[first:last]
        total = segment_sum(message, slot, (high - low) * edges.num_relations)
        return self.linear(total.view(high - low, self.linear.in_features))


def joined_edges(source: Tensor, target: Tensor, num_nodes: int) -> tuple[Tensor, Tensor]:
    """Pairs of edges a → b of which b starts at the node that a ends at.

    Edges are joined through their sorted targets, so memory grows with the number of pairs, never
    with N² or E².

    Args:
        source: Source of each edge, int64 [E].
        target: Target of each edge, int64 [E], ascending.
        num_nodes: Number of nodes.

    Returns:
        a, and b in ascending order, int64 [L].
    """
    incoming = segment_count(target, num_nodes)
    start = incoming.cumsum(0) - incoming
    after, before = expand_ranges(start[source], incoming[source])
    return before, after


def line_graph(
    edges: RelationalEdges,
    pos: Tensor,
    num_bins: int,
    joined: tuple[Tensor, Tensor] | None = None,
) -> RelationalEdges:
    """The graph whose nodes are the edges: a → b where a ends at the node j that b starts from.

    Its relation is the angle at j between both other ends, in bins of 180°/``num_bins``; edges that
    turn back and self-loops included (angle 0).

    Args:
        edges: Edges of the graph.
        pos: Positions of its nodes, [N, 3], Å.
        num_bins: Number of relations of the line graph.
        joined: Result of `joined_edges`, if it is known already.
    """
    before, after = joined or joined_edges(edges.source, edges.target, edges.num_nodes)
    joint = edges.source[after]
    with torch.no_grad():
        ahead = pos[edges.target[after]] - pos[joint]
        behind = pos[edges.source[before]] - pos[joint]
        angle = torch.atan2(
            safe_norm(torch.linalg.cross(ahead, behind, dim=-1)), (ahead * behind).sum(-1)
        )
        bins = (angle * (num_bins / math.pi)).long().clamp(max=num_bins - 1)
    return RelationalEdges(before, after, bins, len(edges.source), num_bins)
