"""Layers of CDConv: neighbours in space, continuous-discrete convolution, pooling along the chain.

Fan et al., "Continuous-Discrete Convolution for Geometry-Sequence Modeling in Proteins", ICLR 2023.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, product

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.common import expand_ranges
from hemenet_lab.nn import safe_norm, segment_count, segment_max, segment_mean


@dataclass(frozen=True)
class Points:
    """Residues (or pools of them) and ligand atoms as points with frames.

    Args:
        pos: Positions, [N, 3], Å.
        seq: Position along the chain, [N].
        ori: Frames, rows are the axes, [N, 3, 3]; all 0 for a point without one.
        chain: Chain, int64 [N]; -1 for a ligand atom.
        batch: Graph, int64 [N].
    """

    pos: Tensor
    seq: Tensor
    ori: Tensor
    chain: Tensor
    batch: Tensor


@dataclass(frozen=True)
class ClosePairs:
    """Pairs of close points, sorted by target, and a table with a row of pairs for each target.

    Args:
        source: Neighbour j, int64 [E].
        target: Centre i, int64 [E], ascending.
        offset: Steps from i to j along the chain, cut to what the kernels tell apart, int64 [E].
        cell: Cell of each pair in the table, counted row by row, int64 [E].
        filled: Whether a cell holds a pair, bool [N, most neighbours of a point].
    """

    source: Tensor
    target: Tensor
    offset: Tensor
    cell: Tensor
    filled: Tensor


@dataclass(frozen=True)
class Neighborhood:
    """Pairs of close points with what the convolution kernel sees of them.

    Args:
        pairs: The pairs.
        features: Direction and frame of j in the frame of i, distance (Å), [E, 7].
        kernel: Which discrete kernel, int64 [E].
        window: Smooth cutoff, [E, 1].
    """

    pairs: ClosePairs
    features: Tensor
    kernel: Tensor
    window: Tensor


def radius_pairs(pos: Tensor, batch: Tensor, radius: float) -> tuple[Tensor, Tensor]:
    """All ordered pairs (j, i) of one graph closer than ``radius``, each point with itself.

    Points are sorted into cubes a little wider than the radius and only the 27 cubes round a point
    are searched, so that memory grows with the number of pairs.

    Args:
        pos: [N, 3], Å.
        batch: Graph of each point, int64 [N].
        radius: Å.

    Returns:
        Two int64 tensors [E]: j and i.
    """
    # a little wider, so that rounding never puts a close pair two cubes apart
    cell = ((pos - pos.amin(0)) / (1.001 * radius)).floor().long() + 1
    extent = cell.amax(0) + 2
    key = ((batch * extent[0] + cell[:, 0]) * extent[1] + cell[:, 1]) * extent[2] + cell[:, 2]
    ordered, order = key.sort()
    found = []
    for dx, dy in product((-1, 0, 1), repeat=2):
        # cubes that differ in z only have consecutive keys
        center = key + (dx * extent[1] + dy) * extent[2]
        low = torch.searchsorted(ordered, center - 1)
        count = torch.searchsorted(ordered, center + 1, right=True) - low
        i, place = expand_ranges(low, count)
        j = order[place]
        close = (pos[j] - pos[i]).square().sum(-1) < radius * radius
        found.append(torch.stack([j, i])[:, close])
    source, target = torch.cat(found, dim=1)
    return source, target


def close_pairs(points: Points, radius: float, kernel_size: int) -> ClosePairs:
    """Neighbours closer than ``radius``.

    Two points without a common chain have no sequence distance; like residues far apart they take
    the last kernel and its window.

    Args:
        points: Points; their frames are not used.
        radius: Å.
        kernel_size: Number l of discrete kernels, odd and at least 3.
    """
    source, target = radius_pairs(points.pos.detach(), points.batch, radius)
    target, order = target.sort(stable=True)
    source = source[order]
    half = kernel_size // 2
    chain = points.chain
    related = (chain[source] == chain[target]) & ((chain[source] >= 0) | (source == target))
    offset = (points.seq[source] - points.seq[target]).clamp(-half, half)
    offset = torch.where(related, offset, half).long()
    count = segment_count(target, len(points.pos))
    columns = int(count.amax()) if len(count) else 0
    rank = torch.arange(len(target), device=target.device) - (count.cumsum(0) - count)[target]
    filled = torch.arange(columns, device=target.device) < count.unsqueeze(1)
    return ClosePairs(source, target, offset, target * columns + rank, filled)


def describe(points: Points, pairs: ClosePairs, radius: float, kernel_size: int) -> Neighborhood:
    """The kernel's input for pairs of points (paper, section 3)."""
    source, target = pairs.source, pairs.target
    half = kernel_size // 2
    step = points.pos[source] - points.pos[target]
    distance = safe_norm(step, keepdim=True)
    frame = points.ori[target]
    direction = (frame * (step / (distance + 1e-9)).unsqueeze(1)).sum(-1)
    turn = (frame * points.ori[source]).sum(-1)
    along = (pairs.offset.abs().to(distance.dtype) / half).unsqueeze(-1)
    spread = (distance / radius) * along
    window = 0.5 - 0.5 * torch.tanh(16.0 * spread - 14.0)
    features = torch.cat([direction, turn, distance], dim=-1)
    return Neighborhood(pairs, features, pairs.offset + half, window)


