"""Distances in SE3Set: learned Gaussians, and the weights of tensor products made of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn


class GaussianRadial(nn.Module):
    """Distances in Gaussians of learned centres and widths.

    Args:
        num: Number of Gaussians.
        max_radius: Distances are divided by this, Å.
    """

    def __init__(self, num: int, max_radius: float) -> None:
        super().__init__()
        self.max_radius = max_radius
        self.mean = nn.Parameter(torch.rand(1, num))
        self.std = nn.Parameter(torch.empty(1, num).uniform_(1 / num, 1.0))
        self.weight = nn.Parameter(torch.ones(1, 1))
        self.bias = nn.Parameter(torch.zeros(1, 1))

    def forward(self, distance: Tensor) -> Tensor:
        """[P] Å → [P, num]."""
        t = self.weight * distance.unsqueeze(-1) / self.max_radius + self.bias
        width = self.std.abs() + 1e-5
        return (-0.5 * ((t - self.mean) / width).square()).exp() / (math.sqrt(2 * math.pi) * width)


class RadialWeights(nn.Module):
    """Weights of a product from the Gaussians of a distance.

    Args:
        dims: Widths from the Gaussians to the weights.
    """

    def __init__(self, dims: Sequence[int]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for wide, narrow in pairwise(dims[:-1]):
            layers += [nn.Linear(wide, narrow), nn.LayerNorm(narrow), nn.SiLU()]
        self.net = nn.Sequential(*layers, nn.Linear(dims[-2], dims[-1], bias=False))
        bound = dims[-2] ** -0.5
        self.offset = nn.Parameter(torch.empty(dims[-1]).uniform_(-bound, bound))

    def forward(self, gaussians: Tensor) -> Tensor:
        """[P, num_radial] → [P, weights]."""
        weights: Tensor = self.net(gaussians) + self.offset
        return weights
