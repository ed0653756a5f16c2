"""GearNet against both published codes and against its formulas written out edge by edge."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from baselines import gearnet_layer
from baselines.gearnet import GearNet, GearNetFullAtom, GearNetStack
from baselines.gearnet_layer import RelationalConv, RelationalEdges, line_graph
from hemenet_lab.graphs.view import GraphView
from hemenet_lab.testing.checks.fixture import Fixture
from hemenet_lab.testing.checks.gearnet_layer import check
from hemenet_lab.testing.symmetry import EncoderSuite
from tests.baselines.graphs import (
    GOLDENS,
    check_bf16,
    from_config,
    parameters_without_gradient,
    protein,
)

EDGE_MODELS: list[dict[str, Any]] = [
    {"implementation": "torchdrug"},
    {"implementation": "gearnet", "layer_norm": True},
]


class TestGearNet(EncoderSuite):
    def encoder(self) -> GearNet:
        return GearNet(hidden_dim=12, num_layers=3)


class TestGearNetEdge(EncoderSuite):
    def encoder(self) -> GearNet:
        return GearNet(hidden_dim=8, num_layers=2, edge_messages=True)


class TestGearNetEdgeOfTheAuthors(EncoderSuite):
    def encoder(self) -> GearNet:
        return GearNet(8, 2, embedding_dim=8, edge_messages=True, **EDGE_MODELS[1])


class TestGearNetFullAtom(EncoderSuite):
    def encoder(self) -> GearNetFullAtom:
        return GearNetFullAtom(hidden_dim=8, num_layers=2)


def small_edges(weight: bool = False) -> RelationalEdges:
    """Seven edges of two relations between four nodes; node 3 has none."""
    source = torch.tensor([1, 2, 2, 0, 1, 0, 1])
    target = torch.tensor([0, 0, 0, 1, 1, 2, 2])
    relation = torch.tensor([0, 0, 1, 1, 0, 1, 0])
    weights = torch.linspace(0.5, 2.0, 7, dtype=torch.float64) if weight else None
    return RelationalEdges(source, target, relation, 4, 2, weights)


def slow_conv(conv: RelationalConv, h: Tensor, edges: RelationalEdges, term: Tensor) -> Tensor:
    """The relational convolution of Zhang et al. 2023, with torchdrug's self-loop."""
    rows = []
    assert conv.self_loop is not None
    for i in range(len(h)):
        sums = torch.zeros(edges.num_relations, h.shape[1], dtype=h.dtype)
        for e in range(len(edges.source)):
            if edges.target[e] == i:
                w = 1.0 if edges.weight is None else edges.weight[e]
                sums[edges.relation[e]] += w * (h[edges.source[e]] + term[e])
        rows.append(conv.linear(sums.flatten()) + conv.self_loop(h[i]))
    return torch.stack(rows).relu()


def test_published_numbers() -> None:
    fixture = Fixture.load(GOLDENS / "gearnet_layer.npz")
    comparisons = list(check(fixture))
    assert fixture.uncovered(comparisons) == []
    assert max(comparison.error for comparison in comparisons) < 1e-12


def test_published_numbers_notice_a_wrong_option() -> None:
    fixture = Fixture.load(GOLDENS / "gearnet_layer.npz")
    fixture.hyper["num_angle_bin"] -= 1
    fixture.hyper["variants"] = {"td_conv": fixture.variants["td_conv"]}
    fixture.variants["td_conv"]["kind"] = "block"
    comparisons = check(fixture)
    assert next(comparisons).error > 1e-3
    with pytest.raises(ValueError, match="variant td_conv is of kind 'block'; known: conv, model"):
        next(comparisons)


@pytest.mark.parametrize("weight", [False, True])
def test_conv_equals_the_slow_formula(weight: bool) -> None:
    torch.manual_seed(0)
    conv = RelationalConv(3, 5, 2, batch_norm=False).double()
    h, term = (torch.randn(rows, 3, dtype=torch.float64) for rows in (4, 7))
    edges = small_edges(weight)
    torch.testing.assert_close(conv(h, edges, term), slow_conv(conv, h, edges, term))


