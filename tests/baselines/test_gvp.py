"""GVP against gvp-pytorch and against its formulas written out edge by edge."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from baselines import gvp_layer
from baselines.gvp import GVP
from baselines.gvp_layer import GVPConv, GVPConvLayer, VectorPerceptron, drop_pair
from hemenet_lab.graphs.view import GraphView
from hemenet_lab.testing.checks.fixture import Fixture
from hemenet_lab.testing.checks.gvp_layer import check
from hemenet_lab.testing.invariance import assert_invariant
from hemenet_lab.testing.moves import INVERSION
from hemenet_lab.testing.random_graphs import random_batch
from hemenet_lab.testing.symmetry import EncoderSuite
from tests.baselines.graphs import (
    GOLDENS,
    check_bf16,
    from_config,
    parameters_without_gradient,
    protein,
)

RESIDUES = GraphView(nodes="residue", k=6, k_min_separation=0, sequence_offsets=())
ATOMS = GraphView(nodes="atom", k=0, radius=4.5, radius_max_neighbors=9, sequence_offsets=())


class AtomGVP(GVP):
    """The atom view uses nothing that sees handedness."""

    symmetry = "E(3)"


class TestGVP(EncoderSuite):
    def encoder(self) -> GVP:
        return GVP(12, 2, vector_dim=4, edge_dim=6, view=RESIDUES)


class TestGVPWithoutGate(EncoderSuite):
    def encoder(self) -> GVP:
        return GVP(12, 1, vector_dim=4, edge_vector_dim=2, vector_gate=False, view=RESIDUES)


class TestAtomGVP(EncoderSuite):
    def encoder(self) -> GVP:
        return AtomGVP(12, 2, vector_dim=4, edge_dim=6, view=ATOMS)


def test_published_numbers() -> None:
    fixture = Fixture.load(GOLDENS / "gvp_layer.npz")
    comparisons = list(check(fixture))
    assert fixture.uncovered(comparisons) == []
    assert max(comparison.error for comparison in comparisons) < 1e-12


def test_published_numbers_notice_a_wrong_option() -> None:
    fixture = Fixture.load(GOLDENS / "gvp_layer.npz")
    fixture.variants["gvp_gate"]["activations"] = ["relu", "sigmoid"]
    errors = {(c.variant, c.quantity): c.error for c in check(fixture)}
    assert errors["gvp_gate", "v"] > 1e-3
    assert errors["gvp_nogate", "v"] < 1e-12
    fixture.hyper["norm_clamp"] = 1e-4
    with pytest.raises(
        ValueError, match=r"norm_clamp 0.0001: squared lengths are clamped at 1e-08"
    ):
        next(check(fixture))


def slow_conv(conv: GVPConv, s: Tensor, v: Tensor, edges: Tensor, edge: tuple) -> tuple:
    """The mean of GVPs of [source, edge, target], edge by edge."""
    out_s, out_v = torch.zeros_like(s), torch.zeros_like(v)
    for i in range(len(s)):
        incoming = [e for e in range(edges.shape[1]) if edges[1, e] == i]
        for e in incoming:
            j = edges[0, e]
            message = (torch.cat([s[j], edge[0][e], s[i]]), torch.cat([v[j], edge[1][e], v[i]]))
            for perceptron in conv.message_func:
                message = perceptron(message)
            out_s[i] += message[0] / len(incoming)
            out_v[i] += message[1] / len(incoming)
    return out_s, out_v


def conv_inputs() -> tuple[Tensor, ...]:
    """s, v, edge_index, edge_s, edge_v of four nodes, the last one without incoming edges."""
    torch.manual_seed(0)
    edges = torch.tensor([[1, 2, 0, 3, 0, 2], [0, 0, 1, 1, 2, 2]])
    shapes = ((4, 3), (4, 2, 3), (6, 2), (6, 1, 3))
    s, v, edge_s, edge_v = (torch.randn(*shape, dtype=torch.float64) for shape in shapes)
    return s, v, edges, edge_s, edge_v


def test_conv_equals_the_slow_formula(monkeypatch: pytest.MonkeyPatch) -> None:
    s, v, edges, *edge = conv_inputs()
    conv = GVPConv((3, 2), (2, 1), 3, (F.relu, None), True).double()
    want = slow_conv(conv, s, v, edges, tuple(edge))
    for chunk in (100, 2):
        monkeypatch.setattr(gvp_layer, "CHUNK", chunk)
        for got, correct in zip(conv((s, v), edges, tuple(edge)), want, strict=True):
            torch.testing.assert_close(got, correct)


def test_gradients_in_chunks_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    s, v, edges, *edge = conv_inputs()
    conv = GVPConv((3, 2), (2, 1), 2, (F.relu, None), True).double()
    grads = []
    for chunk in (100, 2):
        monkeypatch.setattr(gvp_layer, "CHUNK", chunk)
        out = conv((s, v), edges, tuple(edge))
        loss = out[0].square().sum() + out[1].square().sum()
        grads.append(torch.autograd.grad(loss, list(conv.parameters())))
    for one, other in zip(*grads, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("gate", [True, False])
def test_layer_gradient(gate: bool) -> None:
    s, v, edges, *edge = conv_inputs()
    torch.manual_seed(1)
    activations = (torch.tanh, None if gate else torch.sigmoid)
    layer = GVPConvLayer((3, 2), (2, 1), activations=activations, vector_gate=gate, dropout=0.0)
    layer.double()
    inputs = [value.requires_grad_() for value in (s, v, *edge)]
    assert torch.autograd.gradcheck(
        lambda s, v, a, b: layer((s, v), edges, (a, b)), inputs, fast_mode=True
    )


def test_dropout_takes_whole_vectors() -> None:
    torch.manual_seed(2)
    s, v = drop_pair((torch.ones(50, 4), torch.ones(50, 4, 3)), 0.5, training=True)
    assert set(s.unique().tolist()) == set(v.unique().tolist()) == {0.0, 2.0}
    assert torch.equal(v, v[..., :1].expand_as(v))
    s, v = drop_pair((torch.ones(5, 4), torch.ones(5, 4, 3)), 0.5, training=False)
    assert bool((s == 1).all() and (v == 1).all())


def test_perceptron_without_vectors() -> None:
    gvp = VectorPerceptron((3, 0), (4, 2))
    s, v = gvp((torch.ones(5, 3), torch.zeros(5, 0, 3)))
    assert (s.shape, v.shape) == ((5, 4), (5, 2, 3))
    assert not v.any()


def test_residue_view_sees_handedness() -> None:
    """So the SE(3) of the declaration is no mere caution."""
    encoder = GVP(12, 1, vector_dim=4, view=RESIDUES).double().eval()
    with pytest.raises(AssertionError):
        assert_invariant(encoder, random_batch(RESIDUES), INVERSION, None, 1e-6, "features")


def test_radial_range_follows_the_view() -> None:
    assert GVP(8, 1, view=RESIDUES).radial_max == 20.0
    assert GVP(8, 1, view=GraphView(nodes="atom", radius=6.0)).radial_max == 6.0
    assert GVP(8, 1, radial_max=9.0, view=ATOMS).radial_max == 9.0


def published_weights(encoder: GVP) -> dict[str, Tensor]:
    """Random weights under the names of gvp-pytorch's ``MQAModel``."""
    names = {"embed_nodes.": "W_v.", "embed_edges.": "W_e.", "out.": "W_out.", "layers.": "layers."}
    weights = {}
    for name, value in encoder.state_dict().items():
        for mine, theirs in names.items():
            if name.startswith(mine):
                weights[theirs + name.removeprefix(mine)] = torch.randn_like(value)
    weights["W_v.1.dummy_param"] = torch.empty(0)
    weights["W_s.weight"] = torch.randn(20, 20)
    weights["dense.0.weight"] = torch.randn(2, 2)
    return weights


