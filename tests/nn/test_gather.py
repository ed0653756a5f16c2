"""Sums of gathered rows against loops, with their gradients."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from hemenet_lab.nn import Gathering, gather_sum, gathering
from hemenet_lab.testing.compiling import assert_module_compiles

ROW = torch.tensor([3, 0, 3, 3, 1, 0])
GROUP = torch.tensor([0, 0, 0, 2, 2, 3])
"""Row 2 of five rows, row 4, group 1 and group 4 of five have no entry."""


def entries() -> Gathering:
    return gathering(ROW, GROUP, 5, 5)


def slow(table: Tensor, weight: Tensor | None) -> Tensor:
    rows = []
    for group in range(5):
        total = torch.zeros_like(table[0])
        for e in range(len(ROW)):
            if GROUP[e] == group:
                total = total + table[ROW[e]] * (1.0 if weight is None else weight[e])
        rows.append(total)
    return torch.stack(rows)


@pytest.mark.parametrize("weighted", [True, False])
def test_equals_a_loop_with_its_gradients(weighted: bool) -> None:
    torch.manual_seed(0)
    table = torch.randn(5, 7, dtype=torch.float64, requires_grad=True)
    weight = torch.rand(6, dtype=torch.float64, requires_grad=True) if weighted else None
    inputs = [table] if weight is None else [table, weight]
    seed = torch.randn(5, 7, dtype=torch.float64)
    for got, want in zip(
        torch.autograd.grad((gather_sum(table, entries(), weight) * seed).sum(), inputs),
        torch.autograd.grad((slow(table, weight) * seed).sum(), inputs),
        strict=True,
    ):
        torch.testing.assert_close(got, want)
    torch.testing.assert_close(gather_sum(table, entries(), weight), slow(table, weight))


def test_no_entries_and_no_groups() -> None:
    none = torch.zeros(0, dtype=torch.long)
    table = torch.randn(3, 4, requires_grad=True)
    weight = torch.zeros(0, requires_grad=True)
    out = gather_sum(table, gathering(none, none, 3, 2), weight)
    out.sum().backward()
    assert out.tolist() == [[0.0] * 4] * 2
    assert table.grad is not None
    assert not table.grad.any()
    assert gather_sum(table, gathering(none, none, 3, 0)).shape == (0, 4)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_added_up_in_float32(dtype: torch.dtype) -> None:
    """A thousand times 1/8 after 512: half precision alone would stay at 512 or lose digits."""
    table = torch.tensor([[512.0], [0.125]], dtype=dtype, requires_grad=True)
    row = torch.tensor([0] + [1] * 1024)
    out = gather_sum(table, gathering(row, torch.zeros_like(row), 2, 1))
    assert (out.dtype, out.item()) == (dtype, 640.0)
    out.sum().backward()
    assert table.grad is not None
    assert table.grad.flatten().tolist() == [1.0, 1024.0]


class Sums(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.scores = nn.Linear(4, 1)

    def forward(self, table: Tensor, entries: Gathering) -> Tensor:
        table = self.linear(table)
        return gather_sum(table, entries, self.scores(table)[entries.row].squeeze(1))


def test_compiles_for_all_sizes() -> None:
    inputs = []
    for rows in (5, 6, 9):
        row = torch.randint(0, rows, (3 * rows,))
        group = torch.randint(0, rows + 1, (3 * rows,)).sort()[0]
        inputs.append((torch.randn(rows, 4), gathering(row, group, rows, rows + 1)))
    assert_module_compiles(Sums(), inputs, 1e-5, backend="aot_eager")
