"""Node features and edge lengths that the baselines share."""

from __future__ import annotations

import torch

from baselines.common.features import ATOM_VIEW, NodeEmbedding, edge_lengths
from hemenet_lab.graphs.view import GraphView
from tests.baselines.graphs import hand_graph, protein, triangle


def test_sum_of_three_tables() -> None:
    graph = triangle()
    embedding = NodeEmbedding(5)
    assert embedding.node_type is not None
    assert embedding.entity is not None
    want = [
        embedding.element.weight[i % 9]
        + embedding.node_type.weight[i * 7 % 30]
        + embedding.entity.weight[i % 3]
        for i in range(4)
    ]
    torch.testing.assert_close(embedding(graph), torch.stack(want))


def test_element_only_ignores_residue_and_entity() -> None:
    graph, other = triangle(), triangle()
    other.node_type = other.node_type.flip(0)
    other.entity = other.entity.flip(0)
    blind, seeing = NodeEmbedding(5, element_only=True), NodeEmbedding(5)
    assert torch.equal(blind(graph), blind(other))
    assert not torch.equal(seeing(graph), seeing(other))
    assert [name for name, _ in blind.named_parameters()] == ["element.weight"]


def test_unit_variance_at_the_start() -> None:
    torch.manual_seed(0)
    graph = protein(ATOM_VIEW)
    for element_only in (False, True):
        std = NodeEmbedding(4096, element_only)(graph).std(dim=1)
        assert (std - 1).abs().max() < 0.1


def test_works_in_every_view() -> None:
    for nodes in ("residue", "alpha", "atom"):
        graph = protein(GraphView(nodes=nodes))
        assert NodeEmbedding(3)(graph).shape == (graph.num_nodes, 3)


def test_edge_lengths_by_hand() -> None:
    graph = hand_graph([[0, 0, 0], [3, 4, 0], [3, 4, 12]], [(0, 1), (0, 2), (2, 1)])
    want = torch.tensor([5.0, 13.0, 12.0], dtype=torch.float64)
    torch.testing.assert_close(edge_lengths(graph), want)


def test_edge_of_length_zero_has_a_finite_gradient() -> None:
    graph = hand_graph([[0, 0, 0], [0, 0, 0]], [(0, 1), (0, 0)])
    graph.pos.requires_grad_()
    edge_lengths(graph).sum().backward()
    assert torch.equal(graph.pos.grad, torch.zeros(2, 3, dtype=torch.float64))


def test_published_graph_has_nine_neighbours_within_radius() -> None:
    graph = protein(ATOM_VIEW)
    assert torch.bincount(graph.edge_index[1], minlength=graph.num_nodes).max() <= 9
    assert edge_lengths(graph).max() <= 4.5