def test_conv_in_blocks_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(1)
    conv = RelationalConv(3, 5, 2).double()
    h = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    term = torch.randn(7, 3, dtype=torch.float64, requires_grad=True)
    edges, inputs = small_edges(weight=True), [h, term, *conv.parameters()]

    def run() -> list[Tensor]:
        out = conv(h, edges, term)
        return [out, *torch.autograd.grad(out.square().sum(), inputs)]

    whole = run()
    monkeypatch.setattr(gearnet_layer, "BLOCK_NUMBERS", 6)
    assert len(edges.blocks(3)) == 4
    for got, want in zip(run(), whole, strict=True):
        torch.testing.assert_close(got, want, rtol=0, atol=1e-13)


def test_blocks_share_out_targets_and_edges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gearnet_layer, "BLOCK_NUMBERS", 12)
    assert small_edges().blocks(3) == [(0, 2, 0, 5), (2, 4, 5, 7)]


def test_conv_gradient() -> None:
    torch.manual_seed(2)
    conv = RelationalConv(3, 2, 2, edge_dim=2, activation="tanh").double()
    h = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    e = torch.randn(7, 2, dtype=torch.float64, requires_grad=True)
    edges = small_edges(weight=True)
    assert torch.autograd.gradcheck(lambda h, e: conv(h, edges, e), (h, e))


@pytest.mark.parametrize("options", EDGE_MODELS)
def test_edge_model_gradient(options: dict[str, Any]) -> None:
    torch.manual_seed(3)
    stack = GearNetStack(3, [3, 2], 2, edge_dim=2, activation="tanh", **options).double()
    h = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    e = torch.randn(7, 2, dtype=torch.float64, requires_grad=True)
    pos = torch.randn(4, 3, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda h, e: stack(h, small_edges(), pos, e), (h, e))


def slow_line_graph(
    edges: RelationalEdges, pos: Tensor, num_bins: int
) -> set[tuple[int, int, int]]:
    """Every pair of edges looked at."""
    rows = set()
    for a in range(len(edges.source)):
        for b in range(len(edges.source)):
            if edges.target[a] != edges.source[b]:
                continue
            middle = pos[edges.source[b]]
            ahead, behind = pos[edges.target[b]] - middle, pos[edges.source[a]] - middle
            angle = math.atan2(torch.linalg.cross(ahead, behind).norm(), ahead @ behind)
            rows.add((a, b, min(int(num_bins * angle / math.pi), num_bins - 1)))
    return rows


def test_line_graph_equals_the_slow_one() -> None:
    generator = torch.Generator().manual_seed(4)
    source, target = torch.randint(9, (2, 40), generator=generator)
    target = target.sort().values
    pos = torch.randn(9, 3, dtype=torch.float64, generator=generator)
    edges = RelationalEdges(source, target, torch.zeros_like(source), 9, 1)
    line = line_graph(edges, pos, 8)
    got = set(zip(line.source.tolist(), line.target.tolist(), line.relation.tolist(), strict=True))
    assert got == slow_line_graph(edges, pos, 8)
    assert (line.target.diff() >= 0).all()
    assert (line.num_nodes, line.num_relations) == (40, 8)


def test_line_graph_by_hand() -> None:
    """0 → 1 → 2 straight on is 180°, 0 → 1 → 3 is 90°, 0 → 1 → 0 and the self-loop of 1 are 0°."""
    pos = torch.tensor([[0.0, 0, 0], [1, 0, 0], [2, 0, 0], [1, 1, 0]])
    source, target = torch.tensor([[1, 0, 1, 1, 1], [0, 1, 1, 2, 3]])
    line = line_graph(RelationalEdges(source, target, source * 0, 4, 1), pos, 8)
    ends = torch.stack([source[line.source], target[line.target], line.relation], dim=1)
    bins = {(start, end): angle for start, end, angle in ends.tolist()}
    assert (bins[0, 2], bins[0, 3], bins[0, 0], bins[1, 2]) == (7, 4, 0, 0)


