"""GCN against the dense formula of the paper."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch_geometric.nn import GCNConv

from baselines.common.features import edge_lengths
from baselines.gcn import GCN
from hemenet_lab.graphs.graph import ProteinGraph
from hemenet_lab.graphs.view import GraphView
from hemenet_lab.testing.symmetry import EncoderSuite
from tests.baselines.graphs import (
    check_bf16,
    from_config,
    parameters_without_gradient,
    protein,
    triangle,
)


class TestGCN(EncoderSuite):
    def encoder(self) -> GCN:
        return GCN(16, edge_weight="distance")


class TestResidueGCN(EncoderSuite):
    def encoder(self) -> GCN:
        return GCN(16, edge_weight="none", view=GraphView())


def dense_adjacency(graph: ProteinGraph, weighted: bool) -> Tensor:
    """D^-½ (A + I) D^-½ [N, N] with D_ii = 1 + Σ_j A_ij, row = target (Kipf and Welling, Eq. 2)."""
    adjacency = torch.eye(len(graph.pos), dtype=torch.float64)
    for source, target in graph.edge_index.T.tolist():
        length = (graph.pos[source] - graph.pos[target]).norm()
        if source != target:
            adjacency[target, source] += length if weighted else 1.0
    scale = adjacency.sum(1) ** -0.5
    return scale[:, None] * adjacency * scale[None, :]


def dense_gcn(encoder: GCN, graph: ProteinGraph) -> Tensor:
    adjacency = dense_adjacency(graph, encoder.edge_weight == "distance")
    h = encoder.embedding(graph)
    for convolution, norm in zip(encoder.convolutions, encoder.norms, strict=True):
        h = norm(h + (adjacency @ h @ convolution.lin.weight.T + convolution.bias).relu())
    return h


@pytest.mark.parametrize("edge_weight", ["none", "distance"])
def test_equals_the_dense_formula(edge_weight: str) -> None:
    torch.manual_seed(1)
    encoder = GCN(6, num_layers=3, edge_weight=edge_weight).double()
    for convolution in encoder.convolutions:
        torch.nn.init.normal_(convolution.bias)
    for graph in (triangle(), protein(encoder.view, dtype=torch.float64)):
        torch.testing.assert_close(encoder(graph), dense_gcn(encoder, graph), rtol=0, atol=1e-12)


def test_equals_the_convolution_that_makes_its_own_norm() -> None:
    torch.manual_seed(2)
    encoder = GCN(6, num_layers=1, edge_weight="distance").double()
    own = GCNConv(6, 6).double()
    own.load_state_dict(encoder.convolutions[0].state_dict())
    graph = protein(encoder.view, dtype=torch.float64)
    h = encoder.embedding(graph)
    want = encoder.norms[0](h + own(h, graph.edge_index, edge_lengths(graph)).relu())
    torch.testing.assert_close(encoder(graph), want, rtol=0, atol=1e-13)


def test_dense_adjacency_by_hand() -> None:
    """Atom 0 has degree 1 + 1.5 + √4.25, atom 1 has 1 + 1.5 + √6.5, atom 3 has 1."""
    matrix = dense_adjacency(triangle(), weighted=True)
    zero, one = 1 + 1.5 + 4.25**0.5, 1 + 1.5 + 6.5**0.5
    assert matrix[0, 1].item() == pytest.approx(1.5 / (zero * one) ** 0.5)
    assert matrix[0, 0].item() == pytest.approx(1 / zero)
    assert matrix[2, 0] == 0
    assert matrix[3].tolist() == [0, 0, 0, 1]


def test_each_layer_sees_the_layer_before() -> None:
    """The released baseline fails this: all its layers but the last are without effect."""
    encoder = GCN(6, num_layers=3).double()
    before = encoder(triangle())
    torch.nn.init.zeros_(encoder.convolutions[0].lin.weight)
    assert not torch.allclose(encoder(triangle()), before)


def test_self_loops_of_the_view_change_nothing() -> None:
    encoder = GCN(6, edge_weight="distance").double()
    graph, looped = triangle(), triangle()
    loops = torch.tensor([[0, 1, 0], [0, 1, 0]])
    looped.edge_index = torch.cat([loops, looped.edge_index], dim=1)
    looped.edge_type = torch.cat([torch.zeros(3, dtype=torch.long), looped.edge_type])
    torch.testing.assert_close(encoder(looped), encoder(graph))


def test_gradient() -> None:
    encoder = GCN(3, num_layers=2, edge_weight="distance").double()
    graph = triangle()

    def features(pos: Tensor) -> Tensor:
        graph.pos = pos
        return encoder(graph)

    torch.autograd.gradcheck(features, graph.pos.clone().requires_grad_())


def test_another_edge_weight_is_refused() -> None:
    with pytest.raises(ValueError, match="edge_weight is 'length'; allowed: none, distance"):
        GCN(4, edge_weight="length")  # type: ignore[arg-type]  # the mistake under test


@pytest.mark.parametrize("nodes", ["residue", "alpha", "atom"])
def test_views(nodes: str) -> None:
    view = GraphView(nodes=nodes)
    encoder = GCN(8, view=view)
    graph = protein(view)
    assert encoder(graph).shape == (graph.num_nodes, 8)
    assert parameters_without_gradient(encoder, graph) == []


def test_bf16() -> None:
    encoder = GCN(32, edge_weight="distance")
    check_bf16(encoder, protein(encoder.view))


def test_published_config() -> None:
    published = from_config("gcn.yaml")
    assert (published.out_dim, len(published.convolutions)) == (256, 3)
