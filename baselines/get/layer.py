"""GET's layers (Kong et al., ICML 2024): bilevel attention, feed-forward network and norm.

Features h [U, d] and coordinates z [U, 3] belong to atoms; atoms make blocks (residues), and edges
join blocks. Lengths are in the units of z, which the norms change.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from baselines.common import Block, target_blocks
from hemenet_lab.nn import (
    Dropout,
    GaussianBasis,
    linear_at,
    mlp,
    safe_norm,
    safe_sqrt,
    segment_mean,
    segment_softmax,
    segment_sum,
)

CHUNK = 100_000
"""Pairs of atoms whose features are in memory at a time; the backward pass computes them again."""
SMALLEST = 1e-5
"""A structure whose coordinates spread less than this keeps its scale; there is none to divide."""


class Bilevel(NamedTuple):
    """Blocks, their atoms, and who hears of whom; all lists ascend in their receiving block.

    An edge i ← j has a group for each atom of i, and a group has a pair for each of the nearest
    atoms of j.
    """

    block: Tensor
    """Block of each atom, int64 [U]."""
    graph: Tensor
    """Structure of each atom, int64 [U]."""
    atoms: Tensor
    """Atoms of each structure, int64 [G]."""
    edge_block: Tensor
    """Receiving block of each edge, int64 [E]."""
    group_block: Tensor
    """Receiving block of each group, int64 [M]."""
    group_atom: Tensor
    """Receiving atom of each group, int64 [M]."""
    group_edge: Tensor
    """Edge of each group, int64 [M]."""
    pair_block: Tensor
    """Receiving block of each pair, int64 [P]."""
    pair_group: Tensor
    """Group of each pair, int64 [P]."""
    pair_source: Tensor
    """Sending atom of each pair, int64 [P]."""
    num_blocks: int


class Radial(nn.Module):
    """Gaussians of d / cutoff on 0 ... 1, times a polynomial that falls to 0 at the cutoff.

    Args:
        num: Number of Gaussians.
        cutoff: Where they end.
    """

    def __init__(self, num: int, cutoff: float) -> None:
        super().__init__()
        self.cutoff = cutoff
        self.basis = GaussianBasis(num, 0.0, 1.0)

    def forward(self, distance: Tensor) -> Tensor:
        """[...] → [..., num]."""
        d = distance / self.cutoff
        smooth = 1 - 21 * d**5 + 35 * d**6 - 15 * d**7
        return torch.where(d < 1, smooth, 0.0).unsqueeze(-1) * self.basis(d)


class BilevelAttention(nn.Module):
    """Attention of atoms to the nearest atoms of each neighbouring block, then to the blocks.

    For an edge of blocks i ← j, an atom p of i and those q of j that are nearest to it, in each
    head::

        r_pq = φ_A([q_p, k_q, RBF(|z_p − z_q|), e_ij])
        α_pq = softmax over q of w · r_pq       β_ij = softmax over j of v · mean over p, q of r_pq
        h'_p = h_p + W Σ_j β_ij φ_h(Σ_q α_pq φ_m([v_q, RBF]))
        z'_p = z_p + Σ_j β_ij φ_z(Σ_q α_pq m_q) Σ_q α_pq (u · m_q)(z_p − z_q)
        m_q  = φ_x([v_q, RBF])

    Args:
        dim: Width d of the features.
        radial_dim: Width of queries, keys and values of all heads together.
        num_heads: Heads; they must divide ``dim``, ``radial_dim`` and ``num_gaussians``.
        num_gaussians: Gaussians of a distance, shared out among the heads.
        cutoff: Distance at which they end.
        edge_dim: Width of the edges' features.
    """

    def __init__(
        self,
        dim: int,
        radial_dim: int,
        num_heads: int,
        num_gaussians: int,
        cutoff: float,
        edge_dim: int,
    ) -> None:
        super().__init__()
        wide, narrow = dim // num_heads, radial_dim // num_heads
        self.num_heads = num_heads
        self.widths = (narrow, narrow, num_gaussians // num_heads, narrow)
        self.linear_qk = nn.Linear(wide, 2 * narrow, bias=False)
        self.linear_v = nn.Linear(wide, narrow)
        self.radial = Radial(num_gaussians, cutoff)
        self.att_mlp = mlp([sum(self.widths), narrow, narrow], final_activation=True)
        self.unit_att_linear = nn.Linear(narrow, 1)
        self.block_att_linear = nn.Linear(narrow, 1)
        self.edge_linear = nn.Linear(edge_dim, radial_dim)
        self.node_mlp = mlp([radial_dim, dim, dim], final_activation=True)
        self.node_out_linear = nn.Linear(dim, dim)
        self.coord_mlp = mlp([radial_dim, dim, num_heads], final_activation=True)
        sent = [narrow + self.widths[2], narrow, narrow]
        self.unit_msg_mlp = mlp(sent, final_activation=True)
        self.unit_msg_coord_mlp = mlp(sent, final_activation=True)
        self.unit_msg_coord_linear = nn.Linear(narrow, 1)

    def forward(self, h: Tensor, z: Tensor, edge: Tensor, graph: Bilevel) -> tuple[Tensor, Tensor]:
        """New h [U, d] and z [U, 3].

        Args:
            h: [U, d].
            z: [U, 3].
            edge: Features of the edges, [E, edge_dim].
            graph: Atoms, blocks and pairs.
        """
        by_head = self._by_head(h)
        both = self.linear_qk(by_head)
        value = self.linear_v(by_head)
        first = linear_at(self.att_mlp, 0)
        # the first Linear of each network is applied to atoms and edges before they meet in pairs
        of_query, of_key, of_radial, of_edge = first.weight.split(self.widths, dim=1)
        query = F.linear(both[..., 0::2], of_query)
        sent = [F.linear(both[..., 1::2], of_key)]
        maps = [of_radial]
        for net in (self.unit_msg_mlp, self.unit_msg_coord_mlp):
            linear = linear_at(net, 0)
            of_value, of_distance = linear.weight.split((self.widths[0], self.widths[2]), dim=1)
            sent.append(F.linear(value, of_value, linear.bias))
            maps.append(of_distance)
        edge = F.linear(self._by_head(self.edge_linear(edge)), of_edge, first.bias)
        given = (query, torch.cat(sent, dim=-1), edge, z, torch.cat(maps))
        count = math.ceil(len(graph.pair_block) / CHUNK)
        levels = (graph.block, graph.edge_block, graph.group_block, graph.pair_block)
        parts = zip(*(target_blocks(each, graph.num_blocks, count) for each in levels), strict=True)
        parts_done = [
            self._part(given, graph, part)
            if count <= 1
            else checkpoint(
                self._part, given, graph, part, use_reentrant=False, preserve_rng_state=False
            )
            for part in parts
        ]
        total, move = (torch.cat(each) for each in zip(*parts_done, strict=True))
        return h + self.node_out_linear(total), z + move

    def _by_head(self, x: Tensor) -> Tensor:
        return x.unflatten(1, (self.num_heads, x.shape[1] // self.num_heads))

    def _part(
        self,
        given: tuple[Tensor, Tensor, Tensor, Tensor, Tensor],
        graph: Bilevel,
        part: tuple[Block, ...],
    ) -> tuple[Tensor, Tensor]:
        """Sums of messages [u, d] and moves [u, 3] of the atoms of a range of blocks."""
        query, sent, edge, z, of_radial = given
        atoms, edges, groups, pairs = (slice(each[2], each[3]) for each in part)
        low = part[0][0]
        atom = graph.group_atom[groups] - atoms.start
        of_edge = graph.group_edge[groups] - edges.start
        group = graph.pair_group[pairs] - groups.start
        source = graph.pair_source[pairs]
        receiver = graph.group_atom[groups].index_select(0, group)
        num_atoms, num_edges, num_groups = (s.stop - s.start for s in (atoms, edges, groups))

        offset = z.index_select(0, receiver) - z.index_select(0, source)
        radial = self._by_head(self.radial(safe_norm(offset)))
        hidden = sent.index_select(0, source) + F.linear(radial, of_radial)
        scored, message, moving = hidden.chunk(3, dim=-1)
        pair_edge = of_edge.index_select(0, group)
        scored = scored + query.index_select(0, receiver)
        scored = scored + edge[edges].index_select(0, pair_edge)
        scored = self.att_mlp[1:](scored)
        alpha = segment_softmax(self.unit_att_linear(scored), group, num_groups)
        score = self.block_att_linear(segment_mean(scored, pair_edge, num_edges))
        beta = segment_softmax(score, graph.edge_block[edges] - low, part[0][1] - low)
        beta = beta.index_select(0, of_edge)

        message = segment_sum(alpha * self.unit_msg_mlp[1:](message), group, num_groups)
        message = beta * self._by_head(self.node_mlp(message.flatten(1)))
        total = segment_sum(message, atom, num_atoms).flatten(1)

        moving = self.unit_msg_coord_mlp[1:](moving)
        steps = alpha * self.unit_msg_coord_linear(moving) * offset.unsqueeze(1)
        steps = segment_sum(steps, group, num_groups)
        gate = self.coord_mlp(segment_sum(alpha * moving, group, num_groups).flatten(1))
        steps = (beta * gate.unsqueeze(-1) * steps).sum(1)
        return total, segment_sum(steps, atom, num_atoms)


class BlockFeedForward(nn.Module):
    """Updates each atom from itself and its block: its features, and its offset to the centre.

    Args:
        dim: Width of the features; the networks are four times wider inside.
        num_gaussians: Gaussians of the distance from the centre of the block.
        dropout: Dropout in the networks and of what they give.
    """

    cutoff = 7.0
    """Where these Gaussians end, whatever the attention's cutoff."""

    def __init__(self, dim: int, num_gaussians: int, dropout: float) -> None:
        super().__init__()
        self.radial = Radial(num_gaussians, self.cutoff)
        self.mlp_h, self.mlp_z = (
            _dropping([2 * dim + num_gaussians, 4 * dim, 4 * dim, out], dropout) for out in (dim, 1)
        )

    def forward(self, h: Tensor, z: Tensor, graph: Bilevel) -> tuple[Tensor, Tensor]:
        """New h [U, d] and z [U, 3]."""
        centre = segment_mean(z, graph.block, graph.num_blocks).index_select(0, graph.block)
        offset = z - centre
        mean = segment_mean(h, graph.block, graph.num_blocks).index_select(0, graph.block)
        given = torch.cat([h, mean, self.radial(safe_norm(offset)).to(h.dtype)], dim=1)
        return h + self.mlp_h(given), centre + self.mlp_z(given) * offset


