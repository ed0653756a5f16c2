"""GAT against attention written out edge by edge."""

from __future__ import annotations

import math
from typing import Literal

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines import gat
from baselines.common import LoopedEdges, lengths_between
from baselines.gat import GAT, EdgeFeatures, attention, told_of_edges
from hemenet_lab.graphs.graph import ProteinGraph
from hemenet_lab.graphs.view import GraphView
from hemenet_lab.nn import Gathering
from hemenet_lab.testing.symmetry import EncoderSuite
from tests.baselines.graphs import (
    check_bf16,
    from_config,
    hand_graph,
    parameters_without_gradient,
    protein,
    triangle,
)

Kind = Literal["gatv2", "gat"]


class TestGATv2(EncoderSuite):
    def encoder(self) -> GAT:
        return GAT(16)


class TestResidueGAT(EncoderSuite):
    def encoder(self) -> GAT:
        return GAT(16, heads=1, conv="gat", max_distance=12.0, view=GraphView())


def score(layer: nn.Module, kind: Kind, h: Tensor, j: int, i: int, edge: Tensor | None) -> Tensor:
    """Attention score of the edge j → i for every head, [heads]."""
    heads = layer.heads
    if kind == "gatv2":  # Brody et al., Eq. 7: a · LeakyReLU(W [h_i, h_j, e])
        inner = layer.lin_l(h[j]) + layer.lin_r(h[i])
        inner = inner if edge is None else inner + layer.lin_edge(edge)
        return (layer.att[0] * F.leaky_relu(inner, 0.2).view(heads, -1)).sum(-1)
    # Veličković et al., Eq. 3: LeakyReLU(a · [W h_i, W h_j, W_e e])
    total = (layer.att_src[0] * layer.lin(h[j]).view(heads, -1)).sum(-1)
    total = total + (layer.att_dst[0] * layer.lin(h[i]).view(heads, -1)).sum(-1)
    if edge is not None:
        total = total + (layer.att_edge[0] * layer.lin_edge(edge).view(heads, -1)).sum(-1)
    return F.leaky_relu(total, 0.2)


def slow_attention(
    layer: nn.Module, kind: Kind, h: Tensor, edge_index: Tensor, features: Tensor | None
) -> Tensor:
    rows = []
    for i in range(len(h)):
        incoming = [e for e in range(edge_index.shape[1]) if edge_index[1, e] == i]
        sources = [int(edge_index[0, e]) for e in incoming]
        edges = [None if features is None else features[e] for e in incoming]
        scores = [score(layer, kind, h, j, i, e) for j, e in zip(sources, edges, strict=True)]
        weights = torch.stack(scores).softmax(0)  # [edges, heads]
        value = layer.lin_l if kind == "gatv2" else layer.lin
        values = torch.stack([value(h[j]).view(layer.heads, -1) for j in sources])
        rows.append((weights[:, :, None] * values).sum(0).flatten() + layer.bias)
    return torch.stack(rows)


def slow_gat(encoder: GAT, kind: Kind, graph: ProteinGraph) -> Tensor:
    known = LoopedEdges(encoder.view.num_relations).tensors(graph)
    edge_index, relation = torch.stack([known["row"], known["group"]]), known["relation"]
    length = lengths_between(graph, *edge_index)
    features = None
    if encoder.edge_features is not None:
        features = encoder.edge_features(length, relation)
    h = encoder.embedding(graph)
    for layer, norm in zip(encoder.attentions, encoder.norms, strict=True):
        h = norm(h + F.elu(slow_attention(layer, kind, h, edge_index, features)))
    return h


@pytest.mark.parametrize("kind", ["gatv2", "gat"])
@pytest.mark.parametrize("edge_features", [True, False])
def test_equals_the_slow_formula(kind: Kind, edge_features: bool) -> None:
    torch.manual_seed(2)
    encoder = GAT(8, 2, heads=2, conv=kind, edge_features=edge_features).double()
    for layer in encoder.attentions:
        nn.init.normal_(layer.bias)
    got, want = encoder(triangle()), slow_gat(encoder, kind, triangle())
    torch.testing.assert_close(got, want, rtol=0, atol=1e-12)


def test_self_loops_by_hand() -> None:
    graph = hand_graph([[0, 0, 0], [3, 4, 0]], [(0, 0), (1, 0), (1, 1)])
    known = LoopedEdges(1).tensors(graph)
    edges = torch.stack([known["row"], known["group"]])
    assert edges.T.tolist() == [[1, 0], [0, 0], [1, 1]]
    assert lengths_between(graph, *edges).tolist() == [5, 0, 0]
    assert known["relation"].tolist() == [0, 1, 1]


