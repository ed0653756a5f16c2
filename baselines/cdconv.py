"""CDConv: convolutions over space and sequence at four levels of pooling along the chain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor, nn

from baselines.cdconv_layer import (
    ClosePairs,
    ContinuousDiscreteConv,
    Neighborhood,
    Points,
    average_pool,
    close_pairs,
    describe,
    pool_points,
)
from baselines.common import NodeEmbedding, node_chain, present_neighbor, unit
from hemenet_lab.encoders import Encoder, Preparation
from hemenet_lab.graphs import GraphView, ProteinGraph, node_batch
from hemenet_lab.nn import NodeBatchNorm, segment_count

POINT_VIEW = GraphView(nodes="alpha", k=0, sequence_offsets=(0,))
"""Alpha carbons without a graph (self-loops only): CDConv finds its neighbours level by level."""

SLOPE = 0.1
"""Slope of the leaky ReLUs between the layers."""


def chain_frames(graph: ProteinGraph) -> Tensor:
    """Frames of residues from alpha carbons, [N, 3, 3]; rows are the axes.

    With u the unit steps to a residue and from it: ``b = u₋ - u₊``, ``n = u₋ × u₊``, ``o = b × n``,
    each of length 1. Previous and next are the nearest residues present in the chain, as in the
    published code. The ends of a chain take the frame of their neighbour; chains of fewer than
    three residues and ligand atoms have none, that is 0: any constant frame would break the
    symmetry.
    """
    before, has_before = present_neighbor(graph, -1)
    after, has_after = present_neighbor(graph, +1)
    u_in, u_out = unit(graph.pos - graph.pos[before]), unit(graph.pos[after] - graph.pos)
    b = unit(u_in - u_out)
    n = unit(torch.linalg.cross(u_in, u_out, dim=-1))
    o = unit(torch.linalg.cross(b, n, dim=-1))
    frame = torch.stack([b, n, o], dim=1)
    inner = (has_before & has_after)[:, None, None]
    # an end has one neighbour at most; where there is none, both point to the node itself
    neighbor = torch.where(has_before, before, after)
    return torch.where(inner, frame, frame[neighbor] * inner[neighbor])


def chain_clusters(points: Points) -> tuple[Tensor, int]:
    """Pairs of residues ``seq // 2`` within a chain; ligand atoms stay on their own.

    The published rule compares neighbouring rows only and so merges a protein of one or two
    residues with the one stored after it.

    Returns:
        Cluster of each point, int64 [N], and their number.
    """
    half = points.seq.div(2, rounding_mode="floor")
    half = half - half.amin()
    number = torch.arange(len(half), device=half.device)
    key = points.chain * (half.amax() + 1) + half
    key = torch.where(points.chain < 0, -1 - number, key)
    kept, cluster = torch.unique(key, return_inverse=True)
    return cluster, len(kept)


class NormedStep(nn.Sequential):
    """Batch norm, leaky ReLU, dropout and a linear map without bias.

    Args:
        in_dim: Input width.
        out_dim: Output width.
        momentum: Momentum of the batch norm.
        dropout: Dropout.
    """

    def __init__(self, in_dim: int, out_dim: int, momentum: float, dropout: float) -> None:
        super().__init__(
            NodeBatchNorm(in_dim, momentum=momentum),
            nn.LeakyReLU(SLOPE),
            nn.Dropout(dropout),
            nn.Linear(in_dim, out_dim, bias=False),
        )


class CDConvBlock(nn.Module):
    """Bottleneck with a convolution, and a short cut (paper, section 3).

    Args:
        in_dim: Input width.
        out_dim: Output width.
        kernel_size: Number of discrete kernels.
        kernel_channels: Widths of the kernel network.
        base_width: Width of the bottleneck per 64 of the output.
        momentum: Momentum of the batch norms.
        dropout: Dropout in front of the linear maps.
        slope: Slope of the kernel network's leaky ReLU.
    """

    def __init__(
        self,
        in_dim: int,
        out_dim: int,
        kernel_size: int,
        kernel_channels: Sequence[int],
        base_width: float = 16.0,
        momentum: float = 0.2,
        dropout: float = 0.0,
        slope: float = 0.2,
    ) -> None:
        super().__init__()
        width = int(out_dim * (base_width / 64.0))
        self.identity: nn.Module = nn.Identity()
        if in_dim != out_dim:
            self.identity = NormedStep(in_dim, out_dim, momentum, dropout)
        self.input = nn.Sequential(
            *NormedStep(in_dim, width, momentum, dropout),
            NodeBatchNorm(width, momentum=momentum),
            nn.LeakyReLU(SLOPE),
            nn.Dropout(dropout),
        )
        self.conv = ContinuousDiscreteConv(width, width, kernel_size, kernel_channels, slope)
        self.output = NormedStep(width, out_dim, momentum, dropout)

    def forward(self, x: Tensor, near: Neighborhood) -> Tensor:
        """[N, in_dim] → [N, out_dim]."""
        return self.output(self.conv(self.input(x), near)) + self.identity(x)


class CDConvLevel(nn.Module):
    """Two blocks on the same points and neighbours; the first one changes the width."""

    def __init__(self, in_dim: int, out_dim: int, **options: Any) -> None:
        super().__init__()
        self.first = CDConvBlock(in_dim, out_dim, **options)
        self.second = CDConvBlock(out_dim, out_dim, **options)

    def forward(self, x: Tensor, near: Neighborhood) -> Tensor:
        """[N, in_dim] → [N, out_dim]."""
        return self.second(self.first(x, near), near)


PAIR_FIELDS = tuple(field.name for field in fields(ClosePairs))


def graph_points(graph: ProteinGraph, frames: Tensor) -> Points:
    """The nodes of a graph as points with the given frames [N, 3, 3]."""
    return Points(graph.pos, graph.sequence_index, frames, node_chain(graph), node_batch(graph))


@dataclass(frozen=True)
class PooledNeighbors(Preparation):
    """Neighbours of the points of each level, and the pools that make a level of the one before.

    For level n: the fields of `ClosePairs` as ``source_n``, ``target_n``...; from level 1 on
    ``cluster_n``, the pool of each point of level n - 1, and ``size_n``, the points in each pool.

    Args:
        radii: Radius of each level, Å.
        kernel_size: Number of discrete kernels.
    """

    radii: tuple[float, ...]
    kernel_size: int

    def tensors(self, graph: ProteinGraph) -> dict[str, Tensor]:
        points = graph_points(graph, graph.pos.new_zeros(len(graph.pos), 3, 3))
        found: dict[str, Tensor] = {}
        for number, radius in enumerate(self.radii):
            if number:
                cluster, num = chain_clusters(points)
                points = pool_points(points, cluster, num)
                found[f"cluster_{number}"] = cluster
                found[f"size_{number}"] = segment_count(cluster, num)
            pairs = close_pairs(points, radius, self.kernel_size)
            found |= {f"{name}_{number}": getattr(pairs, name) for name in PAIR_FIELDS}
        return found


class CDConv(Encoder):
    """CDConv (Fan et al., ICLR 2023): two blocks per level, pairs of residues averaged in between.

    The published network averages the last level over the protein. Here each residue takes the
    features of the pool that it ends up in: chains and ligands then keep their own nodes, and every
    readout of this package sees as many nodes as from any other encoder. Pools never reach over
    chains. Ligand atoms are points without frame, sequence or pool.

    Args:
        channels: Width of each level; the last one is the output's.
        radii: Radius of the neighbourhood at each level, Å.
        kernel_size: Discrete kernels along the sequence, odd: up to (kernel_size - 1)/2 residues
            (or pools) to each side are told apart.
        kernel_channels: Widths of the kernel network.
        base_width: Width of the bottlenecks per 64 channels.
        embedding_dim: Width of the node embedding.
        momentum: Momentum of the batch norms.
        dropout: Dropout in the blocks.
        element_only: Nodes see their element class alone; otherwise residue type, element, entity.
        view: Alpha carbons; its edges are not used.
    """

    symmetry = "SE(3)"
    view_nodes = ("alpha",)
    paper = "Fan et al., ICLR 2023, openreview P5Z-Zl9XJ7"

    def __init__(
        self,
        channels: Sequence[int] = (256, 512, 1024, 2048),
        radii: Sequence[float] = (8.0, 12.0, 16.0, 20.0),
        kernel_size: int = 21,
        kernel_channels: Sequence[int] = (32,),
        base_width: float = 16.0,
        embedding_dim: int = 16,
        momentum: float = 0.2,
        dropout: float = 0.2,
        element_only: bool = False,
        view: GraphView = POINT_VIEW,
    ) -> None:
        super().__init__(view, channels[-1], PooledNeighbors(tuple(radii), kernel_size))
        if len(channels) != len(radii):
            raise ValueError(
                f"CDConv has {len(channels)} channels and {len(radii)} radii; give one per level"
            )
        if kernel_size < 3 or kernel_size % 2 == 0:
            raise ValueError(f"CDConv kernel_size is {kernel_size}; it must be odd, 3 or more")
        self.radii, self.kernel_size = tuple(radii), kernel_size
        self.embedding = NodeEmbedding(embedding_dim, element_only)
        options = {
            "kernel_size": kernel_size,
            "kernel_channels": kernel_channels,
            "base_width": base_width,
            "momentum": momentum,
            "dropout": dropout,
        }
        self.levels = nn.ModuleList(
            CDConvLevel(narrow, wide, **options)
            for narrow, wide in zip([embedding_dim, *channels[:-1]], channels, strict=True)
        )

    def forward(self, graph: ProteinGraph) -> Tensor:
        """Node features [N, channels[-1]]."""
        known = self.prepared(graph)
        points = graph_points(graph, chain_frames(graph))
        x = self.embedding(graph)
        pool = torch.arange(len(x), device=x.device)
        for number, (level, radius) in enumerate(zip(self.levels, self.radii, strict=True)):
            if number:
                cluster = known[f"cluster_{number}"]
                x, points = average_pool(x, points, cluster, len(known[f"size_{number}"]))
                pool = cluster[pool]
            pairs = ClosePairs(**{name: known[f"{name}_{number}"] for name in PAIR_FIELDS})
            x = level(x, describe(points, pairs, radius, self.kernel_size))
        return x[pool]
