"""Lists of edges cut into blocks, and joined through their ends: sorted ranges instead of loops."""

from __future__ import annotations

import math

import torch
from torch import Tensor

Block = tuple[int, int, int, int]
"""A range of targets and that of their edges: (low, high, first, last)."""


def target_blocks(target: Tensor, num_targets: int, num_blocks: int) -> list[Block]:
    """Cuts edges into blocks of about equally many targets, to bound the memory of each.

    Args:
        target: Target of each edge, int64 [E], ascending.
        num_targets: Number of targets.
        num_blocks: Blocks wanted; for one, nothing is read from the device. A compiled graph always
            gets one.
    """
    if torch.compiler.is_compiling():
        # one graph for batches of all sizes; the compiler then decides what is kept
        return [(0, num_targets, 0, len(target))]
    step = max(1, math.ceil(num_targets / max(1, num_blocks)))
    if step >= num_targets:
        return [(0, num_targets, 0, len(target))]
    starts = torch.arange(0, num_targets, step, device=target.device)
    first = torch.searchsorted(target, starts).tolist()
    return [
        (number * step, min((number + 1) * step, num_targets), low, high)
        for number, (low, high) in enumerate(zip(first, [*first[1:], len(target)], strict=True))
    ]


def expand_ranges(start: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
    """Every member of the ranges ``start[i]`` to ``start[i] + count[i]``, range after range.

    Returns:
        The range of each member and the member itself, int64 [sum of ``count``] both.
    """
    row = torch.repeat_interleave(count)
    before = count.cumsum(0) - count
    return row, torch.arange(len(row), device=row.device) + (start - before)[row]
