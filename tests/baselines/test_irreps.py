"""Symmetry of the maps between scalars, vectors and tensors, and their numbers by hand."""

from __future__ import annotations

import math
from itertools import product

import pytest
import torch
from torch import Tensor

from baselines.se3set.irreps import (
    Dims,
    EquivariantLinear,
    EquivariantNorm,
    Features,
    Gate,
    quadratic_forms,
    spherical_harmonics,
    take,
    three_j,
)
from baselines.se3set.product import DepthwiseProduct, DirectionMaps, Separable
from hemenet_lab.testing.moves import random_rotation

DIMS: Dims = (3, 2, 2)
SYMBOLS = [
    degrees
    for degrees in product(range(3), repeat=3)
    if sum(degrees) % 2 == 0 and abs(degrees[0] - degrees[1]) <= degrees[2] <= sum(degrees[:2])
]


def turn_matrices(rotation: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What a rotation (or reflection) does to the components of each degree."""
    forms = quadratic_forms()
    turned = rotation.T @ forms @ rotation
    # Q_m of the turned direction, as a mixture of all five
    mixture = torch.einsum("mab,nab->mn", turned, forms) / forms.square().sum((1, 2))
    return torch.ones(1, 1, dtype=torch.float64), rotation, mixture


def turned(x: Features, rotation: Tensor) -> Features:
    scalars, vectors, tensors = (
        matrix @ part for part, matrix in zip(x, turn_matrices(rotation), strict=True)
    )
    return scalars, vectors, tensors


def random_features(rows: int, dims: Dims, seed: int = 0) -> Features:
    generator = torch.Generator().manual_seed(seed)
    draw = {"generator": generator, "dtype": torch.float64}
    return (
        torch.randn(rows, 1, dims[0], **draw),
        torch.randn(rows, 3, dims[1], **draw),
        torch.randn(rows, 5, dims[2], **draw),
    )


def assert_equal(got: Features, want: Features) -> None:
    for one, other in zip(got, want, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


ROTATION = random_rotation(0)
REFLECTION = -random_rotation(1)


@pytest.mark.parametrize("move", [ROTATION, REFLECTION], ids=["rotation", "reflection"])
def test_harmonics_turn_with_the_direction(move: Tensor) -> None:
    step = torch.randn(6, 3, dtype=torch.float64)
    assert_equal(spherical_harmonics(step @ move.T), turned(spherical_harmonics(step), move))


def test_harmonics_by_hand() -> None:
    scalar, vector, tensor = spherical_harmonics(torch.tensor([[0.0, 2, 0], [3, 0, 3], [0, 0, 0]]))
    assert scalar.flatten().tolist() == [1, 1, 1]
    assert vector[:2].square().sum(1).flatten().tolist() == pytest.approx([3, 3])
    root = math.sqrt(5)
    assert tensor[0].flatten().tolist() == pytest.approx([0, 0, root, 0, 0])
    # xz = 1/2 and x² = z² = 1/2
    assert tensor[1].flatten().tolist() == pytest.approx([root * 3**0.5 / 2, 0, -root / 2, 0, 0])
    assert not vector[2].any()
    assert not tensor[2].any()


@pytest.mark.parametrize("degrees", SYMBOLS, ids=str)
def test_symbols_are_invariant_and_of_norm_one(degrees: tuple[int, int, int]) -> None:
    symbol = three_j(*degrees)
    matrices = turn_matrices(REFLECTION)
    moved = torch.einsum("abc,xa,yb,zc->xyz", symbol, *(matrices[degree] for degree in degrees))
    torch.testing.assert_close(moved, symbol, rtol=0, atol=1e-12)
    assert symbol.norm().item() == pytest.approx(1)


def test_symbols_by_hand() -> None:
    """Two vectors make their dot product over √3; their first tensor part is xz."""
    assert torch.equal(three_j(1, 1, 0).squeeze(-1), torch.eye(3).double() / math.sqrt(3))
    tensor = three_j(1, 1, 2)[..., 0]
    assert tensor[0, 2].item() == tensor[2, 0].item() == pytest.approx(math.sqrt(0.1))
    assert tensor.count_nonzero() == 2
    assert torch.equal(three_j(2, 1, 1), three_j(1, 1, 2).permute(2, 0, 1))


def slow_product(layer: DepthwiseProduct, x: Features, y: Features, weight: Tensor) -> Features:
    """Number by number; ``weight`` [P, all paths]."""
    found: list[list[Tensor]] = [[], [], []]
    first = 0
    for l1, l2, l3 in layer.paths:
        symbol, out = (
            three_j(l1, l2, l3),
            torch.zeros(len(x[0]), 2 * l3 + 1, x[l1].shape[2]).double(),
        )
        for u, v in product(range(x[l1].shape[2]), range(y[l2].shape[2])):
            for a, b, c in symbol.nonzero().tolist():
                term = weight[:, first] * symbol[a, b, c] * x[l1][:, a, u] * y[l2][:, b, v]
                out[:, c, u] += math.sqrt(2 * l3 + 1) * term
            first += 1
        found[l3].append(out)
    scalars, vectors, tensors = (
        torch.cat(parts, dim=2) if parts else torch.zeros(len(x[0]), 2 * degree + 1, 0).double()
        for degree, parts in enumerate(found)
    )
    return scalars, vectors, tensors


@pytest.mark.parametrize("x_dims", [DIMS, (3, 2, 0), (3, 0, 0)], ids=str)
@pytest.mark.parametrize("y_dims", [(2, 1, 2), (2, 2, 0)], ids=str)
def test_product_with_features_equals_the_slow_one(x_dims: Dims, y_dims: Dims) -> None:
    torch.manual_seed(2)
    layer = Separable(x_dims, y_dims, (2, 3, 4), x_dims).double()
    x, y = random_features(4, x_dims), random_features(4, y_dims, 1)
    assert layer.dtp.weight is not None
    want = slow_product(layer.dtp, x, y, layer.dtp.weight.expand(4, -1))
    scalars, got = layer(x, y)
    torch.testing.assert_close(scalars, want[0], rtol=0, atol=1e-12)
    assert_equal(got, layer.lin(want))
    assert tuple(part.shape[2] for part in want) == layer.dtp.out_dims


@pytest.mark.parametrize("wanted", [DIMS, (1, 1, 0), (1, 0, 1), (1, 0, 0)], ids=str)
@pytest.mark.parametrize("x_dims", [DIMS, (3, 2, 0), (3, 0, 2), (3, 0, 0)], ids=str)
@pytest.mark.parametrize("stored", [True, False])
def test_product_with_directions_equals_the_slow_one(
    stored: bool, x_dims: Dims, wanted: Dims
) -> None:
    torch.manual_seed(2)
    layer = Separable(x_dims, None, (2, 3, 4), wanted, None if stored else [5, 4]).double()
    torch.nn.init.normal_(layer.lin.bias)
    x, gaussians = random_features(4, x_dims), torch.randn(4, 5, dtype=torch.float64)
    step = torch.randn(4, 3, dtype=torch.float64)
    step[2] = 0
    if layer.dtp_rad is None:
        assert layer.dtp.weight is not None
        weight = layer.dtp.weight.expand(4, -1)
    else:
        weight = layer.dtp_rad(gaussians, torch.arange(sum(layer.dtp.sizes)))
    want = slow_product(layer.dtp, x, spherical_harmonics(step), weight)
    scalars, got = layer(x, DirectionMaps()(step), gaussians)
    torch.testing.assert_close(scalars, want[0], rtol=0, atol=1e-12)
    assert_equal(got, layer.lin(want))


def test_product_computes_wanted_degrees_and_scalars() -> None:
    """Of 3 scalars, 2 vectors, 2 tensors with one of each: 3 + 2 + 2 scalars, no vectors."""
    assert DepthwiseProduct(DIMS, (1, 1, 1), (0, 0, 1), True).out_dims == (7, 0, 9)
    assert DepthwiseProduct((3, 0, 0), (1, 1, 0), (0, 1, 0), True).out_dims == (3, 3, 0)


def test_weights_by_a_network_need_directions() -> None:
    with pytest.raises(ValueError, match="for products with directions only"):
        Separable(DIMS, (1, 2, 1), DIMS, DIMS, [5, 4])


@pytest.mark.parametrize("move", [ROTATION, REFLECTION], ids=["rotation", "reflection"])
def test_layers_commute_with_moves(move: Tensor) -> None:
    torch.manual_seed(3)
    x, y = random_features(5, DIMS), random_features(5, (1, 2, 1), 1)
    gate, norm = Gate(DIMS, (1.0, 1.0)), EquivariantNorm(DIMS).double()
    multiply = Separable(DIMS, (1, 2, 1), gate.in_dims, DIMS).double()
    for layer in (norm, multiply.lin):
        for parameter in layer.parameters():
            torch.nn.init.normal_(parameter)

    def run(x: Features, y: Features) -> Features:
        return gate(multiply(norm(x), y)[1])

    assert_equal(run(turned(x, move), turned(y, move)), turned(run(x, y), move))


def test_norm_by_hand() -> None:
    """Scalars 1 and 3 are centred to ∓1; vectors (3, 4, 0) and 0 have the mean square 25/6."""
    norm = EquivariantNorm((2, 2, 0)).double()
    torch.nn.init.constant_(norm.affine_bias, 0.5)
    scalars = torch.tensor([[[1.0, 3.0]]]).double()
    vectors = torch.tensor([[[3.0, 0], [4, 0], [0, 0]]]).double()
    got = norm((scalars, vectors, torch.zeros(1, 5, 0).double()))
    assert got[0].flatten().tolist() == pytest.approx([-0.5, 1.5], abs=1e-5)
    size = (6 / 25) ** 0.5
    assert got[1][0, :, 0].tolist() == pytest.approx([3 * size, 4 * size, 0], abs=1e-5)
    assert got[2].shape == (1, 5, 0)


def test_linear_by_hand() -> None:
    """Weights lie degree by degree, and row by row with a row per input."""
    linear = EquivariantLinear((2, 1, 0), (1, 2, 0)).double()
    with torch.no_grad():
        linear.weight.copy_(torch.tensor([1.0, 10, 2, 3]))
        assert linear.bias is not None
        linear.bias.fill_(0.5)
    x = random_features(3, (2, 1, 0))
    got = linear(x)
    torch.testing.assert_close(got[0], x[0][..., :1] + 10 * x[0][..., 1:] + 0.5)
    torch.testing.assert_close(got[1], torch.cat([2 * x[1], 3 * x[1]], dim=2))


def test_rows() -> None:
    x = random_features(4, DIMS)
    assert torch.equal(take(x, torch.tensor([2, 0]))[1], x[1][[2, 0]])
