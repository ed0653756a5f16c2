"""GVP's node and edge features against angles and directions worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from baselines.common.features import node_chain, present_neighbor, sequence_neighbor
from baselines.gvp import (
    dihedral,
    dihedral_features,
    direction_features,
    positional_features,
    radial_features,
)
from hemenet_lab.graphs.graph import ProteinGraph
from hemenet_lab.graphs.view import GraphView
from hemenet_lab.testing.moves import permute_graph
from tests.baselines.graphs import protein


def residues(chains: list[list[int]], seed: int = 0) -> ProteinGraph:
    """Residues with all backbone atoms at random places; chains are lists of positions."""
    generator = torch.Generator().manual_seed(seed)
    positions = [position for chain in chains for position in chain]
    n = len(positions)
    graph = ProteinGraph()
    graph.coords = torch.randn(n, 14, 3, dtype=torch.float64, generator=generator) * 3
    graph.channel_mask = torch.arange(14).expand(n, 14) < 5
    graph.pos = graph.coords[:, 1]
    graph.sequence_index = torch.tensor(positions)
    graph.polymer_node = torch.arange(n)
    graph.polymer_chain = torch.tensor([c for c, chain in enumerate(chains) for _ in chain])
    return graph


@pytest.mark.parametrize("degrees", [0.0, 60.0, -60.0, 135.0, 180.0])
def test_dihedral_by_hand(degrees: float) -> None:
    """Looking along b → c, the angle counts clockwise from a to d (IUPAC)."""
    angle = math.radians(degrees)
    a, b, c = ([1.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 2.0])
    d = [math.cos(angle), math.sin(angle), 3.0]
    points = (torch.tensor(point, dtype=torch.float64) for point in (a, b, c, d))
    want = torch.tensor([math.cos(angle), math.sin(angle)], dtype=torch.float64)
    torch.testing.assert_close(dihedral(*points), want)


def test_dihedral_of_a_straight_line_is_undefined_but_smooth() -> None:
    points = torch.tensor([[0.0, 0, 0], [1, 0, 0], [2, 0, 0], [3, 1, 0]], requires_grad=True)
    angle = dihedral(*points)
    assert not angle.any()
    angle.sum().backward()
    assert points.grad is not None
    assert points.grad.isfinite().all()


def test_dihedrals_of_a_chain() -> None:
    graph = residues([[0, 1, 2]])
    n, ca, c = graph.coords[:, 0], graph.coords[:, 1], graph.coords[:, 2]
    cosines, sines = dihedral_features(graph).split(3, dim=1)
    angles = torch.stack([cosines, sines], dim=-1)
    phi, psi, omega = angles.unbind(1)
    torch.testing.assert_close(phi[1], dihedral(c[0], n[1], ca[1], c[1]))
    torch.testing.assert_close(psi[1], dihedral(n[1], ca[1], c[1], n[2]))
    torch.testing.assert_close(omega[1], dihedral(ca[1], c[1], n[2], ca[2]))
    assert not torch.cat([phi[0], psi[2], omega[2]]).any()
    assert angles.norm(dim=-1).isclose(torch.ones(1, dtype=torch.float64)).sum() == 6


def test_features_stop_at_gaps_chains_and_missing_atoms() -> None:
    graph = residues([[0, 1, 3], [4]])
    graph.channel_mask[0, 2] = False
    graph.coords[0, 2] = 0.0
    phi, psi, omega = dihedral_features(graph)[:, :3].abs().gt(0).T.tolist()
    # residue 0 has no C; 1 is before a gap, 2 after it; 3 is a chain of its own
    assert phi == [False] * 4
    assert psi == [False] * 4
    assert omega == [False] * 4
    present = direction_features(graph).norm(dim=-1).gt(0.5).T.tolist()
    assert present[0] == [True, False, False, False]
    assert present[1] == [False, True, False, False]
    assert present[2] == [False, True, True, True]


def test_side_chain_direction_is_that_of_an_ideal_beta_carbon() -> None:
    """The four bonds of a tetrahedron: Cβ is where three of them leave room, on the L side."""
    graph = residues([[0]])
    ideal = torch.tensor([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]).double() / 3**0.5
    for to_n, to_c, to_cb, to_h in ((0, 1, 2, 3), (0, 1, 3, 2)):
        graph.coords[0, 1] = 0.0
        graph.coords[0, 0], graph.coords[0, 2] = ideal[to_n] * 1.46, ideal[to_c] * 1.52
        direction = direction_features(graph)[0, 2]
        # seen from H, N → C → Cβ ... run clockwise in L residues ("CORN": C, R, N)
        left = torch.linalg.det(torch.stack([ideal[to_n], ideal[to_c], ideal[to_cb]])) > 0
        torch.testing.assert_close(direction, ideal[to_cb if left else to_h], atol=1e-7, rtol=0)


def test_features_ignore_the_order_of_nodes() -> None:
    view = GraphView(nodes="residue")
    graph = protein(view, dtype=torch.float64)
    mixed, order = permute_graph(graph, 3)
    for features in (dihedral_features, direction_features, node_chain):
        torch.testing.assert_close(features(mixed), features(graph)[order], rtol=0, atol=0)


def test_neighbors_along_the_sequence() -> None:
    graph = residues([[0, 1, 3], [5, 6]])
    assert sequence_neighbor(graph, 1)[0].tolist() == [1, 1, 2, 4, 4]
    assert sequence_neighbor(graph, 1)[1].tolist() == [True, False, False, True, False]
    assert present_neighbor(graph, -1)[0].tolist() == [0, 0, 1, 3, 3]
    assert present_neighbor(graph, -1)[1].tolist() == [False, True, True, False, True]
    graph.polymer_node, graph.polymer_chain = graph.polymer_node[:0], graph.polymer_chain[:0]
    for search in (sequence_neighbor, present_neighbor):
        neighbor, found = search(graph, 1)
        assert neighbor.tolist() == [0, 1, 2, 3, 4]
        assert not found.any()


def test_edge_features_by_hand() -> None:
    graph = residues([[0, 2], [2]])
    graph.edge_index = torch.tensor([[1, 2, 0], [0, 0, 0]])
    positional = positional_features(graph, 4)
    want = torch.tensor([math.cos(2.0), math.cos(0.02), math.sin(2.0), math.sin(0.02)]).double()
    torch.testing.assert_close(positional[0], want)
    assert positional[1].tolist() == [0.0] * 4
    assert positional[2].tolist() == [1.0, 1.0, 0.0, 0.0]
    radial = radial_features(torch.tensor([20.0, 18.75]), 16, 20.0)
    torch.testing.assert_close(radial[0, -1], torch.tensor(1.0))
    torch.testing.assert_close(radial[1, -1], torch.tensor(math.exp(-1)))