def neighborhood(points: Points, radius: float, kernel_size: int) -> Neighborhood:
    """`close_pairs` with `describe`, for points that were not prepared with their batch."""
    return describe(points, close_pairs(points, radius, kernel_size), radius, kernel_size)


class KernelNetwork(nn.Module):
    """A small perceptron per discrete kernel, from the geometry of a pair to kernel weights.

    Args:
        kernel_size: Number of kernels.
        channels: Widths of its layers.
        slope: Slope of the leaky ReLU.
    """

    def __init__(self, kernel_size: int, channels: Sequence[int], slope: float) -> None:
        super().__init__()
        self.slope = slope
        dims = list(pairwise([7, *channels]))
        # published initialisation: bound 1/√(in·out), biases 0
        self.Ws = nn.ParameterList(_uniform((kernel_size, *pair), pair) for pair in dims)
        self.bs = nn.ParameterList(torch.zeros(kernel_size, wide) for _, wide in dims)

    def forward(self, features: Tensor, kernel: Tensor) -> Tensor:
        """Features [E, 7] and kernels int64 [E] → [E, channels]."""
        # distances in Å need more digits than bfloat16 has
        with torch.autocast(features.device.type, enabled=False):
            for weight, bias in zip(self.Ws, self.bs, strict=True):
                own = weight.index_select(0, kernel)
                features = torch.bmm(features.unsqueeze(1), own).squeeze(1)
                features = F.leaky_relu(features + bias.index_select(0, kernel), self.slope)
        return features


class ContinuousDiscreteConv(nn.Module):
    """Continuous-discrete convolution, ``W vec(Σ_j (g f_Δ(geometry)) ⊗ x_j)`` (paper, section 3).

    Args:
        in_dim: Input width.
        out_dim: Output width.
        kernel_size: Number of discrete kernels.
        kernel_channels: Widths of the kernel network.
        slope: Slope of its leaky ReLU.
    """

    def __init__(
        self,
        in_dim: int,
        out_dim: int,
        kernel_size: int,
        kernel_channels: Sequence[int],
        slope: float = 0.2,
    ) -> None:
        super().__init__()
        self.WeightNet = KernelNetwork(kernel_size, kernel_channels, slope)
        # the published initialisation takes the output width for the fan
        self.W = _uniform((kernel_channels[-1] * in_dim, out_dim), (out_dim,))

    def forward(self, x: Tensor, near: Neighborhood) -> Tensor:
        """[N, in_dim] → [N, out_dim]."""
        weight = (self.WeightNet(near.features, near.kernel) * near.window).to(x.dtype)
        # Σ_j as a product of matrices: the outer products of all pairs would be far larger
        kernels = _table(weight, near.pairs)
        values = _table(x.index_select(0, near.pairs.source), near.pairs)
        return torch.bmm(kernels.transpose(1, 2), values).flatten(1) @ self.W


def _table(values: Tensor, pairs: ClosePairs) -> Tensor:
    """Values [E, d] of pairs in their cells [N, columns, d]; empty cells are 0."""
    rows, columns = pairs.filled.shape
    table = values.new_zeros(rows * columns, values.shape[1])
    return table.index_copy(0, pairs.cell, values).view(rows, columns, values.shape[1])


def average_pool(x: Tensor, points: Points, cluster: Tensor, num: int) -> tuple[Tensor, Points]:
    """Averages clusters of points: features, positions and frames (scaled back to length 1).

    Args:
        x: Features, [N, d].
        points: Points.
        cluster: Cluster of each, int64 [N].
        num: Number of clusters.

    Returns:
        Features [num, d] and points; their ``seq`` is half the old one, rounded down.
    """
    return segment_mean(x, cluster, num), pool_points(points, cluster, num)


def pool_points(points: Points, cluster: Tensor, num: int) -> Points:
    """The points of `average_pool`."""
    half = points.seq.div(2, rounding_mode="floor")
    return Points(
        segment_mean(points.pos, cluster, num),
        segment_max(half, cluster, num),
        F.normalize(segment_mean(points.ori, cluster, num), dim=-1),
        segment_max(points.chain, cluster, num),
        segment_max(points.batch, cluster, num),
    )


def _uniform(shape: tuple[int, ...], fan: tuple[int, ...]) -> nn.Parameter:
    """Uniform numbers up to 1/√(product of ``fan``)."""
    bound = 1 / math.sqrt(math.prod(fan))
    return nn.Parameter(torch.empty(shape).uniform_(-bound, bound))
