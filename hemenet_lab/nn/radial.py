"""Functions of distances: norms with a safe gradient, Gaussian bases, smooth cutoffs."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn


def safe_sqrt(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Square root with value and gradient 0 where ``x`` is 0 or (by rounding) below."""
    positive = x > 0
    return torch.where(positive, torch.where(positive, x, 1.0).sqrt(), 0.0)


def safe_norm(
    x: Float[Tensor, "*shape"], dim: int = -1, keepdim: bool = False
) -> Float[Tensor, " ..."]:
    """Euclidean norm along ``dim`` with gradient 0 for a zero vector."""
    return safe_sqrt(x.square().sum(dim, keepdim=keepdim))


class GaussianBasis(nn.Module):
    """Distances spread over equally spaced Gaussians (Schütt et al. 2017, SchNet, Eq. 8).

    ``exp(-(d - centre)² / (2 spacing²))``, the width being the spacing of the centres.

    Args:
        num: Number of Gaussians.
        start: First centre, Å.
        stop: Last centre, Å.
    """

    centers: Tensor

    def __init__(self, num: int, start: float, stop: float) -> None:
        super().__init__()
        if num < 2 or stop <= start:
            raise ValueError(
                f"GaussianBasis({num}, {start}, {stop}): num must be 2 or more, stop above start"
            )
        self.num = num
        self.register_buffer("centers", torch.linspace(start, stop, num), persistent=False)
        self.coefficient = -0.5 * ((num - 1) / (stop - start)) ** 2

    def forward(self, distance: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape {self.num}"]:
        """[...] Å → [..., num]."""
        offset = distance.unsqueeze(-1) - self.centers.to(distance.dtype)
        return (self.coefficient * offset.square()).exp()


def cosine_cutoff(distance: Float[Tensor, "*shape"], cutoff: float) -> Float[Tensor, "*shape"]:
    """Weights [...] falling smoothly from 1 at 0 Å to 0 at ``cutoff`` and beyond."""
    inside = (distance < cutoff).to(distance.dtype)
    return 0.5 * (torch.cos(distance * (math.pi / cutoff)) + 1.0) * inside
