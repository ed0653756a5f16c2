"""Sums, means and softmax over groups of rows: the padding-free reductions of graphs.

A group is named by its number: ``index[e]`` is the group of row ``e``, in any order. Groups without
rows give zeros. Rows in half precision are added up in float32.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64, Num
from torch import Tensor

_HALF = (torch.float16, torch.bfloat16)


def segment_sum(
    x: Num[Tensor, " rows *rest"], index: Int64[Tensor, " rows"], n: int
) -> Num[Tensor, " {n} *rest"]:
    """Sum of the rows of each group.

    Args:
        x: Rows, [E, ...].
        index: Group of each row, int64 [E], values 0 to ``n`` - 1.
        n: Number of groups.

    Returns:
        [n, ...] in the dtype of ``x``.
    """
    dtype = torch.float32 if x.dtype in _HALF else x.dtype
    total = torch.zeros(n, *x.shape[1:], dtype=dtype, device=x.device)
    return total.index_add(0, index, x.to(dtype)).to(x.dtype)


def segment_count(index: Int64[Tensor, " rows"], n: int) -> Int64[Tensor, " {n}"]:
    """Number of rows of each group, int64 [n]."""
    ones = torch.ones(1, dtype=torch.long, device=index.device).expand(len(index))
    return torch.zeros(n, dtype=torch.long, device=index.device).index_add(0, index, ones)


def segment_mean(
    x: Float[Tensor, " rows *rest"], index: Int64[Tensor, " rows"], n: int
) -> Float[Tensor, " {n} *rest"]:
    """Mean of the rows of each group, [n, ...]; zero for a group without rows."""
    count = segment_count(index, n).clamp(min=1).view(-1, *[1] * (x.dim() - 1))
    dtype = torch.float32 if x.dtype in _HALF else x.dtype
    return (segment_sum(x.to(dtype), index, n) / count).to(x.dtype)


def segment_max(
    x: Num[Tensor, " rows *rest"], index: Int64[Tensor, " rows"], n: int
) -> Num[Tensor, " {n} *rest"]:
    """Largest value of each group, [n, ...]; zero for a group without rows."""
    place = index.view(-1, *[1] * (x.dim() - 1)).expand_as(x)
    zeros = torch.zeros(n, *x.shape[1:], dtype=x.dtype, device=x.device)
    return zeros.scatter_reduce(0, place, x, "amax", include_self=False)


def segment_softmax(
    scores: Float[Tensor, " rows *rest"], index: Int64[Tensor, " rows"], n: int
) -> Float[Tensor, " rows *rest"]:
    """Softmax over the rows of each group, for every trailing position on its own.

    Args:
        scores: [E, ...].
        index: Group of each row, int64 [E].
        n: Number of groups.

    Returns:
        Weights [E, ...] that add up to 1 in each group, in float32 or better.
    """
    if scores.dtype in _HALF:
        scores = scores.float()
    largest = segment_max(scores.detach(), index, n)
    weights = (scores - largest.index_select(0, index)).exp()
    return weights / segment_sum(weights, index, n).index_select(0, index)
