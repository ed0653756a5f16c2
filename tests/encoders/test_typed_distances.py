"""Distances summed by atom types: by hand, by loops, and their gradients."""

from __future__ import annotations

import pytest
import torch

from hemenet_lab.encoders import typed_distances as module
from hemenet_lab.encoders.typed_distances import (
    pair_distances,
    smallest_distances,
    typed_distances,
)
from hemenet_lab.nn import safe_norm
from hemenet_lab.testing import LargestTensor


def test_by_hand():
    """Node 0 holds types 0 and 1, node 1 one atom of type 0."""
    coords = torch.tensor([[[0.0, 0, 0], [3, 0, 0]], [[3, 4, 0], [0, 0, 0]]])
    channels = torch.tensor([[[1.0, 0], [0, 1]], [[1, 0], [0, 0]]])
    first, second = torch.tensor([0, 0]), torch.tensor([1, 0])
    got = typed_distances(coords, channels, first, second)
    assert got.tolist() == [[[5, 0], [4, 0]], [[0, 3], [3, 0]]]


def test_gradients_by_hand():
    coords = torch.tensor([[[0.0, 0, 0]], [[3, 4, 0]]], requires_grad=True)
    channels = torch.ones(2, 1, 1, requires_grad=True)
    pairs = torch.tensor([0, 1]), torch.tensor([1, 1])
    typed_distances(coords, channels, *pairs).sum().backward()
    torch.testing.assert_close(coords.grad[:, 0], torch.tensor([[-0.6, -0.8, 0], [0.6, 0.8, 0]]))
    # the self-pair of node 1 has distance 0 and gradient 0
    assert channels.grad.flatten().tolist() == [5, 5]


def test_gradcheck_with_soft_channels():
    g = torch.Generator().manual_seed(0)
    coords = torch.randn(4, 3, 3, generator=g, dtype=torch.float64, requires_grad=True)
    channels = torch.randn(4, 3, 2, generator=g, dtype=torch.float64, requires_grad=True)
    pairs = torch.tensor([0, 1, 0]), torch.tensor([2, 3, 1])
    assert torch.autograd.gradcheck(typed_distances, (coords, channels, *pairs))


def padded_case() -> tuple[torch.Tensor, ...]:
    """Nodes of 0 to 5 channels, with a hole; their rows of padding have coordinates far away."""
    g = torch.Generator().manual_seed(1)
    coords = 9 * torch.randn(6, 5, 3, generator=g, dtype=torch.float64)
    channels = torch.randn(6, 5, 2, generator=g, dtype=torch.float64)
    channels[torch.arange(5) >= torch.arange(6).unsqueeze(1)] = 0
    channels[4, 1] = 0
    first, second = torch.combinations(torch.arange(6), with_replacement=True).unbind(1)
    return coords, channels, first, second


@pytest.mark.parametrize("at_once", [1, 2, 100])
@pytest.mark.parametrize("soft", [False, True])
def test_padding_left_out_of_a_block_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, at_once: int, soft: bool
) -> None:
    monkeypatch.setattr(module, "PAIRS_IN_CACHE", at_once)
    coords, channels, first, second = padded_case()
    coords.requires_grad_()
    channels.requires_grad_(soft)
    inputs = [coords, channels] if soft else [coords]
    distances = safe_norm(coords[first].unsqueeze(2) - coords[second].unsqueeze(1))
    want = torch.einsum("pak,pab,pbl->pkl", channels[first], distances, channels[second])
    got = typed_distances(coords, channels, first, second)
    torch.testing.assert_close(got, want)
    weight = torch.randn(want.shape, dtype=torch.float64)
    torch.testing.assert_close(
        torch.autograd.grad((got * weight).sum(), inputs),
        torch.autograd.grad((want * weight).sum(), inputs),
    )


def test_distances_match_torch_and_keep_zero():
    x, y = torch.randn(5, 4, 3), torch.randn(5, 4, 3)
    torch.testing.assert_close(
        pair_distances(x, y), torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist")
    )
    assert pair_distances(x, x).diagonal(dim1=1, dim2=2).eq(0).all()


def test_no_pairs():
    none = torch.zeros(0, dtype=torch.long)
    assert typed_distances(torch.zeros(2, 3, 3), torch.ones(2, 3, 4), none, none).shape == (
        0,
        4,
        4,
    )


def test_distances_of_all_pairs_never_exist_at_once(monkeypatch):
    """Inside the operators, where `LargestTensor` cannot look from outside."""
    pairs, channels, chunk = 60, 14, 6
    monkeypatch.setattr(module, "PAIRS_IN_CACHE", chunk)
    coords, types = torch.randn(10, channels, 3), torch.rand(10, channels, 2)
    ends = torch.randint(0, 10, (2, pairs))
    with LargestTensor() as largest:
        result = module._forward(coords, types, *ends)
        module._backward(torch.ones_like(result), coords, types, *ends, True, True)
    assert largest.bytes <= chunk * channels**2 * 4 < pairs * channels**2 * 4


def test_smallest_distances_by_hand():
    """Padding lies nearer than any atom, and does not count; a node is at 0 from itself."""
    coords = torch.tensor([[[0.0, 0, 0], [3, 0, 0]], [[3, 4, 0], [0, 0, 0]]])
    mask = torch.tensor([[True, True], [True, False]])
    first, second = torch.tensor([0, 0, 1, 1]), torch.tensor([1, 0, 1, 0])
    got = smallest_distances(coords, mask, first, second)
    assert got.tolist() == [4, 0, 0, 4]


def test_smallest_distances_match_all_pairs_in_chunks(monkeypatch):
    monkeypatch.setattr(module, "PAIRS_IN_CACHE", 3)
    g = torch.Generator().manual_seed(0)
    coords = torch.randn(6, 4, 3, generator=g, dtype=torch.float64, requires_grad=True)
    mask = torch.rand(6, 4, generator=g) < 0.6
    mask[:, 1] = True
    first, second = torch.combinations(torch.arange(6), with_replacement=True).unbind(1)

    def slow(coords: torch.Tensor) -> torch.Tensor:
        return torch.stack(
            [
                torch.cdist(coords[i][mask[i]], coords[j][mask[j]]).min()
                for i, j in zip(first.tolist(), second.tolist(), strict=True)
            ]
        )

    def fast(coords: torch.Tensor) -> torch.Tensor:
        return smallest_distances(coords, mask, first, second)

    torch.testing.assert_close(fast(coords), slow(coords))
    apart = first != second  # where the distance is 0, gradients are a convention
    weight = torch.rand(len(first), generator=g, dtype=torch.float64) * apart
    (want,) = torch.autograd.grad((slow(coords) * weight).sum(), coords)
    (got,) = torch.autograd.grad((fast(coords) * weight).sum(), coords)
    torch.testing.assert_close(got, want)
    assert torch.autograd.gradcheck(lambda x: fast(x)[apart], coords)


def test_smallest_distances_of_no_pairs():
    none = torch.zeros(0, dtype=torch.long)
    mask = torch.ones(2, 3, dtype=torch.bool)
    assert smallest_distances(torch.zeros(2, 3, 3), mask, none, none).shape == (0,)
