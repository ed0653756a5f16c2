"""Distances between the atoms of two nodes: summed by the types of the atoms, and the smallest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn import functional

from hemenet_lab.encoders.multichannel import ChannelGraph, occupied_length
from hemenet_lab.nn import safe_norm, safe_sqrt

PAIRS_AT_ONCE = 8192
"""Node pairs whose [C, C] distances exist at the same time."""
PAIRS_IN_CACHE = 1024
"""The same on a CPU, where `_blocks` leaves padding out."""


def pair_distances(
    first: Float[Tensor, "pairs channels 3"], second: Float[Tensor, "pairs channels 3"]
) -> Float[Tensor, "pairs channels channels"]:
    """Distances between the channels of node pairs, [P, C, 3] twice → [P, C, C].

    From coordinate differences: a product form would lose the digits of short distances.
    """
    return _squares(first, second).sqrt_()


def _squares(first: Tensor, second: Tensor) -> Tensor:
    squares = (first[:, :, None, 0] - second[:, None, :, 0]).square_()
    for axis in (1, 2):
        difference = first[:, :, None, axis] - second[:, None, :, axis]
        squares.addcmul_(difference, difference)
    return squares


def _distances(first: Tensor, second: Tensor) -> Tensor:
    """As `pair_distances`, without a gradient; on a CPU in one pass over the memory."""
    if first.device.type != "cpu" or first.dtype not in (torch.float32, torch.float64):
        return pair_distances(first, second)
    return torch.cdist(first, second, compute_mode="donot_use_mm_for_euclid_dist")


@dataclass(frozen=True)
class _Block:
    """Some of the node pairs, and how many channels of their nodes are worth a look."""

    part: slice
    i: Tensor
    j: Tensor
    most_i: int
    most_j: int

    def rows(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Channels of both nodes of each pair, from x [N, C, …]."""
        return self.of_i(x).index_select(0, self.i), self.of_j(x).index_select(0, self.j)

    def of_i(self, x: Tensor) -> Tensor:
        return x[:, : self.most_i]

    def of_j(self, x: Tensor) -> Tensor:
        return x[:, : self.most_j]


def _blocks(real: Tensor, first: Tensor, second: Tensor) -> Iterator[_Block]:
    """The pairs a block at a time; ``real`` [N, C] says which channels count.

    A CPU takes only as many channels as the longest node of a block has: half of a protein's are
    padding. Other devices take all, as they would have to wait for that number.
    """
    on_cpu = real.device.type == "cpu"
    length = occupied_length(real) if on_cpu else None
    at_once = PAIRS_IN_CACHE if on_cpu else PAIRS_AT_ONCE
    for start in range(0, len(first), at_once):
        part = slice(start, start + at_once)
        i, j = first[part], second[part]
        if length is None:
            yield _Block(part, i, j, real.shape[1], real.shape[1])
        else:
            most_i, most_j = (int(length.index_select(0, of).max().clamp(min=1)) for of in (i, j))
            yield _Block(part, i, j, most_i, most_j)


def _forward(coords: Tensor, channels: Tensor, first: Tensor, second: Tensor) -> Tensor:
    k = channels.shape[-1]
    result = coords.new_empty(len(first), k, k)
    with torch.autocast(coords.device.type, enabled=False):
        for block in _blocks((channels != 0).any(2), first, second):
            s_i, s_j = block.rows(channels)
            distances = _distances(*block.rows(coords))
            result[block.part] = s_i.transpose(1, 2) @ (distances @ s_j)
    return result