def test_line_graph_without_edges() -> None:
    none = torch.zeros(0, dtype=torch.long)
    line = line_graph(RelationalEdges(none, none, none, 3, 1), torch.zeros(3, 3), 8)
    assert len(line.source) == len(line.relation) == 0


@pytest.mark.parametrize("options", EDGE_MODELS)
def test_every_parameter_learns_without_edges(options: dict[str, Any]) -> None:
    """As distributed training demands; a single node has no batch statistics either."""
    encoder = GearNet(8, 2, edge_messages=True, **options).train()
    graph = protein(encoder.view)
    graph.edge_index, graph.edge_type = graph.edge_index[:, :0], graph.edge_type[:0]
    assert parameters_without_gradient(encoder, graph) == []
    assert encoder(graph).isfinite().all()


def test_edge_features_by_hand() -> None:
    encoder = GearNet(8, 1, edge_messages=True, view=GraphView(nodes="alpha", k=3))
    graph = protein(encoder.view)
    graph.edge_index = torch.tensor([[0, 1, 12, len(graph.pos) - 1], [1, 0, 0, 0]])
    graph.edge_type = torch.tensor([3, 0, 0, 0])
    graph.pos[:2] = torch.tensor([[0.0, 0, 0], [0, 3, 4]])
    source, target = graph.edge_index
    edges = RelationalEdges(source, target, graph.edge_type, len(graph.pos), 6)
    features = encoder._edge_features(graph, edges)
    types, relation, steps, distance = features.split([60, 6, 11, 1], dim=1)
    assert types[0].nonzero().flatten().tolist() == [graph.node_type[0], 30 + graph.node_type[1]]
    assert relation.argmax(1).tolist() == [3, 0, 0, 0]
    step = int(graph.sequence_index[1])
    # another chain and the ligand count as far away
    assert steps.argmax(1).tolist() == [step, step, 10, 10]
    assert distance[:2, 0].tolist() == [5.0, 5.0]


@pytest.mark.parametrize("edge_messages", [True, False])
def test_element_only_hides_residue_types(edge_messages: bool) -> None:
    for element_only in (True, False):
        encoder = GearNet(8, 1, edge_messages=edge_messages, element_only=element_only).eval()
        graph, other = protein(encoder.view), protein(encoder.view)
        other.node_type, other.entity = other.node_type * 0 + 3, other.entity * 0
        assert torch.equal(encoder(graph), encoder(other)) == element_only


def test_options_shape_the_output() -> None:
    assert GearNet(8, 3).out_dim == 24
    assert GearNet(8, 3, concat_hidden=False).out_dim == 8
    graph = protein(GearNet(8, 3).view)
    assert GearNet(8, 3, concat_hidden=False)(graph).shape == (len(graph.pos), 8)


def test_wrong_options_are_refused() -> None:
    with pytest.raises(ValueError, match="implementation 'dgl'; allowed: torchdrug, gearnet"):
        GearNet(8, implementation="dgl")  # type: ignore[arg-type]  # the mistake under test
    with pytest.raises(ValueError, match="GearNetFullAtom works on nodes atom"):
        GearNetFullAtom(view=GraphView(nodes="alpha"))


@pytest.mark.parametrize("numbers", [gearnet_layer.BLOCK_NUMBERS, 1000])
def test_bf16(numbers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gearnet_layer, "BLOCK_NUMBERS", numbers)
    encoder = GearNet(16, 3, edge_messages=True).eval()
    check_bf16(encoder, protein(encoder.view))


@pytest.mark.parametrize(("name", "width"), [("gearnet", 3072), ("gearnet_fullatom", 768)])
def test_published_config(name: str, width: int) -> None:
    published = from_config(f"{name}.yaml")
    assert published.out_dim == width
    assert published.view.num_relations == 7
