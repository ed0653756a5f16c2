"""EGNN against the authors' numbers and the equations written out edge by edge."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from baselines.egnn import EGNN, EGNNLayer
from hemenet_lab.graphs.view import GraphView
from hemenet_lab.testing.checks.egnn_layer import build_layer, check
from hemenet_lab.testing.checks.fixture import Fixture
from hemenet_lab.testing.symmetry import EncoderSuite
from tests.baselines.graphs import (
    GOLDENS,
    check_bf16,
    from_config,
    parameters_without_gradient,
    protein,
    triangle,
)

OPTIONS: list[dict[str, Any]] = [
    {},
    {"attention": True},
    {"normalize": True, "coords_aggregation": "sum"},
    {"attention": True, "normalize": True, "tanh": True, "residual": False},
    {"update_coords": False},
]


class TestEGNN(EncoderSuite):
    def encoder(self) -> EGNN:
        return EGNN(16, message_dim=12)


class TestBoundedAlphaEGNN(EncoderSuite):
    def encoder(self) -> EGNN:
        options = {"attention": True, "normalize": True, "tanh": True, "relation_dim": 4}
        return EGNN(16, message_dim=12, view=GraphView(nodes="alpha"), **options)


def slow_layer(
    layer: EGNNLayer, options: dict[str, Any], h: Tensor, x: Tensor, edges: Tensor, a: Tensor
) -> tuple[Tensor, Tensor]:
    """Satorras et al. 2021, Eq. 3-6."""
    new_h, new_x = [], []
    for i in range(len(h)):
        total, moves = torch.zeros(layer.edge_mlp[-2].out_features, dtype=h.dtype), []
        for e, (j, target) in enumerate(edges.T.tolist()):
            if target != i:
                continue
            d = x[i] - x[j]
            m = layer.edge_mlp(torch.cat([h[i], h[j], (d @ d)[None], a[e]]))
            if options.get("attention"):
                m = m * torch.sigmoid(layer.att_mlp[0](m))
            total = total + m
            if layer.coord_mlp is not None:
                scale = layer.coord_mlp(m)
                scale = torch.tanh(scale) if options.get("tanh") else scale
                d = d / (d.norm() + 1e-8) if options.get("normalize") else d
                moves.append(d * scale)
        move = sum(moves, torch.zeros(3, dtype=x.dtype))
        if options.get("coords_aggregation", "mean") == "mean":
            move = move / max(len(moves), 1)
        update = layer.node_mlp(torch.cat([h[i], total]))
        new_h.append(update + h[i] if options.get("residual", True) else update)
        new_x.append(x[i] + move)
    return torch.stack(new_h), torch.stack(new_x)


def random_layer(options: dict[str, Any]) -> tuple[EGNNLayer, tuple[Tensor, ...]]:
    """A layer whose nodes do move, and inputs h, x, edge_index, edge_attr."""
    torch.manual_seed(7)
    layer = EGNNLayer(3, 5, edge_dim=2, **options).double()
    if layer.coord_mlp is not None:
        torch.nn.init.normal_(layer.coord_mlp[-1].weight)
    graph = triangle()
    h, a = (torch.randn(n, w, dtype=torch.float64) for n, w in ((4, 3), (5, 2)))
    return layer, (h, graph.pos, graph.edge_index, a)


def test_authors_numbers() -> None:
    fixture = Fixture.load(GOLDENS / "egnn_layer.npz")
    comparisons = list(check(fixture))
    assert fixture.uncovered(comparisons) == []
    assert max(comparison.error for comparison in comparisons) < 1e-12


def test_authors_numbers_notice_a_wrong_option() -> None:
    fixture = Fixture.load(GOLDENS / "egnn_layer.npz")
    fixture.variants["plain"]["residual"] = False
    fixture.variants["att_norm_tanh_sum"]["coords_agg"] = "mean"
    errors = {(c.variant, c.quantity): c.error for c in check(fixture)}
    assert errors["plain", "h"] > 1e-3
    assert errors["att_norm_tanh_sum", "coords"] > 1e-3
    assert errors["attention", "h"] < 1e-12


@pytest.mark.parametrize("options", OPTIONS)
def test_layer_equals_the_slow_formula(options: dict[str, Any]) -> None:
    layer, inputs = random_layer(options)
    for got, want in zip(layer(*inputs), slow_layer(layer, options, *inputs), strict=True):
        torch.testing.assert_close(got, want, rtol=0, atol=1e-12)


def test_layer_follows_the_hyperparameters_of_a_fixture() -> None:
    options = {"input_nf": 4, "hidden_nf": 5, "output_nf": 6, "edges_in_d": 0, "attention": False}
    options |= {"normalize": True, "tanh": False, "residual": False, "coords_agg": "sum"}
    layer = build_layer({**options, "activation": "ReLU", "epsilon": 1.0})
    assert layer.epsilon == 1.0
    assert [type(module).__name__ for module in layer.node_mlp] == ["Linear", "ReLU", "Linear"]
    graph = triangle()
    h, x = layer(torch.ones(4, 4, dtype=torch.float64), graph.pos, graph.edge_index)
    assert (h.shape, x.shape) == ((4, 6), (4, 3))


@pytest.mark.parametrize("options", OPTIONS)
def test_layer_gradient(options: dict[str, Any]) -> None:
    layer, (h, x, edge_index, a) = random_layer({**options, "normalize": False})
    inputs = [value.clone().requires_grad_() for value in (h, x, a)]
    torch.autograd.gradcheck(lambda h, x, a: layer(h, x, edge_index, a), inputs)


def test_normalize_passes_no_gradient_through_the_length() -> None:
    layer, (h, x, edge_index, a) = random_layer({"normalize": True})
    x = x.clone().requires_grad_()
    (moved,) = torch.autograd.grad(layer(h, x, edge_index, a)[1].sum(), x)
    lengths = (x[edge_index[1]] - x[edge_index[0]]).norm(dim=1).detach()

    def with_fixed_lengths(x: Tensor) -> Tensor:
        source, target = edge_index
        d = x[target] - x[source]
        message = layer._messages(h, d, edge_index, a)
        moves = layer.coord_mlp(message) * d / (lengths + 1e-8)[:, None]
        total = torch.zeros_like(x).index_add(0, target, moves)
        return (x + total / torch.tensor([2.0, 2.0, 1.0, 1.0], dtype=x.dtype)[:, None]).sum()

    want = torch.autograd.functional.jacobian(with_fixed_lengths, x.detach())
    torch.testing.assert_close(moved, want)


def test_wrong_options_are_refused() -> None:
    with pytest.raises(ValueError, match="residual needs equal widths, got 3 and 4"):
        EGNNLayer(3, 5, 4)
    with pytest.raises(ValueError, match="coords_aggregation is 'max'; allowed: mean, sum"):
        EGNNLayer(3, 5, coords_aggregation="max")
    with pytest.raises(ValueError, match="EGNN works on nodes alpha or atom"):
        EGNN(view=GraphView(nodes="residue"))


def test_last_layer_moves_nodes_only_if_asked() -> None:
    """So that no parameter is left without a gradient."""
    for nodes in ("atom", "alpha"):
        view = GraphView(nodes=nodes)
        graph = protein(view)
        plain = EGNN(16, message_dim=8, attention=True, relation_dim=4, view=view)
        assert parameters_without_gradient(plain, graph) == []
        moving = EGNN(16, message_dim=8, final_coords=True, view=view)
        idle = parameters_without_gradient(moving, graph)
        assert idle == [name for name, _ in moving.named_parameters() if "layers.2.coord" in name]


def test_nodes_hardly_move_at_the_start() -> None:
    torch.manual_seed(8)
    encoder = EGNN(16, message_dim=8)
    graph = protein(encoder.view)
    moved = (encoder.equivariant(graph).positions["coords"] - graph.pos).abs().max()
    assert 0 < moved < 0.05


def test_relation_changes_messages_if_asked() -> None:
    view = GraphView(nodes="alpha")
    graph, other = protein(view), protein(view)
    other.edge_type = 5 - other.edge_type
    blind, seeing = EGNN(16, view=view), EGNN(16, relation_dim=4, view=view)
    assert torch.equal(blind(graph), blind(other))
    assert not torch.allclose(seeing(graph), seeing(other))


def test_deep_stack_is_bounded() -> None:
    """With large weights, normalize and tanh keep the moves below 1 Å per layer; without, not."""
    moves = {}
    for bounded in (True, False):
        torch.manual_seed(9)
        encoder = EGNN(16, num_layers=20, message_dim=16, normalize=bounded, tanh=bounded)
        for layer in encoder.layers[:-1]:
            torch.nn.init.normal_(layer.coord_mlp[-1].weight, std=20.0)
        graph = protein(encoder.view)
        coords = encoder.equivariant(graph).positions["coords"]
        moves[bounded] = (coords - graph.pos).norm(dim=1).max().item()
        assert not bounded or encoder(graph).isfinite().all()
    assert moves[True] <= 20
    assert not moves[False] < 1000


def test_bf16() -> None:
    encoder = EGNN(32, message_dim=16)
    graph = protein(encoder.view)
    check_bf16(encoder, graph)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert encoder.equivariant(graph).positions["coords"].dtype == torch.float32


def test_published_config() -> None:
    published = from_config("egnn.yaml")
    assert (published.out_dim, len(published.layers)) == (256, 3)
    assert published.layers[0].edge_mlp[0].weight.shape == (64, 513)
