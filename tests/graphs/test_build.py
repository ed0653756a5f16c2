"""Graphs of entries: every attribute of the table, in each view, alone and in batches."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch_geometric.data import Batch

from hemenet_lab.graphs.build import build_graph, view_edges
from hemenet_lab.graphs.graph import count_chains, count_graphs, node_batch
from hemenet_lab.graphs.view import GraphView
from hemenet_lab.structures import ELEMENT_CLASS_INDEX
from tests.store.entries import TASKS, make_entry, random_entry

VIEWS = [
    GraphView(),
    GraphView(nodes="alpha"),
    GraphView(nodes="atom", k=0, radius=4.5, radius_max_neighbors=9),
]


def small_entry():
    """Two residues of chain A (the second without CA), one of chain B, one ligand atom."""
    return make_entry(
        node_type=[0, 7, 20, 22],
        node_chain=[0, 0, 1, -1],
        sequence=[1, 2, 1, 0],
        slots=[np.array([0, 1, 4]), np.array([0, 2]), np.array([1]), np.array([0])],
        coords=[
            np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0]], dtype=float),
            np.array([[4, 0, 0], [5, 0, 0]], dtype=float),
            np.array([[0, 8, 0]], dtype=float),
            np.array([[3, 3, 0]], dtype=float),
        ],
        values={"lba": 6.25},
        terms={"ec": {1: [0, 3]}},
    )


def test_residue_view_by_hand():
    graph = build_graph(small_entry(), GraphView(k=1, sequence_offsets=(0, 1)), TASKS)
    carbon = ELEMENT_CLASS_INDEX["C"]
    assert graph.node_type.tolist() == [0, 7, 20, 22]
    assert graph.entity.tolist() == [0, 0, 0, 2]
    assert graph.pos.tolist() == [[1, 0, 0], [4, 0, 0], [0, 8, 0], [3, 3, 0]]
    assert graph.element.tolist() == [carbon + 1, carbon, carbon + 1, carbon]
    assert graph.coords.shape == (4, 14, 3)
    assert graph.channel_mask[0].nonzero().flatten().tolist() == [0, 1, 4]
    assert graph.coords[0, 4].tolist() == [1, 1, 0]
    assert graph.channel_type[0, :5].tolist() == [carbon, carbon + 1, 0, 0, carbon + 1]
    assert graph.coords[~graph.channel_mask].abs().sum() == 0
    assert graph.sequence_index.tolist() == [1, 2, 1, 0]
    assert graph.polymer_node.tolist() == [0, 1, 2]
    assert graph.polymer_chain.tolist() == [0, 0, 1]
    assert graph.num_chains == 2
    assert graph.chain_names == ["A", "B"]
    assert graph.entry_id == "hand"
    # nearest allowed: 0 and 1 → ligand (residues of one chain are too near), 2 → ligand (5.83)
    edges = list(zip(*graph.edge_index.tolist(), graph.edge_type.tolist(), strict=True))
    assert edges == [
        *[(3, 0, 0), (0, 0, 1)],
        *[(3, 1, 0), (1, 1, 1), (0, 1, 2)],
        *[(3, 2, 0), (2, 2, 1)],
        (0, 3, 0),
    ]


def test_labels_by_hand():
    graph = build_graph(small_entry(), GraphView(), TASKS)
    assert (graph.y_lba.tolist(), graph.mask_lba.tolist()) == ([[6.25]], [True])
    assert (graph.y_ppa.tolist(), graph.mask_ppa.tolist()) == ([[0.0]], [False])
    assert graph.y_ec.tolist() == [[0, 0, 0, 0, 0], [1, 0, 0, 1, 0]]
    assert graph.mask_ec.tolist() == [False, True]
    assert graph.y_bp.shape == (2, 6)
    assert not graph.mask_bp.any()
    assert "y_ec" not in build_graph(small_entry(), GraphView())


def test_alpha_view_keeps_residue_types_and_falls_back_to_the_first_atom():
    graph = build_graph(small_entry(), GraphView(nodes="alpha"))
    assert graph.node_type.tolist() == [0, 7, 20, 22]
    assert graph.coords[:, 0].tolist() == [[1, 0, 0], [4, 0, 0], [0, 8, 0], [3, 3, 0]]
    assert graph.channel_mask.all()
    assert graph.channel_type[:, 0].tolist() == graph.element.tolist()


def test_atom_view_by_hand():
    view = GraphView(nodes="atom", k=1, k_min_separation=0, sequence_offsets=(0, 1))
    graph = build_graph(small_entry(), view, TASKS)
    assert graph.node_type.tolist() == [0, 0, 0, 7, 7, 20, 22]
    assert graph.coords.shape == (7, 1, 3)
    assert graph.polymer_node.tolist() == [0, 1, 2, 3, 4, 5]
    assert graph.polymer_chain.tolist() == [0, 0, 0, 0, 0, 1]
    pairs = {
        kind: sorted(map(tuple, graph.edge_index[:, graph.edge_type == kind].T.tolist()))
        for kind in range(3)
    }
    # the tie of atoms 0 and 2 round atom 1 goes to the lower index
    assert pairs[0] == [(0, 1), (1, 0), (1, 2), (2, 6), (3, 4), (4, 3), (6, 5)]
    within = [(a, b) for group in ([0, 1, 2], [3, 4], [5]) for a in group for b in group]
    assert pairs[1] == sorted(within)
    assert pairs[2] == [(0, 3)]  # N of residue 1 → N of residue 2; no other slot is in both


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.nodes)
def test_attributes_have_the_documented_types(view):
    graph = build_graph(random_entry(3), view, TASKS)
    size, channels = graph.pos.shape[0], view.num_channels
    shapes = {
        **dict.fromkeys(("node_type", "element", "entity"), ((size,), torch.int64)),
        "sequence_index": ((size,), torch.int64),
        "pos": ((size, 3), torch.float32),
        "coords": ((size, channels, 3), torch.float32),
        "channel_type": ((size, channels), torch.int64),
        "channel_mask": ((size, channels), torch.bool),
        "y_ec": ((2, 5), torch.float32),
        "mask_ec": ((2,), torch.bool),
        "edge_index": ((2, graph.num_edges), torch.int64),
        "edge_type": ((graph.num_edges,), torch.int64),
    }
    for name, (shape, dtype) in shapes.items():
        assert (tuple(graph[name].shape), graph[name].dtype) == (shape, dtype), name
    assert isinstance(graph.num_chains, int)
    assert graph.num_nodes == size


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.nodes)
def test_batch_concatenates_and_shifts(view):
    entries = [random_entry(1), random_entry(2, chains=(1,), ligand=0), random_entry(3)]
    graphs = [build_graph(entry, view, TASKS) for entry in entries]
    batch = Batch.from_data_list(graphs)
    assert count_graphs(batch) == 3
    assert count_chains(batch) == 5
    assert batch.polymer_chain.max() == 4
    assert batch.y_ec.shape == (5, 5)
    assert batch.y_lba.shape == (3, 1)
    assert batch.entry_id == [entry.id for entry in entries]
    assert batch.chain_names == [["A", "B"], ["A"], ["A", "B"]]
    assert torch.equal(node_batch(batch).bincount(), torch.tensor([g.num_nodes for g in graphs]))
    start = graphs[0].num_nodes
    assert (batch.polymer_node[batch.polymer_chain == 2] == start).sum() == 1
    # edges never cross graphs, and each graph's edges are its own, shifted
    of_edge = node_batch(batch)[batch.edge_index]
    assert torch.equal(of_edge[0], of_edge[1])
    assert torch.equal(batch.edge_index[:, of_edge[0] == 1] - start, graphs[1].edge_index)
    assert torch.equal(batch.to_data_list()[2].edge_index, graphs[2].edge_index)


def test_given_edges_are_used():
    entry, view = random_entry(5), GraphView()
    index, kind = view_edges(entry, view)
    graph = build_graph(entry, view, edges=(index.astype("i4"), kind.astype("i1")))
    assert torch.equal(graph.edge_index, build_graph(entry, view).edge_index)
    assert graph.edge_index.dtype == torch.int64
