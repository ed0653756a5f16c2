"""Edges against hand-made answers and against plain loops on random structures."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from hemenet_lab.graphs.build import view_edges
from hemenet_lab.graphs.edges import NodeArrays, build_edges
from hemenet_lab.graphs.view import GraphView
from tests.graphs.slow_edges import slow_edges
from tests.store.entries import make_entry, random_entry

NO_SEQUENCE: tuple[int, ...] = ()


def points(coords, chain, sequence, atom_node=None, slot=None):
    coords = np.array(coords, dtype=np.float32)
    return NodeArrays(
        coords=np.c_[coords, np.zeros((len(coords), 3 - coords.shape[1]))].astype(np.float32),
        atom_node=np.arange(len(coords)) if atom_node is None else np.array(atom_node),
        chain=np.array(chain),
        sequence_index=np.array(sequence),
        slot=None if slot is None else np.array(slot),
    )


def edge_list(nodes, view):
    index, kind = build_edges(nodes, view)
    return list(zip(index[1].tolist(), kind.tolist(), index[0].tolist(), strict=True))


def test_nearest_is_chosen_among_allowed_pairs():
    # a line of five residues, 1 Å apart; with a separation of 2 the next one never counts
    nodes = points([[0], [1], [2], [3], [4]], [0] * 5, range(5))
    view = GraphView(k=1, k_min_separation=2, sequence_offsets=NO_SEQUENCE)
    assert edge_list(nodes, view) == [(0, 0, 2), (1, 0, 3), (2, 0, 0), (3, 0, 1), (4, 0, 2)]


def test_separation_does_not_count_between_chains_nor_for_ligands():
    nodes = points([[0], [1], [2.5], [4.5]], [0, 0, 1, -1], [1, 2, 2, 0])
    view = GraphView(k=2, k_min_separation=5, sequence_offsets=NO_SEQUENCE)
    assert edge_list(nodes, view) == [
        *[(0, 0, 2), (0, 0, 3)],
        *[(1, 0, 2), (1, 0, 3)],
        *[(2, 0, 1), (2, 0, 3)],
        *[(3, 0, 1), (3, 0, 2)],
    ]


def test_distance_is_the_smallest_between_atoms():
    # node 1's first atom is far from node 0, its second one is the nearest of all
    nodes = points([[0], [9], [1], [2]], [-1, -1, -1], [0, 0, 0], atom_node=[0, 1, 1, 2])
    view = GraphView(k=1, sequence_offsets=NO_SEQUENCE)
    assert edge_list(nodes, view) == [(0, 0, 1), (1, 0, 0), (2, 0, 1)]


def test_fewer_allowed_nodes_than_k():
    nodes = points([[0], [1], [300]], [0, 0, 1], [1, 2, 1])
    view = GraphView(k=7, k_min_separation=5, sequence_offsets=NO_SEQUENCE)
    assert edge_list(nodes, view) == [(0, 0, 2), (1, 0, 2), (2, 0, 0), (2, 0, 1)]


def test_single_node_has_its_self_loop_only():
    assert edge_list(points([[0]], [0], [1]), GraphView()) == [(0, 3, 0)]
    assert edge_list(points([[0]], [-1], [0]), GraphView()) == []


def test_ties_go_to_the_lower_index():
    nodes = points([[0, 0], [1, 0], [0, 1], [-1, 0]], [-1] * 4, [0] * 4)
    edges = edge_list(nodes, GraphView(k=2, sequence_offsets=NO_SEQUENCE))
    assert [edge for edge in edges if edge[0] == 0] == [(0, 0, 1), (0, 0, 2)]


def test_radius_relation_keeps_the_nearest():
    nodes = points([[0], [1], [1.9], [4]], [0] * 4, [1, 2, 3, 4])
    view = GraphView(k=0, radius=2.0, sequence_offsets=NO_SEQUENCE)
    assert edge_list(nodes, view) == [
        (0, 0, 1),
        (0, 0, 2),
        (1, 0, 0),
        (1, 0, 2),
        (2, 0, 0),
        (2, 0, 1),
    ]
    one = GraphView(k=0, radius=2.0, radius_max_neighbors=1, sequence_offsets=NO_SEQUENCE)
    assert edge_list(nodes, one) == [(0, 0, 1), (1, 0, 2), (2, 0, 1)]
    apart = GraphView(k=0, radius=2.0, radius_min_separation=2, sequence_offsets=NO_SEQUENCE)
    assert edge_list(nodes, apart) == [(0, 0, 2), (2, 0, 0)]


def test_radius_is_exclusive():
    nodes = points([[0], [2]], [-1, -1], [0, 0])
    assert edge_list(nodes, GraphView(k=0, radius=2.0, sequence_offsets=NO_SEQUENCE)) == []


def test_sequence_relations_stop_at_gaps_and_chain_ends():
    # chain 0: positions 1, 2, 4; chain 1: positions 4, 5; a ligand atom at position 0
    nodes = points([[float(i)] for i in range(6)], [0, 0, 0, 1, 1, -1], [1, 2, 4, 4, 5, 0])
    view = GraphView(k=0, sequence_offsets=(2, -1, 1, 0))
    names = view.relations
    assert names == ("sequence-1", "sequence+0", "sequence+1", "sequence+2")
    edges = edge_list(nodes, view)
    assert [(t, s) for t, kind, s in edges if kind == 0] == [(0, 1), (3, 4)]
    assert [(t, s) for t, kind, s in edges if kind == 1] == [(i, i) for i in range(5)]
    assert [(t, s) for t, kind, s in edges if kind == 2] == [(1, 0), (4, 3)]
    assert [(t, s) for t, kind, s in edges if kind == 3] == [(2, 1)]


def test_order_is_target_relation_source():
    edges = edge_list(
        *random_nodes(4),
    )
    assert edges == sorted(edges)
    assert len(set(edges)) == len(edges)


def random_nodes(seed, nodes="residue"):
    entry = random_entry(seed)
    view = GraphView(nodes=nodes)
    return to_nodes(entry, view), view


def to_nodes(entry, view):
    """The arrays that `view_edges` builds, made here by loops."""
    rows = []
    atom = 0
    for node, count in enumerate(entry.node_atoms.tolist()):
        held = list(range(atom, atom + count))
        atom += count
        if view.nodes == "alpha":
            alpha = [a for a in held if entry.atom_slot[a] == 1 and entry.node_chain[node] >= 0]
            held = (alpha or held)[:1]
        rows += [(node, a) for a in held]
    node, atoms = np.array(rows).T
    per_atom = view.nodes == "atom"
    return NodeArrays(
        coords=entry.coords[atoms],
        atom_node=np.arange(len(atoms)) if per_atom else node,
        chain=(entry.node_chain[node] if per_atom else entry.node_chain).astype(np.int64),
        sequence_index=(entry.sequence_index[node] if per_atom else entry.sequence_index).astype(
            np.int64
        ),
        slot=entry.atom_slot.astype(np.int64) if per_atom else None,
    )


VIEWS = [
    GraphView(),
    GraphView(nodes="alpha"),
    GraphView(k=30, k_min_separation=0, sequence_offsets=NO_SEQUENCE),
    GraphView(k=3, k_min_separation=2, radius=6.0, radius_max_neighbors=4, sequence_offsets=(0, 3)),
    GraphView(k=0, radius=9.0, radius_min_separation=5, sequence_offsets=(0,)),
    GraphView(nodes="alpha", k=10, radius=10.0),
    GraphView(nodes="atom", k=0, radius=4.5, radius_max_neighbors=9, sequence_offsets=NO_SEQUENCE),
    GraphView(nodes="atom", k=9, k_min_separation=1, sequence_offsets=(-1, 0, 1)),
    GraphView(k_filter="after"),
    GraphView(nodes="atom", k_filter="after", radius=4.5, atom_offsets="all_pairs"),
]
SHAPES = {
    "complex": {"chains": (9, 6), "ligand": 4},
    "one residue": {"chains": (1,), "ligand": 0},
    "one-residue chains": {"chains": (1, 1, 8, 1), "ligand": 1},
    "ligand only": {"chains": (), "ligand": 6},
    "gaps": {"chains": (14,), "ligand": 0, "missing": 0.6},
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("view", VIEWS, ids=range(len(VIEWS)))
def test_equals_plain_loops(view, shape):
    for seed in range(2):
        entry = random_entry(seed, **SHAPES[shape])
        index, kind = view_edges(entry, view)
        found = list(zip(index[1].tolist(), kind.tolist(), index[0].tolist(), strict=True))
        assert found == slow_edges(to_nodes(entry, view), view)


def test_a_filter_afterwards_costs_neighbours():
    """Of three residues in a row and one far along the chain, the near ones take both places."""
    nodes = points([[0], [1], [2], [9]], chain=[0, 0, 0, 0], sequence=[0, 1, 2, 8])
    few = {"k": 2, "k_min_separation": 5, "sequence_offsets": NO_SEQUENCE}
    before = edge_list(nodes, GraphView(**few))
    after = edge_list(nodes, GraphView(**few, k_filter="after"))
    assert before == [(0, 0, 3), (1, 0, 3), (2, 0, 3), (3, 0, 1), (3, 0, 2)]
    assert after == [(3, 0, 1), (3, 0, 2)]


def test_offsets_join_all_pairs_of_atoms():
    """Two residues of two atoms each, of slots 0, 1 and 0, 2."""
    nodes = points([[0], [1], [5], [6]], chain=[0] * 4, sequence=[0, 0, 1, 1], slot=[0, 1, 0, 2])
    view = {"nodes": "atom", "k": 0, "sequence_offsets": (1,)}
    assert edge_list(nodes, GraphView(**view)) == [(2, 0, 0)]
    every = edge_list(nodes, GraphView(**view, atom_offsets="all_pairs"))
    assert every == [(2, 0, 0), (2, 0, 1), (3, 0, 0), (3, 0, 1)]


@pytest.mark.parametrize("name", ["k_filter", "atom_offsets"])
def test_later_settings_are_checked_and_leave_old_keys(name):
    with pytest.raises(ValueError, match=f"view {name} 'never'; allowed: "):
        GraphView(**{name: "never"})
    assert GraphView().key() == "0ca97051c10b"
    assert GraphView(k_filter="after").key() != GraphView().key()
    assert GraphView(atom_offsets="all_pairs").key() != GraphView().key()


def test_isolated_nodes_find_their_neighbours_far_away():
    entry = random_entry(7, chains=(8, 5), ligand=2)
    entry.coords[:3] += 250.0
    view = GraphView()
    index, kind = view_edges(entry, view)
    found = list(zip(index[1].tolist(), kind.tolist(), index[0].tolist(), strict=True))
    assert found == slow_edges(to_nodes(entry, view), view)


def test_reference_notices_a_wrong_neighbour():
    nodes, view = random_nodes(1)
    moved = NodeArrays(
        nodes.coords + 3.0 * (nodes.atom_node == 2)[:, None].astype(np.float32),
        nodes.atom_node,
        nodes.chain,
        nodes.sequence_index,
    )
    assert edge_list(moved, view) != slow_edges(nodes, view)


def test_no_table_of_all_pairs_is_made():
    """30,000 far-apart residues: a table of all pairs would need 3.6 GB at least."""
    count = 30_000
    rng = np.random.default_rng(0)
    nodes = points(rng.uniform(0, 300.0, (count, 3)), [0] * count, range(count))
    tracemalloc.start()
    build_edges(nodes, GraphView(nodes="alpha"))
    assert tracemalloc.get_traced_memory()[1] < 400e6
    tracemalloc.stop()


def test_two_atoms_of_a_node_are_never_neighbours():
    entry = make_entry(
        [0, 0], [0, 1], [1, 1], [np.array([0, 1])] * 2, [np.zeros((2, 3)), np.ones((2, 3))]
    )
    index, _ = view_edges(entry, GraphView(sequence_offsets=NO_SEQUENCE))
    assert index.tolist() == [[1, 0], [0, 1]]
