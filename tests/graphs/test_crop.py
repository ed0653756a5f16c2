"""Crops: binding sites in place of whole complexes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hemenet_lab.graphs import GraphView, build_graph
from hemenet_lab.graphs.build import crop_entry
from hemenet_lab.store import LIGAND, PARTNER, Entry
from hemenet_lab.tasks import LBA
from tests.store.entries import random_entry


def distances(entry: Entry, side: np.ndarray) -> np.ndarray:
    """Slow reference: [N], smallest distance of each node's atoms to the atoms of ``side``."""
    node = np.repeat(np.arange(entry.num_nodes), entry.node_atoms)
    others = entry.coords[side[node]].astype(np.float64)
    found = np.full(entry.num_nodes, np.inf)
    for atom, xyz in enumerate(entry.coords.astype(np.float64)):
        nearest = np.sqrt(((others - xyz) ** 2).sum(axis=1)).min()
        found[node[atom]] = min(found[node[atom]], nearest)
    return found


@pytest.mark.parametrize("seed", range(5))
def test_ligand_crop_keeps_the_ligand_and_what_is_near(seed: int) -> None:
    entry = random_entry(seed, chains=(30, 20))
    ligand = entry.entity == LIGAND
    wanted = ligand | (distances(entry, ligand) < 6.0)
    found = crop_entry(entry, 6.0)
    assert found.sequence_index.tolist() == entry.sequence_index[wanted].tolist()
    assert found.node_type.tolist() == entry.node_type[wanted].tolist()
    assert found.num_atoms == int(found.node_atoms.sum())
    assert 0 < found.num_nodes < entry.num_nodes


@pytest.mark.parametrize("seed", range(5))
def test_partner_crop_keeps_both_sides_of_the_interface(seed: int) -> None:
    entry = random_entry(seed, chains=(30, 20), ligand=0)
    partner = entry.node_chain == 1
    entry = replace(entry, entity=np.where(partner, PARTNER, 0).astype(np.int8))
    near = distances(entry, partner), distances(entry, ~partner)
    from_other = np.where(partner, near[1], near[0])
    distance = float(np.quantile(from_other, 0.4))
    wanted = from_other < distance
    found = crop_entry(entry, distance)
    assert found.node_type.tolist() == entry.node_type[wanted].tolist()
    assert found.chain_names == entry.chain_names


def test_single_chains_and_far_ligands_stay_whole() -> None:
    chain = random_entry(0, chains=(12,), ligand=0)
    assert crop_entry(chain, 5.0) is chain
    entry = random_entry(0)
    atoms = np.repeat(entry.entity == LIGAND, entry.node_atoms)
    far = replace(entry, coords=entry.coords + 1000 * atoms[:, None].astype(np.float32))
    assert crop_entry(far, 5.0) is far
    assert crop_entry(entry, 0.0) is entry


@pytest.mark.parametrize("nodes", ["residue", "alpha", "atom"])
def test_the_graph_of_a_crop_is_the_graph_of_the_cropped_entry(nodes: str) -> None:
    entry = random_entry(1, chains=(30, 20), values={"lba": 6.0})
    settings = {"nodes": nodes, "k": 5}
    found = build_graph(entry, GraphView(**settings, crop=6.0), (LBA,))
    wanted = build_graph(crop_entry(entry, 6.0), GraphView(**settings), (LBA,))
    assert (found.edge_index == wanted.edge_index).all()
    assert (found.coords == wanted.coords).all()
    assert float(found.y_lba) == 6.0
    assert found.num_chains == 2


def test_a_view_without_crop_keeps_its_key() -> None:
    """Edges that lie beside stores from before there were crops are found again."""
    assert GraphView().key() == "0ca97051c10b"
    assert GraphView(crop=8.0).key() not in (GraphView().key(), GraphView(crop=9.0).key())


def test_a_negative_crop_is_refused() -> None:
    with pytest.raises(ValueError, match="crop is -1"):
        GraphView(crop=-1.0)
