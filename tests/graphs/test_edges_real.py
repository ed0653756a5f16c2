"""Edges of real complexes against a table of all distances."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from hemenet_lab.graphs.build import view_edges
from hemenet_lab.graphs.view import GraphView
from hemenet_lab.store.convert import entry_from_structure
from hemenet_lab.structures import read_ligand, read_structure
from tests.shared import SAMPLE, needs_shared

VIEWS = [GraphView(), GraphView(k=12, radius=8.0, radius_max_neighbors=10)]


def smallest_atom_distances(entry):
    """[N, N]: smallest distance between any two atoms of two nodes, Å."""
    start = np.r_[0, np.cumsum(entry.node_atoms[:-1], dtype=int)]
    atoms = cdist(entry.coords.astype(float), entry.coords.astype(float))
    return np.minimum.reduceat(np.minimum.reduceat(atoms, start, axis=0), start, axis=1)


def allowed(entry, separation):
    """[N, N], True where two nodes may be spatial neighbours."""
    chain, position = entry.node_chain, entry.sequence_index
    same = (chain[:, None] == chain) & (chain >= 0)
    near = np.abs(position[:, None] - position) < separation
    return ~(same & near) & ~np.eye(len(chain), dtype=bool)


def nearest_by_table(entry, distance, separation, limit, below=np.inf):
    """Set of (source, target): the ``limit`` nearest allowed nodes of each node."""
    table = np.where(allowed(entry, separation) & (distance < below), distance, np.inf)
    found = set()
    for target, row in enumerate(table):
        order = np.lexsort((np.arange(len(row)), row))[:limit]
        found |= {(int(source), target) for source in order if np.isfinite(row[source])}
    return found


@needs_shared
@pytest.mark.parametrize("view", VIEWS, ids=["published", "with radius"])
@pytest.mark.parametrize("name", ["1a61", "1hte"])
def test_equals_a_table_of_all_distances(name, view):
    folder = SAMPLE / "refined-set" / name
    entry = entry_from_structure(
        read_structure(folder / f"{name}_protein.pdb"),
        ligand=read_ligand(folder / f"{name}_ligand.sdf"),
    )
    distance = smallest_atom_distances(entry)
    index, kind = view_edges(entry, view)
    found = [
        set(map(tuple, index[:, kind == relation].T.tolist()))
        for relation in range(view.num_relations)
    ]
    assert found[0] == nearest_by_table(entry, distance, view.k_min_separation, view.k)
    if view.radius:
        expected = nearest_by_table(entry, distance, 0, view.radius_max_neighbors, view.radius)
        assert found[1] == expected
    wrong = nearest_by_table(entry, distance, view.k_min_separation + 1, view.k)
    assert found[0] != wrong  # the check sees a change of the rule by one residue
