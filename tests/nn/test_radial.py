"""Norms with a safe gradient, Gaussian bases, cutoffs."""

from __future__ import annotations

import math

import pytest
import torch

from hemenet_lab.nn.radial import GaussianBasis, cosine_cutoff, safe_norm, safe_sqrt


def test_safe_norm_has_gradient_zero_at_zero():
    x = torch.tensor([[0.0, 0, 0], [3, 4, 0]], dtype=torch.float64, requires_grad=True)
    norm = safe_norm(x)
    norm.sum().backward()
    assert norm.tolist() == [0, 5]
    torch.testing.assert_close(x.grad, torch.tensor([[0, 0, 0], [0.6, 0.8, 0]]).double())


def test_safe_sqrt_of_a_rounding_error_below_zero():
    assert safe_sqrt(torch.tensor([-1e-12, 4.0])).tolist() == [0, 2]


def test_gaussian_basis_by_hand():
    basis = GaussianBasis(3, 0.0, 4.0)
    got = basis(torch.tensor([2.0, 4.0]))
    assert got.shape == (2, 3)
    low = math.exp(-0.5)
    torch.testing.assert_close(got[0], torch.tensor([low, 1.0, low]))
    assert basis(torch.ones(2, dtype=torch.float64)).dtype == torch.float64


def test_gaussian_basis_refuses_an_empty_range():
    with pytest.raises(ValueError, match="stop above start"):
        GaussianBasis(8, 5.0, 5.0)


def test_cosine_cutoff_by_hand():
    got = cosine_cutoff(torch.tensor([0.0, 2.5, 5.0, 9.0]), 5.0)
    torch.testing.assert_close(got, torch.tensor([1.0, 0.5, 0.0, 0.0]))