def _backward(
    grad: Tensor,
    coords: Tensor,
    channels: Tensor,
    first: Tensor,
    second: Tensor,
    need_coords: bool,
    need_channels: bool,
) -> tuple[Tensor, Tensor]:
    of_coords, of_channels = _gradients_like(
        grad, coords, channels, first, second, need_coords, need_channels
    )
    with torch.autocast(coords.device.type, enabled=False):
        # a channel that weighs nothing has a gradient of its weight nevertheless
        real = (channels != 0).any(2) | need_channels
        for block in _blocks(real, first, second):
            x_i, x_j = block.rows(coords)
            s_i, s_j = block.rows(channels)
            of_pairs = grad[block.part]
            distances = _distances(x_i, x_j)
            if need_coords:
                weight = s_i @ of_pairs @ s_j.transpose(1, 2)
                weight.div_(distances).masked_fill_(distances == 0, 0.0)
                _add_coordinate_gradient(of_coords, weight, x_i, x_j, block)
            if need_channels:
                of_i = distances @ (s_j @ of_pairs.transpose(1, 2))
                of_j = distances.transpose(1, 2) @ (s_i @ of_pairs)
                of_channels.index_add_(0, block.i, of_i).index_add_(0, block.j, of_j)
    return of_coords, of_channels


def _gradients_like(
    grad: Tensor,
    coords: Tensor,
    channels: Tensor,
    first: Tensor,
    second: Tensor,
    need_coords: bool,
    need_channels: bool,
) -> tuple[Tensor, Tensor]:
    """Zeros for both gradients; empty where one is not needed."""
    return (
        torch.zeros_like(coords) if need_coords else coords.new_empty(0),
        torch.zeros_like(channels) if need_channels else channels.new_empty(0),
    )


# Operators of their own: torch.compile takes each as one step of a graph, whatever the number of
# chunks, and does not trace the loops inside.
_INPUTS = "Tensor coords, Tensor channels, Tensor first, Tensor second"
_OPERATOR = torch.library.custom_op(
    "hemenet_lab::typed_distances", _forward, mutates_args=(), schema=f"({_INPUTS}) -> Tensor"
)
_GRADIENT = torch.library.custom_op(
    "hemenet_lab::typed_distances_gradient",
    _backward,
    mutates_args=(),
    schema=f"(Tensor grad, {_INPUTS}, bool need_coords, bool need_channels) -> (Tensor, Tensor)",
)


@_OPERATOR.register_fake
def _shape(coords: Tensor, channels: Tensor, first: Tensor, second: Tensor) -> Tensor:
    k = channels.shape[-1]
    return coords.new_empty(first.shape[0], k, k)


_GRADIENT.register_fake(_gradients_like)


def _keep(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs)


