"""Dropout: frequency, scale, gradient, and nothing at all in evaluation."""

from __future__ import annotations

import pytest
import torch

from hemenet_lab.nn.dropout import Dropout, random_bits, scaled_mask


@pytest.mark.parametrize("p", [0.01, 0.1, 0.5, 0.9])
def test_frequency_and_independence_of_neighbours(p):
    torch.manual_seed(3)
    x = torch.empty(1000, 401)
    keep = (scaled_mask(random_bits(x), p, x) != 0).double()
    assert abs(keep.mean() - (1 - p)) < 0.003
    columns = keep - (1 - p)
    for shift in (1, 2, 3):
        pairs = (columns[:, shift:] * columns[:, :-shift]).mean()
        assert abs(pairs) < 0.003


def test_scale_keeps_the_mean_and_gradient_uses_the_same_mask():
    torch.manual_seed(0)
    x = torch.ones(300, 300, requires_grad=True)
    y = Dropout(0.25)(x)
    y.sum().backward()
    torch.testing.assert_close(x.grad, y.detach())
    assert y.unique().tolist() == [0, pytest.approx(1 / 0.75)]
    assert y.mean().item() == pytest.approx(1, abs=0.01)


def test_evaluation_and_zero_leave_the_input_alone():
    x = torch.randn(5, 3)
    assert Dropout(0.5).eval()(x) is x
    assert Dropout(0.0)(x) is x


def test_same_seed_same_mask_and_no_rows():
    x = torch.empty(7, 3)
    torch.manual_seed(1)
    first = random_bits(x)
    torch.manual_seed(1)
    assert torch.equal(first, random_bits(x))
    assert Dropout(0.3)(torch.empty(0, 3)).shape == (0, 3)


def test_half_precision_keeps_its_dtype():
    x = torch.ones(100, 8, dtype=torch.bfloat16, requires_grad=True)
    y = Dropout(0.5)(x)
    y.sum().backward()
    assert y.dtype == x.grad.dtype == torch.bfloat16
    assert torch.equal(y, x.grad)


def test_other_devices_use_torchs_own(monkeypatch):
    def refuse(*args):
        raise AssertionError("random bits are for the CPU")

    monkeypatch.setattr("hemenet_lab.nn.dropout.random_bits", refuse)
    x = torch.ones(6, 2, device="meta", requires_grad=True)
    Dropout(0.5)(x).sum().backward()
    assert x.grad.shape == x.shape
    with pytest.raises(AssertionError, match="for the CPU"):
        Dropout(0.5)(torch.ones(6, 2))


def test_impossible_probability_is_refused():
    with pytest.raises(ValueError, match="must be 0 to below 1"):
        Dropout(1.0)
