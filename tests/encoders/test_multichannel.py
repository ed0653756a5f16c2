"""Multi-channel geometry, piece by piece and by hand."""

from __future__ import annotations

import pytest
import torch

from hemenet_lab.encoders.multichannel import (
    centroids,
    channel_graph,
    coordinate_change,
    occupied_length,
    one_hot_channels,
    pooling_table,
    present_types,
)
from hemenet_lab.encoders.typed_distances import fold_radial, normalised_radial


def small_graph(edges, mask, types, relation=None):
    kinds = present_types(types, mask)
    channels = one_hot_channels(types, mask, kinds, torch.float64)
    edge_index = torch.tensor(edges).view(-1, 2).t()
    relation = torch.zeros(edge_index.shape[1], dtype=torch.long) if relation is None else relation
    no_attr = torch.zeros(len(relation), 0, dtype=torch.float64)
    return channel_graph(edge_index, relation, 1, channels, mask, no_attr), kinds


def test_pairs_are_unique_and_undirected():
    mask = torch.ones(3, 1, dtype=torch.bool)
    edges = [(0, 1), (1, 0), (2, 1), (1, 1), (0, 1)]
    graph, _ = small_graph(edges, mask, torch.zeros(3, 1, dtype=torch.long))
    assert torch.stack([graph.first, graph.second]).t().tolist() == [[0, 1], [1, 1], [1, 2]]
    # targets are the second node of a pair in edges 0 and 4 only; 2 → 1 ends at the first
    assert graph.pair.tolist() == [3 + 0, 0, 2, 1, 3 + 0]
    assert graph.degree.tolist() == [1, 4, 1]


def test_absent_types_are_left_out():
    types = torch.tensor([[7, 2], [2, 4]])
    mask = torch.tensor([[True, True], [True, False]])
    kinds = present_types(types, mask)
    channels = one_hot_channels(types, mask, kinds, torch.float32)
    assert kinds.tolist() == [2, 7]
    assert channels.tolist() == [[[0, 1], [1, 0]], [[1, 0], [0, 0]]]


@pytest.mark.parametrize(
    ("mask", "length"), [([1, 1, 0], 2), ([1, 0, 1], 3), ([0, 1, 0], 2), ([1, 0, 0], 1)]
)
def test_holes_count_and_padding_does_not(mask, length):
    assert occupied_length(torch.tensor([mask], dtype=torch.bool)).tolist() == [length]


def test_pooling_by_hand():
    z = torch.tensor([1.0, 2.0, 3.0, 6.0], dtype=torch.float64)
    table = pooling_table(4)
    assert (table[4] @ z).tolist() == [1, 2, 3, 6]
    assert (table[1] @ z)[0] == 3
    assert (table[3] @ z).tolist() == [1.5, 2.5, 4.5, 3]
    assert (table[2] @ z).tolist()[:2] == [2, pytest.approx(11 / 3)]
    assert pooling_table(1)[1].tolist() == [[1]]


def test_centroids_by_hand():
    coords = torch.tensor([[[1.0, 0, 0], [3, 0, 0], [99, 99, 99]]])
    mask = torch.tensor([[True, True, False]])
    assert centroids(coords, mask).tolist() == [[2, 0, 0]]
    assert centroids(coords, mask, eps=2.0).tolist() == [[1, 0, 0]]
    assert centroids(coords, ~mask & False).tolist() == [[0, 0, 0]]


def test_radial_equals_the_dense_form():
    g = torch.Generator().manual_seed(0)
    mask = torch.rand(5, 4, generator=g) < 0.8
    mask[:, 0] = True
    types = torch.randint(0, 3, (5, 4), generator=g)
    edges = [(0, 1), (1, 0), (2, 2), (3, 4)]
    graph, kinds = small_graph(edges, mask, types)
    table = torch.randn(3, 6, generator=g, dtype=torch.float64)
    coords = torch.randn(5, 4, 3, generator=g, dtype=torch.float64)
    weight = torch.randn(2, 36, generator=g, dtype=torch.float64)
    radial, factor = normalised_radial(coords, graph, table[kinds], 0.5)
    got = radial @ fold_radial(weight, table[kinds]).t()
    for e, (j, i) in enumerate(edges):
        a_i, a_j = table[types[i]][mask[i]], table[types[j]][mask[j]]
        r = a_i.T @ torch.cdist(coords[i][mask[i]], coords[j][mask[j]]) @ a_j
        torch.testing.assert_close(factor[e, 0], 1 / (r.norm() + 0.5))
        torch.testing.assert_close(got[e], weight @ r.flatten() / (r.norm() + 0.5))


def test_coordinate_change_by_hand():
    """A node of two atoms at x = 0 and 2 hears of one at x = 5 with scores 1, 2 and 4."""
    coords = torch.tensor([[[0.0, 0, 0], [2, 0, 0], [0, 0, 0]], [[5, 0, 0], [0, 0, 0], [0, 0, 0]]])
    coords = coords.double()
    mask = torch.tensor([[True, True, False], [True, False, False]])
    graph, _ = small_graph([(1, 0)], mask, torch.zeros(2, 3, dtype=torch.long))
    scores = torch.tensor([[1.0, 2.0, 4.0]], dtype=torch.float64)
    change = coordinate_change(coords, scores, graph)
    assert change[0, :2, 0].tolist() == [-5 * 1.5, -3 * 3]
    assert change[1].eq(0).all()
