"""Layers of SE3Set: attention between nodes and hyperedges on equivariant features.

Wu et al., "SE3Set: Harnessing Equivariant Hypergraph Neural Networks for Molecular Representation
Learning", TMLR 2025, arXiv 2405.16511.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from baselines.common import Block, target_blocks
from baselines.se3set.irreps import (
    Dims,
    EquivariantLinear,
    EquivariantNorm,
    Features,
    Gate,
    add,
    take,
)
from baselines.se3set.product import DirectionMaps, Directions, Separable
from hemenet_lab.nn import segment_softmax, segment_sum

CHUNK = 2**14
"""Pairs whose messages are held at a time; more are computed again for the gradient."""


FACTORS = (1.67653247032, 1.84622854533, 1.52908714355)
"""Of SiLU, sigmoid and `_leaky`: with them a normal number keeps its mean square of 1."""


@dataclass(frozen=True)
class SE3SetOptions:
    """Sizes that all layers share.

    Args:
        dims: Scalars, vectors and tensors of a node and of a hyperedge.
        num_heads: Attention heads.
        head_dims: The same of a head's values.
        hidden_dims: The same inside the feed-forward networks.
        num_radial: Gaussians of a distance.
        radial_dims: Widths of the network that makes weights of them.
        nonlinear: Whether values pass a gate and a second product on their way.
        factors: Of the activations, see `FACTORS`.
    """

    dims: Dims
    num_heads: int
    head_dims: Dims
    hidden_dims: Dims
    num_radial: int
    radial_dims: tuple[int, ...] = (64, 64)
    nonlinear: bool = True
    factors: tuple[float, float, float] = FACTORS

    @property
    def values(self) -> Dims:
        """Scalars, vectors and tensors of the values of all heads."""
        scalars, vectors, tensors = (self.num_heads * number for number in self.head_dims)
        return scalars, vectors, tensors


@dataclass(frozen=True)
class MemberPairs:
    """Senders and receivers of messages, sorted by receiver.

    Args:
        source: Row of the source of each pair, int64 [P].
        receiver: Row of its receiver, int64 [P], ascending.
        attr: Attributes of the pairs: features, or steps [P, 3] whose directions count.
        gaussians: Distances in Gaussians, [P, num_radial], if the attributes have some.
    """

    source: Tensor
    receiver: Tensor
    attr: Features | Tensor
    gaussians: Tensor | None = None


class HypergraphAttention(nn.Module):
    """Attention of each receiver over its pairs, with several heads.

    Args:
        options: Sizes.
        attr_dims: Features of the pairs' attributes; None for directions.
        with_source: Whether messages see the source too, not the receiver alone; then the weights
            of the first product come from the distance.
    """

    def __init__(self, options: SE3SetOptions, attr_dims: Dims | None, with_source: bool) -> None:
        super().__init__()
        dims, values, alpha = options.dims, options.values, options.head_dims[0]
        self.options, self.alpha = options, alpha
        self.merge_dst = EquivariantLinear(dims, dims, bias=False)
        self.merge_src = EquivariantLinear(dims, dims, bias=False) if with_source else None
        radial = [options.num_radial, *options.radial_dims] if with_source else None
        self.directions = DirectionMaps() if attr_dims is None else None
        scores = options.num_heads * alpha
        if options.nonlinear:
            self.gate = Gate(dims, options.factors[:2])
            self.sep_act = Separable(dims, attr_dims, self.gate.in_dims, dims, radial)
            self.sep_alpha = EquivariantLinear(self.sep_act.dtp.out_dims, (scores, 0, 0))
            self.sep_value = Separable(dims, attr_dims, values, values)
        else:
            both = (scores + values[0], values[1], values[2])
            self.sep = Separable(dims, attr_dims, both, both, radial)
        self.alpha_dot = nn.Parameter(torch.empty(1, options.num_heads, alpha))
        nn.init.xavier_uniform_(self.alpha_dot)
        self.proj = EquivariantLinear(values, dims)

    def forward(
        self, receivers: Features, sources: Features | None, pairs: MemberPairs
    ) -> Features:
        """New features of the receivers; a receiver without pairs gets the bias of ``proj``."""
        merged = self.merge_dst(receivers)
        sent = None
        if self.merge_src is not None:
            assert sources is not None
            sent = self.merge_src(sources)
        num = len(receivers[0])
        blocks = target_blocks(pairs.receiver, num, math.ceil(len(pairs.receiver) / CHUNK))
        if len(blocks) == 1:
            return self.proj(self._block(merged, sent, pairs, blocks[0]))
        parts = [
            checkpoint(
                self._block,
                merged,
                sent,
                pairs,
                block,
                use_reentrant=False,
                preserve_rng_state=False,
            )
            for block in blocks
        ]
        scalars, vectors, tensors = (torch.cat(part) for part in zip(*parts, strict=True))
        return self.proj((scalars, vectors, tensors))

    def _block(
        self, merged: Features, sent: Features | None, pairs: MemberPairs, block: Block
    ) -> Features:
        """Weighted sums of the values, all heads side by side, of a range of receivers."""
        low, high, first, last = block
        part = slice(first, last)
        message = take(merged, pairs.receiver[part])
        if sent is not None:
            message = add(message, take(sent, pairs.source[part]))
        gaussians = None if pairs.gaussians is None else pairs.gaussians[part]
        if isinstance(pairs.attr, Tensor):
            assert self.directions is not None
            # here and not once for all layers: kept for all pairs they would be large
            attr: Features | Directions = self.directions(pairs.attr[part])
        else:
            scalars, vectors, tensors = (x[part] for x in pairs.attr)
            attr = scalars, vectors, tensors
        alpha, value = self._messages(message, attr, gaussians)
        to = pairs.receiver[part] - low
        weight = segment_softmax(self._scores(alpha), to, high - low)
        scalars, vectors, tensors = (
            segment_sum((self._by_head(x) * weight[:, None, :, None]).flatten(2), to, high - low)
            for x in value
        )
        return scalars, vectors, tensors

    def _messages(
        self, message: Features, attr: Features | Directions, gaussians: Tensor | None
    ) -> tuple[Tensor, Features]:
        """Inputs of the scores [P, heads, alpha], and the values."""
        if self.options.nonlinear:
            scalars, mapped = self.sep_act(message, attr, gaussians)
            alpha = self._by_head(self.sep_alpha.of_scalars(scalars)).squeeze(1)
            return alpha, self.sep_value(self.gate(mapped), attr)[1]
        _, both = self.sep(message, attr, gaussians)
        by_head = self._by_head(both[0])
        value = by_head[..., self.alpha :].flatten(2)
        return by_head[..., : self.alpha].squeeze(1), (value, both[1], both[2])

    def _by_head(self, x: Tensor) -> Tensor:
        """[P, 2l + 1, heads · m] → [P, 2l + 1, heads, m]."""
        return x.unflatten(2, (self.options.num_heads, x.shape[2] // self.options.num_heads))

    def _scores(self, alpha: Tensor) -> Tensor:
        """Attention scores [P, heads] from [P, heads, alpha]."""
        return self.options.factors[2] * (_leaky(alpha) * self.alpha_dot).sum(-1)


def _leaky(x: Tensor) -> Tensor:
    """A smooth leaky ReLU, of slope 0.2 for negative numbers."""
    return 0.6 * x + 0.4 * x * (2 * x.sigmoid() - 1)


class FeedForward(nn.Module):
    """Linear, gate, linear.

    Args:
        options: Sizes.
    """

    def __init__(self, options: SE3SetOptions) -> None:
        super().__init__()
        self.gate = Gate(options.hidden_dims, options.factors[:2])
        self.lin_1 = EquivariantLinear(options.dims, self.gate.in_dims)
        self.lin_2 = EquivariantLinear(options.hidden_dims, options.dims)

    def forward(self, x: Features) -> Features:
        return self.lin_2(self.gate(self.lin_1(x)))


@dataclass(frozen=True)
class State:
    """Features of nodes or hyperedges after the last norm, and what went into it."""

    features: Features
    shortcut: Features


@dataclass(frozen=True)
class Hypergraph:
    """Nodes and the hyperedges that they are members of, a row for each membership.

    Args:
        pairs: Messages to a membership from the other members of its hyperedge.
        membership: Memberships in the order of their nodes, int64 [M].
        node: Node of each of these, int64 [M], ascending.
    """

    pairs: MemberPairs
    membership: Tensor
    node: Tensor


class SE3SetBlock(nn.Module):
    """Messages from nodes to hyperedges and back, each with a feed-forward network.

    Args:
        options: Sizes.
    """

    def __init__(self, options: SE3SetOptions) -> None:
        super().__init__()
        dims = options.dims
        self.v2e_ga = HypergraphAttention(options, None, with_source=True)
        self.norm_he_1, self.norm_he_2 = EquivariantNorm(dims), EquivariantNorm(dims)
        self.ffn_he = FeedForward(options)
        self.e2v_ga = HypergraphAttention(options, dims, with_source=False)
        self.norm_node_1, self.norm_node_2 = EquivariantNorm(dims), EquivariantNorm(dims)
        self.ffn_node = FeedForward(options)

    def forward(self, node: State, hyperedge: State, graph: Hypergraph) -> tuple[State, State]:
        """New states of the nodes [N] and of the memberships [M]."""
        update = self.v2e_ga(hyperedge.features, node.features, graph.pairs)
        sum_he = add(hyperedge.shortcut, update)
        sum_he = add(sum_he, self.ffn_he(self.norm_he_1(sum_he)))
        new_he = self.norm_he_2(sum_he)
        back = MemberPairs(graph.membership, graph.node, take(new_he, graph.membership))
        sum_node = add(node.shortcut, self.e2v_ga(node.features, None, back))
        sum_node = add(sum_node, self.ffn_node(self.norm_node_1(sum_node)))
        return State(self.norm_node_2(sum_node), sum_node), State(new_he, sum_he)
