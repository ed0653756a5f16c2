"""What counts as the largest tensor."""

from __future__ import annotations

import torch

from hemenet_lab.testing.largest_tensor import LargestTensor


def test_hidden_and_freed_tensors_count() -> None:
    with LargestTensor() as largest:
        total = torch.cdist(torch.zeros(50, 3), torch.zeros(40, 3)).sum()
    assert total == 0
    assert (largest.bytes, largest.shape) == (50 * 40 * 4, (50, 40))


def test_a_broadcast_view_counts_as_what_it_shows() -> None:
    with LargestTensor() as largest:
        torch.zeros(10, 1).expand(10, 1000)
    assert largest.bytes == 40


def test_the_backward_pass_counts() -> None:
    x = torch.zeros(1000, requires_grad=True)
    with LargestTensor() as forward:
        y = x[:10].sum()
    with LargestTensor() as backward:
        y.backward()
    # the slice is a view of x, and only its gradient is made anew
    assert backward.bytes == 4000
    assert backward.operation
    assert forward.bytes == 4000


def test_nothing_outside_the_block_counts() -> None:
    with LargestTensor() as largest:
        torch.zeros(3)
    torch.zeros(1000)
    assert largest.bytes == 12
