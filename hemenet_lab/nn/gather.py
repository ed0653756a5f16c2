"""Sums of rows of a table, group by group, without a copy of the rows: gather and scatter at once.

``out[g] = Σ weight[e] table[row[e]]`` over the entries e of group g, as PyTorch's ``embedding_bag``
computes it. With messages along edges the rows are sources and the groups are targets; the gradient
is the same sum with both exchanged, so `Gathering` holds the entries in both orders.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional

_HALF = (torch.float16, torch.bfloat16)


class Gathering(NamedTuple):
    """Which rows go into which groups."""

    row: Tensor
    """Row of each entry, int64 [E]."""
    group: Tensor
    """Its group, int64 [E], ascending."""
    start: Tensor
    """First entry of each group, and E, int64 [G + 1]."""
    by_row: Tensor
    """The entries in the order of their rows, int64 [E]."""
    row_start: Tensor
    """First of these of each row, and E, int64 [R + 1]."""


def gathering(
    row: Int64[Tensor, " entries"], group: Int64[Tensor, " entries"], num_rows: int, num_groups: int
) -> Gathering:
    """Sorts entries for `gather_sum`.

    Args:
        row: Row of each entry, int64 [E].
        group: Group of each entry, int64 [E], ascending.
        num_rows: Rows of the table.
        num_groups: Number of groups.
    """
    sorted_rows, by_row = row.sort(stable=True)
    return Gathering(row, group, _starts(group, num_groups), by_row, _starts(sorted_rows, num_rows))


def _starts(ascending: Tensor, num: int) -> Tensor:
    return torch.searchsorted(ascending, torch.arange(num + 1, device=ascending.device))


def gather_sum(
    table: Float[Tensor, "rows width"],
    entries: Gathering,
    weight: Float[Tensor, " entries"] | None = None,
) -> Float[Tensor, "groups width"]:
    """Weighted sums of rows, [G, width]; zero for a group without entries.

    Args:
        table: Rows, [R, width]; those in half precision are added up in float32.
        entries: Which rows go into which groups.
        weight: Weight of each entry, [E]; all 1 for None.
    """
    dtype = torch.float32 if table.dtype in _HALF else table.dtype
    if weight is not None:
        weight = weight.to(dtype)
    total: Tensor = _GatherSum.apply(table.to(dtype), weight, *entries)  # type: ignore[no-untyped-call]
    return total.to(table.dtype)


class _GatherSum(torch.autograd.Function):
    """`gather_sum`; its own gradient, which also is a sum without copies."""

    @staticmethod
    def forward(
        ctx: Any,
        table: Tensor,
        weight: Tensor | None,
        row: Tensor,
        group: Tensor,
        start: Tensor,
        by_row: Tensor,
        row_start: Tensor,
    ) -> Tensor:
        ctx.save_for_backward(
            table if weight is not None else None, weight, row, group, start, by_row, row_start
        )
        return _sums(table, row, start, weight)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        table, weight, row, group, start, by_row, row_start = ctx.saved_tensors
        gradient = gradient.contiguous()
        of_table = of_weight = None
        if ctx.needs_input_grad[0]:
            turned = None if weight is None else weight[by_row]
            of_table = _sums(gradient, group[by_row], row_start, turned)
        if weight is not None and ctx.needs_input_grad[1]:
            of_weight = torch.ops.aten._embedding_bag_per_sample_weights_backward(
                gradient, table, row, start[:-1], group, 0
            )
        return of_table, of_weight, None, None, None, None, None


def _sums(table: Tensor, row: Tensor, start: Tensor, weight: Tensor | None) -> Tensor:
    return functional.embedding_bag(
        row,
        table.contiguous(),
        start,
        mode="sum",
        per_sample_weights=weight,
        include_last_offset=True,
    )