def test_published_weights_load() -> None:
    encoder = GVP(12, 2, vector_dim=4, vector_gate=False, view=RESIDUES)
    weights = published_weights(encoder)
    encoder.load_gvp_pytorch(weights)
    mine = encoder.state_dict()
    for name, published in (
        ("layers.1.conv.message_func.0.wh.weight", "layers.1.conv.message_func.0.wh.weight"),
        ("embed_nodes.1.ws.weight", "W_v.1.ws.weight"),
        ("embed_edges.0.scalar_norm.bias", "W_e.0.scalar_norm.bias"),
        ("out.1.ws.bias", "W_out.1.ws.bias"),
    ):
        assert torch.equal(mine[name], weights[published])
    graph = protein(RESIDUES)
    known = graph.node_type < 20
    want = weights["W_s.weight"][graph.node_type[known]]
    assert torch.equal(encoder.embedding(graph)[known], want)


def test_weights_that_do_not_fit_are_refused() -> None:
    encoder = GVP(12, 2, vector_dim=4, vector_gate=False, view=RESIDUES)
    weights = published_weights(encoder)
    with pytest.raises(ValueError, match=r"do not fit GVP\(hidden_dim=12\): .*layers.1.conv"):
        GVP(12, 1, vector_dim=4, vector_gate=False, view=RESIDUES).load_gvp_pytorch(weights)
    with pytest.raises(ValueError, match=r"layers.0.*wsv.*give the encoder the widths"):
        GVP(12, 2, vector_dim=4, view=RESIDUES).load_gvp_pytorch(weights)
    weights["W_v.1.ws.weight"] = torch.zeros(3, 3)
    with pytest.raises(ValueError, match=r"do not fit .*embed_nodes.1.ws.weight missing"):
        encoder.load_gvp_pytorch(weights)
    blind = GVP(12, 2, vector_dim=4, vector_gate=False, element_only=True, view=RESIDUES)
    before = {name: value.clone() for name, value in blind.state_dict().items()}
    with pytest.raises(ValueError, match="W_s needs residue types as input"):
        blind.load_gvp_pytorch(published_weights(blind))
    assert all(torch.equal(value, before[name]) for name, value in blind.state_dict().items())
    table = {"W_s.weight": torch.zeros(21, 20)}
    with pytest.raises(ValueError, match=r"W_s has shape \(21, 20\); .* the 20 residues"):
        encoder.load_gvp_pytorch(published_weights(encoder) | table)


@pytest.mark.parametrize("view", [RESIDUES, ATOMS])
@pytest.mark.parametrize("gate", [True, False])
def test_no_idle_parameters(view: GraphView, gate: bool) -> None:
    encoder = GVP(8, 1, vector_dim=2, vector_gate=gate, view=view)
    assert parameters_without_gradient(encoder, protein(view)) == []


def test_wrong_options_are_refused() -> None:
    with pytest.raises(ValueError, match="vector_dim is 0; it must be 1 or more"):
        GVP(vector_dim=0)
    with pytest.raises(ValueError, match="GVP works on nodes residue or atom"):
        GVP(view=GraphView(nodes="alpha"))


@pytest.mark.parametrize("chunk", [gvp_layer.CHUNK, 20])
def test_bf16(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gvp_layer, "CHUNK", chunk)
    encoder = GVP(16, 2, vector_dim=4, view=RESIDUES).eval()
    check_bf16(encoder, protein(RESIDUES))


def test_published_config() -> None:
    published = from_config("gvp.yaml")
    assert isinstance(published, GVP)
    assert (published.out_dim, len(published.layers)) == (128, 3)
