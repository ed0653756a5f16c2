"""Segment reductions against loops and hand-computed groups."""

from __future__ import annotations

import pytest
import torch

from hemenet_lab.nn.segment import (
    segment_count,
    segment_max,
    segment_mean,
    segment_softmax,
    segment_sum,
)

INDEX = torch.tensor([2, 0, 2, 2, 0])
"""Group 1 and group 3 of four are empty."""


@pytest.fixture
def rows() -> torch.Tensor:
    return torch.tensor([[1.0, -1], [2, 0], [3, 5], [-4, 1], [6, 6]], dtype=torch.float64)


def test_sum_mean_max_by_hand(rows):
    assert segment_sum(rows, INDEX, 4).tolist() == [[8, 6], [0, 0], [0, 5], [0, 0]]
    assert segment_max(rows, INDEX, 4).tolist() == [[6, 6], [0, 0], [3, 5], [0, 0]]
    assert segment_mean(rows, INDEX, 4)[0].tolist() == [4, 3]
    assert segment_mean(rows, INDEX, 4)[1].tolist() == [0, 0]
    assert segment_count(INDEX, 4).tolist() == [2, 0, 3, 0]


@pytest.mark.parametrize("trailing", [(), (3,), (2, 3)])
def test_softmax_equals_torch_softmax_per_group(trailing):
    scores = torch.randn(5, *trailing, generator=torch.Generator().manual_seed(0)) * 50
    weights = segment_softmax(scores, INDEX, 4)
    for group in (0, 2):
        member = group == INDEX
        torch.testing.assert_close(weights[member], scores[member].softmax(0))


def test_softmax_survives_huge_negative_scores():
    weights = segment_softmax(torch.tensor([-1e30, -1e30, 5.0]), torch.tensor([0, 0, 1]), 2)
    assert weights.tolist() == [0.5, 0.5, 1.0]


@pytest.mark.parametrize("function", [segment_sum, segment_mean, segment_softmax])
def test_gradients(function, rows):
    rows.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: function(x, INDEX, 4), (rows,))


def test_half_precision_sums_do_not_stall():
    """In bfloat16 arithmetic 256 + 1 stays 256."""
    ones = torch.ones(1000, 1, dtype=torch.bfloat16)
    total = segment_sum(ones, torch.zeros(1000, dtype=torch.long), 1)
    assert total.dtype == torch.bfloat16
    assert total.item() == 1000
    assert segment_mean(ones, torch.zeros(1000, dtype=torch.long), 1).item() == 1


def test_no_rows_at_all():
    empty = torch.zeros(0, 2)
    index = torch.zeros(0, dtype=torch.long)
    assert segment_sum(empty, index, 3).tolist() == [[0, 0]] * 3
    assert segment_softmax(empty, index, 3).shape == (0, 2)
    assert segment_mean(empty, index, 0).shape == (0, 2)
