"""Distances between the atoms of two nodes, summed by the types of the atoms."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

PAIRS_AT_ONCE = 8192
"""Node pairs whose [C, C] distances exist at the same time."""


def pair_distances(first: Tensor, second: Tensor) -> Tensor:
    """Distances between the channels of node pairs, [P, C, 3] twice → [P, C, C].

    From coordinate differences: a product form would lose the digits of short distances.
    """
    squares = (first[:, :, None, 0] - second[:, None, :, 0]).square_()
    for axis in (1, 2):
        difference = first[:, :, None, axis] - second[:, None, :, axis]
        squares.addcmul_(difference, difference)
    return squares.sqrt_()


def _rows(x: Tensor, i: Tensor, j: Tensor) -> tuple[Tensor, Tensor]:
    return x.index_select(0, i), x.index_select(0, j)


def _chunks(num: int) -> Iterator[slice]:
    for start in range(0, num, PAIRS_AT_ONCE):
        yield slice(start, start + PAIRS_AT_ONCE)


class TypedDistances(torch.autograd.Function):
    """B = S_iᵀ D_ij S_j [P, K, K] of node pairs; backward computes the distances again.

    Memory is linear in the pairs with a factor K², not C². The gradient of a distance at 0 is 0.
    """

    @staticmethod
    def forward(
        ctx: Any, coords: Tensor, channels: Tensor, first: Tensor, second: Tensor
    ) -> Tensor:
        ctx.save_for_backward(coords, channels, first, second)
        k = channels.shape[-1]
        result = coords.new_empty(len(first), k, k)
        for part in _chunks(len(first)):
            i, j = first[part], second[part]
            distances = pair_distances(*_rows(coords, i, j))
            s_i, s_j = _rows(channels, i, j)
            result[part] = s_i.transpose(1, 2) @ (distances @ s_j)
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        coords, channels, first, second = ctx.saved_tensors
        of_coords = torch.zeros_like(coords) if ctx.needs_input_grad[0] else None
        of_channels = torch.zeros_like(channels) if ctx.needs_input_grad[1] else None
        with torch.autocast(coords.device.type, enabled=False):
            for part in _chunks(len(first)):
                i, j = first[part], second[part]
                x_i, x_j = _rows(coords, i, j)
                s_i, s_j = _rows(channels, i, j)
                distances = pair_distances(x_i, x_j)
                if of_coords is not None:
                    weight = s_i @ grad[part] @ s_j.transpose(1, 2)
                    weight.div_(distances).masked_fill_(distances == 0, 0.0)
                    _add_coordinate_gradient(of_coords, weight, x_i, x_j, i, j)
                if of_channels is not None:
                    of_i = distances @ (s_j @ grad[part].transpose(1, 2))
                    of_j = distances.transpose(1, 2) @ (s_i @ grad[part])
                    of_channels.index_add_(0, i, of_i).index_add_(0, j, of_j)
        return of_coords, of_channels, None, None


def _add_coordinate_gradient(
    total: Tensor, weight: Tensor, x_i: Tensor, x_j: Tensor, i: Tensor, j: Tensor
) -> None:
    """Adds Σ_q weight_pq (x_ip - x_jq) to node i and its opposite to node j."""
    # relative to one atom of the pair, so that the products stay small numbers
    origin = x_i[:, :1]
    x_i, x_j = x_i - origin, x_j - origin
    total.index_add_(0, i, _weighted_differences(weight, x_i, x_j))
    total.index_add_(0, j, _weighted_differences(weight.transpose(1, 2), x_j, x_i))


def _weighted_differences(weight: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Σ_q weight_pq (x_p - y_q), [P, C, 3]."""
    with_sum = weight @ functional.pad(y, (0, 1), value=1.0)
    return x * with_sum[..., 3:] - with_sum[..., :3]
