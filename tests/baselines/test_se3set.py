"""SE3Set against the authors' numbers, and its hypergraph by hand."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import pytest
import torch
from torch import Tensor

from baselines.se3set import attention
from baselines.se3set.attention import FACTORS, HypergraphAttention, MemberPairs, SE3SetOptions
from baselines.se3set.encoder import SE3Set, member_pairs, memberships
from hemenet_lab.graphs.view import GraphView
from hemenet_lab.testing.checks.fixture import Fixture
from hemenet_lab.testing.checks.se3set_attention import check, dims_of, pack, unpack
from hemenet_lab.testing.symmetry import EncoderSuite
from tests.baselines.graphs import (
    GOLDENS,
    check_bf16,
    from_config,
    hand_graph,
    parameters_without_gradient,
    protein,
)
from tests.baselines.test_irreps import random_features

SMALL = {"num_layers": 2, "num_heads": 2, "mlp_ratio": 2, "num_radial": 6, "radial_dims": (8, 8)}
ATOMS = GraphView(nodes="atom", k=3, k_min_separation=0, sequence_offsets=())


class TestSE3Set(EncoderSuite):
    def encoder(self) -> SE3Set:
        return SE3Set(8, 4, 2, **SMALL)


class TestAtomSE3SetOfLinearMessages(EncoderSuite):
    def encoder(self) -> SE3Set:
        return SE3Set(8, 4, 2, nonlinear_message=False, view=ATOMS, **SMALL)


# --- published numbers ---------------------------------------------------------------------------


def golden() -> Fixture:
    return Fixture.load(GOLDENS / "se3set_attention.npz")


def test_authors_numbers() -> None:
    fixture = golden()
    comparisons = list(check(fixture))
    assert fixture.uncovered(comparisons) == []
    assert {c.key for c in comparisons} >= set(fixture.keys("extra/w3j/"))
    assert max(comparison.error for comparison in comparisons) < 1e-12


def test_authors_numbers_notice_another_factor() -> None:
    """The exact second moments are not those that the original estimates by sampling."""
    fixture = golden()
    fixture.meta["second_moment_factor"]["silu"] = FACTORS[0]
    errors = {(c.variant, c.quantity): c.error for c in check(fixture)}
    assert errors["att_nonlinear", "he"] > 1e-6
    assert errors["att_linear", "he"] < 1e-12


@pytest.mark.parametrize(
    ("place", "name", "value", "match"),
    [
        ("hyper", "norm_layer", "graph", "norm_layer is 'graph'; the layer has 'layer' only"),
        ("hyper", "irreps", "4x1o+8x0e", r"irreps 4x1o\+8x0e; .* once and in order"),
        ("hyper", "irreps", "8x0e+4x1e", r"irreps 8x0e\+4x1e; the layer has 0e, 1o, 2e"),
        ("block", "use_he_scalar", True, "use_he_scalar is True; the layer has False only"),
        ("rbf", "kind", "bessel", "of kind 'bessel'; known: rbf, att, block"),
    ],
)
def test_options_that_the_layer_lacks_are_refused(
    place: str, name: str, value: object, match: str
) -> None:
    fixture = golden()
    (fixture.hyper if place == "hyper" else fixture.variants[place])[name] = value
    with pytest.raises(ValueError, match=match):
        list(check(fixture))


def test_flat_features() -> None:
    dims = dims_of("3x0e+2x1o")
    assert dims == (3, 2, 0)
    flat = torch.arange(18.0).view(2, 9)
    assert unpack(flat, dims)[1][0].T.tolist() == [[3, 4, 5], [6, 7, 8]]
    assert torch.equal(pack(unpack(flat, dims)), flat)


def normal_second_moment(values: Tensor, z: Tensor) -> float:
    weight = (-0.5 * z.square()).exp()
    return float((values.square() * weight).sum() / weight.sum())


def test_factors_keep_the_second_moment_of_normal_numbers() -> None:
    z = torch.linspace(-12, 12, 100_001, dtype=torch.float64)
    leaky = 0.6 * z + 0.4 * z * (2 * z.sigmoid() - 1)
    for values, factor in zip((z * z.sigmoid(), z.sigmoid(), leaky), FACTORS, strict=True):
        assert normal_second_moment(factor * values, z) == pytest.approx(1, abs=1e-9)


# --- hypergraph ----------------------------------------------------------------------------------


def test_a_hyperedge_is_a_node_with_its_neighbours() -> None:
    """Edges 1 → 0 (twice), 2 → 0 and 0 → 2; node 3 has none."""
    graph = hand_graph(
        [[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [9, 9, 9]], [(1, 0), (1, 0), (2, 0), (0, 2)]
    )
    hyperedge, node = memberships(graph)
    members = [(0, 0), (0, 1), (0, 2), (1, 1), (2, 0), (2, 2), (3, 3)]
    assert list(zip(hyperedge.tolist(), node.tolist(), strict=True)) == members


def test_pairs_join_the_members_of_each_hyperedge() -> None:
    hyperedge = torch.tensor([0, 0, 0, 1, 3, 3])
    source, receiver = member_pairs(hyperedge, 4)
    pairs = set(zip(source.tolist(), receiver.tolist(), strict=True))
    assert pairs == {*permutations((0, 1, 2), 2), (4, 5), (5, 4)}
    assert len(source) == len(pairs)
    assert (receiver.diff() >= 0).all()


# --- layers --------------------------------------------------------------------------------------

OPTIONS = SE3SetOptions((4, 2, 2), 2, (2, 1, 1), (4, 2, 2), 3, (4,))


def small_pairs() -> MemberPairs:
    """Five pairs to three receivers, the last of four without any."""
    gaussians = torch.rand(5, 3, dtype=torch.float64)
    receiver = torch.tensor([0, 0, 1, 2, 2])
    steps = torch.randn(5, 3, dtype=torch.float64)
    return MemberPairs(torch.tensor([1, 2, 0, 0, 3]), receiver, steps, gaussians)


@pytest.mark.parametrize("nonlinear", [True, False])
def test_attention_in_blocks_is_the_same(nonlinear: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    options = replace(OPTIONS, nonlinear=nonlinear)
    layer = HypergraphAttention(options, None, with_source=True).double()
    x, y = random_features(4, options.dims), random_features(4, options.dims, 1)
    pairs = small_pairs()
    torch.nn.init.normal_(layer.proj.bias)

    def run() -> list[Tensor]:
        out = pack(layer(x, y, pairs))
        return [out, *torch.autograd.grad(out.square().sum(), list(layer.parameters()))]

    whole = run()
    monkeypatch.setattr(attention, "CHUNK", 2)
    for got, want in zip(run(), whole, strict=True):
        torch.testing.assert_close(got, want, rtol=0, atol=1e-12)
    # a receiver without pairs has the bias alone
    assert layer.proj.bias is not None
    assert torch.equal(whole[0][3, :4], layer.proj.bias)
    assert not whole[0][3, 4:].any()


def test_attention_gradient() -> None:
    torch.manual_seed(1)
    layer = HypergraphAttention(OPTIONS, None, with_source=True).double()
    pairs = small_pairs()
    x, y = (pack(random_features(4, OPTIONS.dims, seed)).requires_grad_() for seed in (2, 3))

    def run(x: Tensor, y: Tensor) -> Tensor:
        return pack(layer(unpack(x, OPTIONS.dims), unpack(y, OPTIONS.dims), pairs))

    assert torch.autograd.gradcheck(run, (x, y), fast_mode=True)


def test_gradient_of_positions() -> None:
    torch.manual_seed(2)
    encoder = SE3Set(4, 2, 2, **{**SMALL, "num_layers": 1}).double()
    graph = protein(encoder.view, dtype=torch.float64)

    def features(pos: Tensor) -> Tensor:
        graph.pos = pos
        return encoder(graph)

    start = graph.pos.clone().requires_grad_()
    assert torch.autograd.gradcheck(features, start, fast_mode=True)


# --- encoder -------------------------------------------------------------------------------------


def test_no_idle_parameters_and_bf16() -> None:
    encoder = SE3Set(16, 8, 4, **SMALL)
    graph = protein(encoder.view)
    assert parameters_without_gradient(encoder, graph) == []
    assert all(parameter.grad.any() for parameter in encoder.parameters())
    check_bf16(encoder, graph)


def test_wrong_options_are_refused() -> None:
    with pytest.raises(ValueError, match=r"num_heads is 4, .* \(8, 4, 2\); change one of them"):
        SE3Set(8, 4, 2, num_heads=4)
    with pytest.raises(ValueError, match="SE3Set works on nodes alpha or atom"):
        SE3Set(view=GraphView(nodes="residue"))


def test_config_has_the_blocks_of_the_md22_models() -> None:
    published = from_config("se3set.yaml")
    assert isinstance(published, SE3Set)
    assert (published.dims, len(published.blocks), published.out_dim) == ((128, 64, 32), 6, 224)
