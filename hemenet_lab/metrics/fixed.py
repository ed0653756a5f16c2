"""Fixed-point numbers: sums that do not depend on the order of their items.

Floating-point sums change in the last digits with the order, so two processes would not agree
exactly with one. Fractions in [0, 1] are rounded to multiples of 2⁻⁴⁰ and summed as integers; the
mean of any number of them is then off by at most 2⁻⁴¹ ≈ 5e-13, and 8 million of them fit.
"""

from __future__ import annotations

import torch
from torch import Tensor

ONE = 2**40
"""The integer that stands for 1."""


def to_fixed(fraction: Tensor) -> Tensor:
    """Fractions in [0, 1] as int64."""
    return (fraction.double() * ONE).round().long()


def from_fixed(total: Tensor) -> Tensor:
    """Sums of fixed-point numbers as float64."""
    return total.double() / ONE


def ratio(numerator: Tensor, denominator: Tensor) -> Tensor:
    """``numerator / denominator`` in float64, 0 where the denominator is 0."""
    # float64 first: PyTorch divides integers in float32
    numerator, denominator = numerator.double(), denominator.double()
    return torch.where(denominator > 0, numerator / denominator.clamp(min=1e-300), 0.0)
