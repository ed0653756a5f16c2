"""Scalars, vectors and traceless symmetric tensors, and the maps between them that keep symmetry.

A feature of degree l has 2l + 1 components. Degrees 0, 1 and 2 exist here, those of the spherical
harmonics: odd degrees change their sign under inversion (``0e``, ``1o``, ``2e``). The basis is that
of e3nn: vectors are (x, y, z), and `quadratic_forms` gives the components of degree 2.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from hemenet_lab.nn import safe_norm

Dims = tuple[int, int, int]
"""Number of features of degree 0, 1 and 2."""
Features = tuple[Tensor, Tensor, Tensor]
"""[N, 2l + 1, dims[l]] for each degree l."""
Path = tuple[int, int, int]
"""Degrees (l₁, l₂) → l₃ of a product."""

DEGREES = (0, 1, 2)


def quadratic_forms() -> Tensor:
    """Component m of degree 2 of a direction u is ``uᵀ Q_m u``; Q, float64 [5, 3, 3]."""
    s = math.sqrt(3) / 2
    xz = [[0, 0, s], [0, 0, 0], [s, 0, 0]]
    xy = [[0, s, 0], [s, 0, 0], [0, 0, 0]]
    yy = [[-0.5, 0, 0], [0, 1, 0], [0, 0, -0.5]]
    yz = [[0, 0, 0], [0, 0, s], [0, s, 0]]
    zz = [[-s, 0, 0], [0, 0, 0], [0, 0, s]]
    return torch.tensor([xz, xy, yy, yz, zz], dtype=torch.float64)


def three_j(l1: int, l2: int, l3: int) -> Tensor:
    """The real Wigner 3j symbol of degrees with an even sum, the invariant tensor of norm 1.

    It is unique up to its sign: δ for two equal degrees, Q_m for two vectors and a tensor, and
    ``tr(Q_m Q_n Q_k)`` for three tensors.

    Returns:
        float64 [2 l1 + 1, 2 l2 + 1, 2 l3 + 1].
    """
    places = sorted(range(3), key=(l1, l2, l3).__getitem__)
    ascending = sorted((l1, l2, l3))
    forms = quadratic_forms()
    if ascending[0] == 0:
        symbol = torch.eye(2 * ascending[1] + 1, dtype=torch.float64).unsqueeze(0)
    elif ascending == [1, 1, 2]:
        symbol = forms.permute(1, 2, 0)
    else:
        symbol = torch.einsum("mab,nbc,kca->mnk", forms, forms, forms)
    return (symbol / symbol.norm()).permute([places.index(place) for place in range(3)])


def spherical_harmonics(step: Tensor) -> Features:
    """Degrees 0 to 2 of the directions of [P, 3], a feature each; squares add up to 2l + 1.

    A vector of length 0 has degree 0 only.
    """
    length = safe_norm(step, keepdim=True)
    u = step / torch.where(length > 0, length, 1.0)
    x, y, z = u.unbind(-1)
    root = math.sqrt(3)
    yy, zz = y * y - 0.5 * (x * x + z * z), 0.5 * root * (z * z - x * x)
    second = torch.stack([root * x * z, root * x * y, yy, root * y * z, zz], dim=-1)
    scalar = torch.ones_like(length)
    return scalar.unsqueeze(2), (root * u).unsqueeze(2), (math.sqrt(5) * second).unsqueeze(2)


def take(x: Features, rows: Tensor) -> Features:
    """Rows of features."""
    # not x[rows]: its gradient is summed one by one
    return x[0].index_select(0, rows), x[1].index_select(0, rows), x[2].index_select(0, rows)


def add(x: Features, y: Features) -> Features:
    """Sum of features."""
    return x[0] + y[0], x[1] + y[1], x[2] + y[2]


class EquivariantLinear(nn.Module):
    """Mixes the features of each degree, ``y_w = Σ_u W_uw x_u``; a bias on the scalars only.

    Args:
        in_dims: Numbers of features of the input.
        out_dims: Numbers of features of the output.
        bias: Whether scalars get a bias.
    """

    def __init__(self, in_dims: Dims, out_dims: Dims, bias: bool = True) -> None:
        super().__init__()
        self.shapes = list(zip(in_dims, out_dims, strict=True))
        blocks = [torch.randn(wide * out) / max(wide, 1) ** 0.5 for wide, out in self.shapes]
        self.weight = nn.Parameter(torch.cat(blocks))
        self.bias = nn.Parameter(torch.zeros(out_dims[0])) if bias else None

    def forward(self, x: Features) -> Features:
        scalars, vectors, tensors = (
            part @ matrix for part, matrix in zip(x, self.matrices(), strict=True)
        )
        return self.biased(scalars), vectors, tensors

    def matrices(self) -> list[Tensor]:
        """W of each degree, [u, w]."""
        # one parameter holds W of all degrees, one after the other, row by row
        blocks = self.weight.split([wide * out for wide, out in self.shapes])
        return [block.view(shape) for block, shape in zip(blocks, self.shapes, strict=True)]

    def of_scalars(self, scalars: Tensor) -> Tensor:
        """The scalars alone."""
        return self.biased(scalars @ self.matrices()[0])

    def biased(self, scalars: Tensor) -> Tensor:
        """The scalars with their bias."""
        return scalars if self.bias is None else scalars + self.bias


class Gate(nn.Module):
    """SiLU of the scalars; vectors and tensors times the sigmoid of a further scalar each.

    Args:
        dims: Numbers of features of the output.
        factors: Multiply SiLU and sigmoid, so that normal numbers keep their second moment.
    """

    def __init__(self, dims: Dims, factors: tuple[float, float]) -> None:
        super().__init__()
        self.dims, self.factors = dims, factors
        self.in_dims: Dims = (sum(dims), dims[1], dims[2])

    def forward(self, x: Features) -> Features:
        scalars, of_vectors, of_tensors = x[0].split(self.dims, dim=-1)
        silu, sigmoid = self.factors
        return (
            silu * nn.functional.silu(scalars),
            sigmoid * of_vectors.sigmoid() * x[1],
            sigmoid * of_tensors.sigmoid() * x[2],
        )


class EquivariantNorm(nn.Module):
    """Layer norm of each degree: scalars are centred, all are divided by their root mean square.

    Args:
        dims: Numbers of features.
    """

    EPSILON = 1e-5

    def __init__(self, dims: Dims) -> None:
        super().__init__()
        self.dims = dims
        self.affine_weight = nn.Parameter(torch.ones(sum(dims)))
        self.affine_bias = nn.Parameter(torch.zeros(dims[0]))

    def forward(self, x: Features) -> Features:
        centred = (x[0] - x[0].mean(dim=-1, keepdim=True), x[1], x[2])
        scalars, vectors, tensors = (
            # an empty degree has no mean
            part * (part.square().mean((1, 2), keepdim=True) + self.EPSILON).rsqrt() * weight
            if part.shape[-1]
            else part
            for part, weight in zip(centred, self.affine_weight.split(self.dims), strict=True)
        )
        return scalars + self.affine_bias, vectors, tensors