def _dropping(dims: list[int], dropout: float) -> nn.Sequential:
    """A perceptron with dropout after each Linear (and its activation)."""
    layers: list[nn.Module] = []
    for number, layer in enumerate(mlp(dims)):
        if number % 2:
            layers += [layer, Dropout(dropout)]
        else:
            layers.append(layer)
    return nn.Sequential(*layers, Dropout(dropout))


class ScaleNorm(nn.Module):
    """Coordinates of each structure scaled to a learned spread, and features told how much.

    Args:
        dim: Width of the features.
        num_gaussians: Gaussians of the factor.
        cutoff: Where they end.
    """

    def __init__(self, dim: int, num_gaussians: int, cutoff: float) -> None:
        super().__init__()
        self.fuse_scale_ffn = mlp([num_gaussians, dim, dim], final_activation=True)
        self.layernorm = nn.LayerNorm(dim)
        self.sigma = nn.Parameter(torch.ones(1))
        self.radial = Radial(num_gaussians, cutoff)

    def forward(self, h: Tensor, z: Tensor, graph: Bilevel) -> tuple[Tensor, Tensor, Tensor]:
        """New h [U, d] and z [U, 3], and the factor of each structure [G]."""
        num = len(graph.atoms)
        centre = segment_mean(z, graph.graph, num).index_select(0, graph.graph)
        centred = z - centre
        # the sample deviation over all 3 n numbers; 1e-6 as in torch_scatter's scatter_std
        numbers = (3 * graph.atoms - 1).clamp(min=1).to(z.dtype) + 1e-6
        spread = safe_sqrt(segment_sum(centred.square().sum(1), graph.graph, num) / numbers)
        some = spread > SMALLEST
        factor = torch.where(some, 1 / torch.where(some, spread, 1.0), 1.0) * self.sigma
        told = self.fuse_scale_ffn(self.radial(factor)).index_select(0, graph.graph)
        scaled = centre + centred * factor.index_select(0, graph.graph).unsqueeze(1)
        return self.layernorm(h + told), scaled, factor
