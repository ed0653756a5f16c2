from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from hemenet_lab.graphs.build import build_graph
from hemenet_lab.graphs.graph import ProteinGraph
from hemenet_lab.graphs.view import GraphView
from hemenet_lab.store.entry import Entry, check_entry
from hemenet_lab.testing.moves import (
    INVERSION,
    match_nodes,
    move_graph,
    move_points,
    permute_entry,
    permute_graph,
    random_rotation,
    without_edges_of,
)
from hemenet_lab.testing.random_graphs import random_batch, random_entry, random_graph
from hemenet_lab.testing.robustness import assert_batch_independent
from tests.testing.wrong_encoders import Coupled, Sound

VIEWS = [
    GraphView(),
    GraphView(nodes="alpha", radius=10.0),
    GraphView(nodes="atom", k=0, radius=4.5, sequence_offsets=(0, 1)),
]


def move_entry(entry: Entry, rotation: Tensor | None = None, shift: Tensor | None = None) -> Entry:
    """A copy of the entry with its atoms moved, in float32: tests the making of the graph too."""
    coords = torch.from_numpy(entry.coords.astype(np.float64))
    return replace(entry, coords=move_points(coords, rotation, shift).numpy().astype(np.float32))


def edge_set(graph: ProteinGraph) -> set[tuple[int, ...]]:
    return set(map(tuple, torch.vstack([graph.edge_index, graph.edge_type]).T.tolist()))


@pytest.mark.parametrize("seed", range(5))
def test_entries_are_valid_and_protein_like(seed: int) -> None:
    entry = random_entry(seed, residues=(15, 8, 1), missing_atoms=0.0)
    check_entry(entry, ())
    residue = np.repeat(np.arange(entry.num_nodes), entry.node_atoms)
    protein = entry.node_chain[residue] >= 0
    alphas = entry.coords[(entry.atom_slot == 1) & protein]
    same_chain = np.diff(entry.node_chain[entry.node_chain >= 0]) == 0
    steps = np.linalg.norm(np.diff(alphas, axis=0), axis=1)[same_chain]
    np.testing.assert_allclose(steps, 3.8, rtol=1e-5)
    away = np.linalg.norm(entry.coords[protein] - alphas[residue[protein]], axis=1)
    assert ((away == 0) | ((away > 1.19) & (away < 3.01))).all()


def test_options() -> None:
    entry = random_entry(0, residues=(4, 1), ligand_atoms=2, missing_atoms=0.9)
    check_entry(entry, ())
    assert (entry.num_chains, entry.num_nodes) == (2, 7)
    assert entry.node_chain.tolist() == [0, 0, 0, 0, 1, -1, -1]
    assert entry.entity.tolist() == [0, 0, 0, 0, 1, 2, 2]
    assert random_entry(0).coords.tolist() == random_entry(0).coords.tolist()
    assert random_entry(0).coords.tolist() != random_entry(1).coords.tolist()
    with pytest.raises(ValueError, match="one or more"):
        random_entry(0, residues=(3, 0))


def test_rotations() -> None:
    for seed in range(5):
        rotation = random_rotation(seed)
        torch.testing.assert_close(rotation @ rotation.T, torch.eye(3, dtype=torch.float64))
        assert torch.linalg.det(rotation).item() == pytest.approx(1.0)
    assert torch.linalg.det(INVERSION).item() == -1.0


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.nodes)
def test_moved_entry_has_the_moved_graph(view: GraphView) -> None:
    """Edges are made from the moved atoms, so their making is invariant too."""
    entry, shift = random_entry(1), torch.tensor([40.0, -30.0, 10.0], dtype=torch.float64)
    graph = build_graph(entry, view)
    for rotation in (random_rotation(2), INVERSION):
        moved = build_graph(move_entry(entry, rotation, shift), view)
        assert torch.equal(moved.edge_index, graph.edge_index)
        assert torch.equal(moved.edge_type, graph.edge_type)
        want = move_graph(graph, rotation, shift)
        for name in ("pos", "coords"):
            torch.testing.assert_close(moved[name], want[name], atol=1e-4, rtol=0)


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.nodes)
def test_permuted_entry_has_the_same_graph(view: GraphView) -> None:
    entry = random_entry(2, residues=(7, 5, 6))
    graph, other = build_graph(entry, view), build_graph(permute_entry(entry, 4), view)
    order = match_nodes(graph, other)
    assert order.tolist() != sorted(order.tolist())
    for name in ("node_type", "entity", "coords", "channel_mask", "sequence_index"):
        assert torch.equal(other[name], graph[name][order])
    renamed = {(*order[[s, t]].tolist(), kind) for s, t, kind in edge_set(other)}
    assert renamed == edge_set(graph)
    names = {
        int(order[node]): other.chain_names[chain]
        for node, chain in zip(other.polymer_node, other.polymer_chain, strict=True)
    }
    assert names == {
        int(node): graph.chain_names[chain]
        for node, chain in zip(graph.polymer_node, graph.polymer_chain, strict=True)
    }


def test_permuted_labels_follow_their_chains() -> None:
    entry = random_entry(0, residues=(3, 3, 3))
    for chain in range(3):
        entry.terms.setdefault("ec", {})[chain] = np.array([chain], dtype=np.int32)
    mixed = permute_entry(entry, 1)
    assert mixed.chain_names != entry.chain_names
    for chain, name in enumerate(mixed.chain_names):
        assert mixed.terms["ec"][chain].tolist() == ["ABC".index(name)]


def test_permuted_graph() -> None:
    graph = random_graph(GraphView(), 3)
    mixed, order = permute_graph(graph, 5)
    assert torch.equal(match_nodes(graph, mixed), order)
    assert {(*order[[s, t]].tolist(), k) for s, t, k in edge_set(mixed)} == edge_set(graph)
    keys = mixed.edge_index[1] * 6 + mixed.edge_type
    assert bool((keys.diff() >= 0).all())
    assert mixed.polymer_node.tolist() == sorted(mixed.polymer_node.tolist())


def test_match_refuses_other_structures() -> None:
    graph = random_graph(GraphView(), 3)
    with pytest.raises(ValueError, match="not at the same places"):
        match_nodes(graph, move_graph(graph, shift=torch.ones(3)))


def test_without_edges() -> None:
    graph = random_graph(GraphView(), 0)
    assert 4 in graph.edge_index
    assert 4 not in without_edges_of(graph, 4).edge_index
    assert without_edges_of(graph).edge_index.shape == (2, 0)


def test_batch_independence_of_predictions() -> None:
    graphs = [random_graph(GraphView(), seed) for seed in range(3)]
    for kind, independent in ((Sound, True), (Coupled, False)):
        encoder = kind().double().eval()

        def predict(chosen: object, encoder: Sound = encoder) -> dict[str, torch.Tensor]:
            batch = type(random_batch(GraphView())).from_data_list(list(chosen))  # type: ignore
            return {"first": encoder(batch)[:, :1], "rest": encoder(batch)[:, 1:]}

        if independent:
            assert_batch_independent(predict, graphs)
        else:
            with pytest.raises(AssertionError, match="first in a batch against alone"):
                assert_batch_independent(predict, graphs)
