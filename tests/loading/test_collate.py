"""Batches made the fast way equal those of PyG, packed or not."""

from __future__ import annotations

import pickle
from collections.abc import Sequence

import pytest
import torch
from torch_geometric.data import Batch

from hemenet_lab.graphs.build import build_graph
from hemenet_lab.graphs.graph import ProteinGraph, count_chains, count_graphs, node_batch
from hemenet_lab.graphs.view import GraphView
from hemenet_lab.loading.loader import ALIGNMENT, PackedBatch, collate
from tests.store.entries import TASKS, random_entry


def collate_packed(graphs: Sequence[ProteinGraph]) -> PackedBatch:
    """Graphs as a worker sends them."""
    return PackedBatch.of(collate(graphs))


def graphs(view=None):
    entries = [
        random_entry(1, values={"lba": 3.0}, terms={"ec": {1: [2]}}),
        random_entry(2, chains=(1,), ligand=0),
        random_entry(3, chains=(), ligand=3),
        random_entry(4, chains=(4, 1, 2)),
    ]
    return [build_graph(entry, view or GraphView(), TASKS) for entry in entries]


def assert_equal(found, expected):
    assert set(found.keys()) == set(expected.keys())
    for key in expected.keys():  # noqa: SIM118  # a Batch is no mapping
        ours, theirs = found[key], expected[key]
        if torch.is_tensor(theirs):
            assert ours.dtype == theirs.dtype, key
            assert torch.equal(ours, theirs), key
        else:
            assert ours == theirs, key


VIEWS = [GraphView(), GraphView(nodes="alpha"), GraphView(nodes="atom", k=2)]


@pytest.mark.parametrize("make", [collate, lambda some: collate_packed(some).unpack()])
@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.nodes)
def test_equals_pyg(view, make):
    for some in (graphs(view), graphs(view)[:1]):
        found, expected = make(some), Batch.from_data_list(some)
        assert_equal(found, expected)
        assert isinstance(found, ProteinGraph)
        assert type(found) is type(expected)
        assert count_graphs(found) == found.num_graphs == len(some)
        assert count_chains(found) == count_chains(expected)
        assert found.num_nodes == expected.num_nodes
        assert torch.equal(node_batch(found), expected.batch)


def test_packed_is_one_block():
    packed = collate_packed(graphs())
    arrived = pickle.loads(pickle.dumps(packed))
    assert all(start % ALIGNMENT == 0 for *_, start in arrived.layout)
    assert_equal(arrived.unpack(), collate(graphs()))
    storages = {value.untyped_storage().data_ptr() for value in arrived.tensors().values()}
    assert len(storages) == 1


def test_packed_batch_moves_and_changes_type():
    batch = PackedBatch.of(collate(graphs())).unpack()
    moved = batch.to("cpu").apply(
        lambda value: value.double() if value.is_floating_point() else value
    )
    assert moved.pos.dtype == torch.float64
    assert moved.num_graphs == 4