def _differentiate(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    needs = ctx.needs_input_grad[:2]
    found = _GRADIENT(grad, *ctx.saved_tensors, *needs)
    return (*(x if need else None for x, need in zip(found, needs, strict=True)), None, None)


_OPERATOR.register_autograd(_differentiate, setup_context=_keep)


def typed_distances(
    coords: Float[Tensor, "nodes channels 3"],
    channels: Float[Tensor, "nodes channels types"],
    first: Int64[Tensor, " pairs"],
    second: Int64[Tensor, " pairs"],
) -> Float[Tensor, "pairs types types"]:
    """B = S_iᵀ D_ij S_j of node pairs, D_ij the distances between the channels of both nodes.

    Memory is linear in the pairs with a factor K², not C²: pairs come in chunks, and the backward
    pass computes the distances again. The gradient of a distance at 0 is 0.

    Args:
        coords: Positions of the channels, [N, C, 3], Å.
        channels: S, [N, C, K].
        first: Node i of each pair, int64 [P].
        second: Node j of each pair, int64 [P].

    Returns:
        [P, K, K], Å.
    """
    result: Tensor = _OPERATOR(coords, channels, first, second)
    return result


def _closest(coords: Tensor, mask: Tensor, first: Tensor, second: Tensor) -> Tensor:
    result = first.new_empty(len(first))
    padding = coords.new_zeros(mask.shape).masked_fill_(~mask, torch.inf)
    for block in _blocks(mask, first, second):
        of_i, of_j = block.rows(padding)
        squares = _squares(*block.rows(coords))
        place = squares.add_(of_i.unsqueeze(2)).add_(of_j.unsqueeze(1)).flatten(1).argmin(1)
        atom_i, atom_j = place // block.most_j, place % block.most_j
        result[block.part] = atom_i * mask.shape[1] + atom_j
    return result


_CLOSEST = torch.library.custom_op(
    "hemenet_lab::closest_atoms",
    _closest,
    mutates_args=(),
    schema="(Tensor coords, Tensor mask, Tensor first, Tensor second) -> Tensor",
)


@_CLOSEST.register_fake
def _one_per_pair(coords: Tensor, mask: Tensor, first: Tensor, second: Tensor) -> Tensor:
    return first.new_empty(first.shape[0])


def smallest_distances(
    coords: Float[Tensor, "nodes channels 3"],
    mask: Bool[Tensor, "nodes channels"],
    first: Int64[Tensor, " pairs"],
    second: Int64[Tensor, " pairs"],
) -> Float[Tensor, " pairs"]:
    """Smallest distance between any two real channels of node pairs.

    Which two are closest is found in chunks and without gradient; the gradient goes to their
    coordinates, and is 0 where they are in one place (a node with itself).

    Args:
        coords: Positions of the channels, [N, C, 3], Å.
        mask: bool [N, C], True for real channels; each node has at least one.
        first: Node i of each pair, int64 [P].
        second: Node j of each pair, int64 [P].

    Returns:
        [P], Å.
    """
    channels = coords.shape[1]
    closest = _CLOSEST(coords.detach(), mask, first, second)
    flat = coords.flatten(0, 1)
    atom = flat.index_select(0, first * channels + closest // channels)
    return safe_norm(atom - flat.index_select(0, second * channels + closest % channels))


def _add_coordinate_gradient(
    total: Tensor, weight: Tensor, x_i: Tensor, x_j: Tensor, block: _Block
) -> None:
    """Adds Σ_q weight_pq (x_ip - x_jq) to node i and its opposite to node j."""
    # relative to one atom of the pair, so that the products stay small numbers
    origin = x_i[:, :1]
    x_i, x_j = x_i - origin, x_j - origin
    block.of_i(total).index_add_(0, block.i, _weighted_differences(weight, x_i, x_j))
    of_j = _weighted_differences(weight.transpose(1, 2), x_j, x_i)
    block.of_j(total).index_add_(0, block.j, of_j)


def _weighted_differences(weight: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Σ_q weight_pq (x_p - y_q), [P, C, 3]."""
    with_sum = weight @ functional.pad(y, (0, 1), value=1.0)
    return x * with_sum[..., 3:] - with_sum[..., :3]


def normalised_radial(
    coords: Float[Tensor, "nodes channels 3"],
    graph: ChannelGraph,
    embedding: Float[Tensor, "types channel_dim"],
    eps: float | Float[Tensor, ""],
) -> tuple[Float[Tensor, "edges types*types"], Float[Tensor, "edges 1"]]:
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
        distances = typed_distances(coords, graph.channels, graph.first, graph.second)
        gram = (embedding @ embedding.t()).to(distances.dtype)
        flat = distances.flatten(1)
        # the Kronecker product of G with itself; torch.kron would tie a compiled graph to one K
        both_sides = (gram[:, None, :, None] * gram[None, :, None, :]).flatten(2).flatten(0, 1)
        squares = (flat * (flat @ both_sides)).sum(1)
        factor = 1 / (safe_sqrt(squares) + eps)
        scaled = distances * factor.view(-1, 1, 1)
        both = torch.cat([scaled, scaled.transpose(1, 2)]).flatten(1)
        factor = torch.cat([factor, factor]).unsqueeze(1)
        return both.index_select(0, graph.pair), factor.index_select(0, graph.pair)


def fold_radial(
    weight: Float[Tensor, "out channel_pairs"],
    embedding: Float[Tensor, "types channel_dim"],
) -> Float[Tensor, "out types*types"]:
    """M = W (Emb ⊗ Emb): W [o, d_c²] on vec(R) becomes M [o, K²] on vec(B)."""
    with torch.autocast(weight.device.type, enabled=False):
        k, d = embedding.shape
        half = weight.view(-1, d) @ embedding.t()
        return (embedding @ half.view(-1, d, k)).flatten(1)