@pytest.mark.parametrize("kind", ["gatv2", "gat"])
@pytest.mark.parametrize("edge_features", [True, False])
@pytest.mark.parametrize("heads", [1, 2])
def test_equals_the_layer_of_pyg_with_its_gradients(
    kind: Kind, edge_features: bool, heads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gat, "BLOCK", 7)
    torch.manual_seed(5)
    encoder = GAT(8, 1, heads=heads, conv=kind, edge_features=edge_features).double()
    layer = encoder.attentions[0]
    nn.init.normal_(layer.bias)
    known = LoopedEdges(6).tensors(protein(encoder.view, dtype=torch.float64))
    entries = Gathering(*(known[name] for name in Gathering._fields))
    h = torch.randn(int(entries.row.max()) + 1, 8, dtype=torch.float64, requires_grad=True)
    features = torch.randn(len(entries.row), 32, dtype=torch.float64, requires_grad=True)
    edge_index = torch.stack([entries.row, entries.group])
    given = features if edge_features else None
    inputs = [h, *([features] if edge_features else []), *layer.parameters()]
    told = told_of_edges([layer], features)[0] if edge_features else None
    got, want = attention(layer, h, entries, told), layer(h, edge_index, given)
    torch.testing.assert_close(got, want, rtol=0, atol=1e-12)
    gradients = (torch.autograd.grad(x.pow(3).sum(), inputs) for x in (got, want))
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


def test_edge_features_by_hand() -> None:
    """Gaussians at 0, 2 and 4 Å with width 2 Å, then the row of the relation."""
    features = EdgeFeatures(2, num_gaussians=3, relation_dim=2, max_distance=4.0).double()
    got = features(torch.tensor([2.0], dtype=torch.float64), torch.tensor([1]))
    side = math.exp(-0.5)
    assert got[0, :3].tolist() == pytest.approx([side, 1.0, side])
    assert torch.equal(got[0, 3:], features.relation.weight[1])


def test_attention_sees_distances_only_with_edge_features() -> None:
    moved = triangle()
    moved.pos[1, 0] += 0.4
    for edge_features, same in ((True, False), (False, True)):
        torch.manual_seed(3)
        encoder = GAT(8, edge_features=edge_features).double()
        assert torch.allclose(encoder(moved), encoder(triangle())) is same


def test_each_layer_sees_the_layer_before() -> None:
    encoder = GAT(8, num_layers=3).double()
    before = encoder(triangle())
    nn.init.zeros_(encoder.attentions[0].lin_l.weight)
    assert not torch.allclose(encoder(triangle()), before)


def test_gradient() -> None:
    torch.manual_seed(4)
    encoder = GAT(4, num_layers=2, heads=2, num_gaussians=4, relation_dim=2).double()
    graph = triangle()

    def features(pos: Tensor) -> Tensor:
        graph.pos = pos
        return encoder(graph)

    torch.autograd.gradcheck(features, graph.pos.clone().requires_grad_())


def test_heads_must_divide_dim() -> None:
    with pytest.raises(ValueError, match="hidden_dim is 10, which is not a multiple of heads, 4"):
        GAT(10, heads=4)


def test_another_convolution_is_refused() -> None:
    with pytest.raises(ValueError, match="conv is 'gatv3'; allowed: gatv2, gat"):
        GAT(8, conv="gatv3")  # type: ignore[arg-type]  # the mistake under test


@pytest.mark.parametrize("nodes", ["residue", "alpha", "atom"])
@pytest.mark.parametrize("edge_features", [True, False])
def test_views(nodes: str, edge_features: bool) -> None:
    view = GraphView(nodes=nodes)
    encoder = GAT(8, view=view, edge_features=edge_features)
    graph = protein(view)
    assert encoder(graph).shape == (graph.num_nodes, 8)
    assert parameters_without_gradient(encoder, graph) == []


@pytest.mark.parametrize("kind", ["gatv2", "gat"])
def test_bf16(kind: Kind) -> None:
    encoder = GAT(32, conv=kind)
    check_bf16(encoder, protein(encoder.view))


def test_published_config() -> None:
    published = from_config("gat.yaml")
    assert (published.out_dim, len(published.attentions)) == (256, 3)
