"""Tensor products of features, each followed by a linear map: the messages of SE3Set.

A path (l₁, l₂) → l₃ multiplies features x of degree l₁ by features y of degree l₂::

    z_u = √(2l₃ + 1) Σ_v w_uv Σ_ab C_ab x_ua y_vb        C the 3j symbol

With spherical harmonics for y there is one v, and the sum over a and b is a matrix per pair. Where
l₁ < l₃ the linear map comes before that matrix, which has fewer components to map.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from baselines.se3set.irreps import (
    DEGREES,
    Dims,
    EquivariantLinear,
    Features,
    Path,
    spherical_harmonics,
    three_j,
)


class Directions(NamedTuple):
    """Directions of P pairs, as the matrices that a product with their harmonics multiplies by."""

    vector: Tensor
    """Harmonics of degree 1, [P, 3, 1]: the product with scalars."""
    tensor: Tensor
    """Harmonics of degree 2, [P, 5, 1]."""
    of_vectors: Tensor
    """From vectors to scalars and vectors, [P, 1 + 3, 3]."""
    of_tensors: Tensor
    """From tensors to scalars, vectors and tensors, [P, 1 + 3 + 5, 5]."""
    to_tensors: Tensor
    """From vectors to tensors, [P, 5, 3]."""


class DirectionMaps(nn.Module):
    """Makes `Directions` of steps; without parameters, with the 3j symbols as buffers."""

    PATHS: tuple[tuple[Path, ...], ...] = (
        ((1, 1, 0), (2, 1, 1), (1, 1, 2)),
        ((1, 2, 1), (2, 2, 0), (2, 2, 2)),
    )

    def __init__(self) -> None:
        super().__init__()
        for degree, paths in enumerate(self.PATHS, 1):
            # [b, c · a] side by side, so that one product makes the matrices of all paths
            symbols = [scaled_symbol(path).permute(1, 2, 0).flatten(1) for path in paths]
            self.register_buffer(f"symbols_{degree}", torch.cat(symbols, 1), persistent=False)

    def forward(self, step: Tensor) -> Directions:
        """Directions of steps [P, 3]."""
        _, vector, tensor = spherical_harmonics(step)
        v_to_s, t_to_v, v_to_t = self._matrices(1, vector)
        v_to_v, t_to_s, t_to_t = self._matrices(2, tensor)
        return Directions(
            vector,
            tensor,
            torch.cat([v_to_s, v_to_v], 1),
            torch.cat([t_to_s, t_to_v, t_to_t], 1),
            v_to_t,
        )

    def _matrices(self, degree: int, harmonic: Tensor) -> list[Tensor]:
        """[P, 2l₃ + 1, 2l₁ + 1] of each path."""
        shapes = [(2 * l3 + 1, 2 * l1 + 1) for l1, _, l3 in self.PATHS[degree - 1]]
        symbols = self.get_buffer(f"symbols_{degree}").to(harmonic.dtype)
        flat = harmonic.squeeze(-1) @ symbols
        parts = flat.split([high * wide for high, wide in shapes], dim=1)
        return [part.unflatten(1, shape) for part, shape in zip(parts, shapes, strict=True)]


def scaled_symbol(path: Path) -> Tensor:
    """``√(2l₃ + 1) C`` of a path, float64 [2l₁ + 1, 2l₂ + 1, 2l₃ + 1]."""
    return math.sqrt(2 * path[2] + 1) * three_j(*path)


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

    def forward(self, gaussians: Tensor, order: Tensor) -> Tensor:
        """[P, num_radial] → [P, weights], in another order of the weights."""
        hidden, last = self.net[:-1](gaussians), self.net[-1]
        assert isinstance(last, nn.Linear)
        return nn.functional.linear(hidden, last.weight[order], self.offset[order])


class DepthwiseProduct(nn.Module):
    """Paths of a product to wanted degrees and to 0, their weights and places.

    Args:
        x_dims: Numbers of features of x.
        y_dims: Numbers of features of y.
        wanted: Degrees that have a number above 0 are computed.
        stored: Whether w is a parameter; otherwise it comes with the input.
    """

    order: Tensor

    def __init__(self, x_dims: Dims, y_dims: Dims, wanted: Dims, stored: bool) -> None:
        super().__init__()
        self.paths: list[Path] = [
            (l1, l2, l3)
            for l1 in DEGREES
            for l2 in DEGREES
            for l3 in range(abs(l1 - l2), min(l1 + l2, 2) + 1, 2)
            if x_dims[l1] and y_dims[l2] and (wanted[l3] or l3 == 0)
        ]
        self.shapes = {path: (x_dims[path[0]], y_dims[path[1]]) for path in self.paths}
        self.sizes = [wide * high for wide, high in self.shapes.values()]
        scalars, vectors, tensors = (
            sum(self.shapes[path][0] for path in self.to_degree(degree)) for degree in DEGREES
        )
        self.out_dims: Dims = (scalars, vectors, tensors)
        blocks = [torch.randn(wide * high) / high**0.5 for wide, high in self.shapes.values()]
        self.weight = nn.Parameter(torch.cat(blocks)) if stored else None
        places = dict(zip(self.paths, torch.arange(sum(self.sizes)).split(self.sizes), strict=True))
        by_degree = [places[path] for degree in DEGREES for path in self.to_degree(degree)]
        # weights in the order in which the results stand side by side
        self.register_buffer("order", torch.cat(by_degree), persistent=False)
        for path in self.paths:
            if 0 not in path:
                # in double precision whatever the weights are, so that none is lost by `double()`
                symbol = scaled_symbol(path).permute(2, 0, 1).flatten(1)
                self.register_buffer(_symbol_name(path), symbol, persistent=False)

    def to_degree(self, degree: int) -> list[Path]:
        """Paths whose results stand side by side."""
        return [path for path in self.paths if path[2] == degree]

    def forward(self, x: Features, y: Features) -> Features:
        """The product of P rows with P rows, by stored weights."""
        assert self.weight is not None
        matrices = {
            path: block.view(self.shapes[path])
            for path, block in zip(self.paths, self.weight.split(self.sizes), strict=True)
        }
        mixed: dict[Path, Tensor] = {}
        for degree in DEGREES:
            # one matrix product for all paths with y of this degree
            paths = [path for path in self.paths if path[1] == degree]
            if paths:
                both = y[degree] @ torch.cat([matrices[path] for path in paths]).t()
                parts = both.split([self.shapes[path][0] for path in paths], dim=-1)
                mixed |= dict(zip(paths, parts, strict=True))
        scalars, vectors, tensors = (
            joined(
                [self._join(path, x[path[0]], mixed[path]) for path in self.to_degree(degree)],
                x[0],
                degree,
            )
            for degree in DEGREES
        )
        return scalars, vectors, tensors

    def _join(self, path: Path, x: Tensor, y: Tensor) -> Tensor:
        """x [P, 2l₁ + 1, u] and y [P, 2l₂ + 1, u] → [P, 2l₃ + 1, u]."""
        if path[2] == 0:
            return (x * y).sum(1, keepdim=True) / math.sqrt(x.shape[1])
        if 0 in path:
            return x * y
        symbol = self.get_buffer(_symbol_name(path)).to(x.dtype)
        pairs = (x.unsqueeze(2) * y.unsqueeze(1)).flatten(1, 2)
        return symbol.expand(len(pairs), -1, -1) @ pairs


def _symbol_name(path: Path) -> str:
    return "symbol_" + "".join(map(str, path))


def joined(parts: list[Tensor], like: Tensor, degree: int) -> Tensor:
    """Features of a degree side by side; [P, 2l + 1, 0] for none."""
    if not parts:
        return like.new_zeros(len(like), 2 * degree + 1, 0)
    return torch.cat(parts, dim=-1) if len(parts) > 1 else parts[0]


class Separable(nn.Module):
    """Depthwise product with the attributes of a pair, then a linear map.

    Args:
        in_dims: Features of the message.
        attr_dims: Features of the attributes; None for `Directions`.
        out_dims: Features of the result.
        wanted: Degrees that the product computes.
        radial: Widths of the network whose output weighs the product; stored weights for None.

    Raises:
        ValueError: Weights by a network for attributes that are no directions.
    """

    def __init__(
        self,
        in_dims: Dims,
        attr_dims: Dims | None,
        out_dims: Dims,
        wanted: Dims,
        radial: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        if radial and attr_dims:
            raise ValueError("weights by a network are for products with directions only")
        self.dtp = DepthwiseProduct(in_dims, attr_dims or (1, 1, 1), wanted, stored=radial is None)
        self.dtp_rad = RadialWeights([*radial, sum(self.dtp.sizes)]) if radial else None
        self.lin = EquivariantLinear(self.dtp.out_dims, out_dims)

    def forward(
        self, x: Features, attr: Features | Directions, gaussians: Tensor | None = None
    ) -> tuple[Tensor, Features]:
        """The scalars of the product, [P, 1, m], and the result."""
        if isinstance(attr, Directions):
            return self._along(x, attr, gaussians)
        product = self.dtp(x, attr)
        return product[0], self.lin(product)

    def _along(
        self, x: Features, attr: Directions, gaussians: Tensor | None
    ) -> tuple[Tensor, Features]:
        """The product with directions; the degree 0 of their harmonics is 1."""
        if self.dtp_rad is not None:
            assert gaussians is not None
            weight = self.dtp_rad(gaussians, self.dtp.order).unsqueeze(1)
        else:
            assert self.dtp.weight is not None
            weight = self.dtp.weight[self.dtp.order]
        weights = weight.split(self.dtp.out_dims, dim=-1)
        s_of_v, v_of_v = (attr.of_vectors @ x[1]).split([1, 3], dim=1)
        s_of_t, v_of_t, t_of_t = (attr.of_tensors @ x[2]).split([1, 3, 5], dim=1)
        made: dict[Path, Tensor] = {
            (0, 0, 0): x[0],
            (1, 1, 0): s_of_v,
            (2, 2, 0): s_of_t,
            (1, 0, 1): x[1],
            (1, 2, 1): v_of_v,
            (2, 1, 1): v_of_t,
            (2, 0, 2): x[2],
            (2, 2, 2): t_of_t,
        }
        maps = self.lin.matrices()
        scalars = joined([made[path] for path in self.dtp.to_degree(0)], x[0], 0) * weights[0]
        out = [self.lin.biased(scalars @ maps[0])]
        for degree, late in ((1, [attr.vector]), (2, [attr.tensor, attr.to_tensors])):
            out.append(self._higher(degree, x, made, late, weights[degree], maps[degree]))
        return scalars, (out[0], out[1], out[2])

    def _higher(
        self,
        degree: int,
        x: Features,
        made: dict[Path, Tensor],
        late: list[Tensor],
        weight: Tensor,
        matrix: Tensor,
    ) -> Tensor:
        """Features of a degree above 0: paths from lower degrees, then those that are ``made``."""
        paths = self.dtp.to_degree(degree)
        lower = [path for path in paths if path[0] < degree]
        parts = [*(x[path[0]] for path in lower)]
        if len(lower) < len(paths):
            parts.append(joined([made[path] for path in paths[len(lower) :]], x[0], degree))
        sizes = [part.shape[-1] for part in parts]
        total: Tensor | None = None
        for number, (part, w, m) in enumerate(
            zip(parts, weight.split(sizes, dim=-1), matrix.split(sizes), strict=True)
        ):
            # stored weights go into the matrix, which is small
            mapped = part @ (w.unsqueeze(-1) * m) if w.dim() == 1 else (part * w) @ m
            if number < len(lower):
                turn = late[lower[number][0]]
                mapped = turn * mapped if turn.shape[-1] == 1 else turn @ mapped
            total = mapped if total is None else total + mapped
        if total is None:
            return x[0].new_zeros(len(x[0]), 2 * degree + 1, matrix.shape[1])
        return total
