"""From an entry, cut to its binding site where asked, to the graph that a view asks for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor

from hemenet_lab.graphs.edges import NodeArrays, build_edges
from hemenet_lab.graphs.graph import ProteinGraph
from hemenet_lab.graphs.view import GraphView
from hemenet_lab.store import (
    ATOM_FIELDS,
    LIGAND,
    NODE_FIELDS,
    OPTIONAL_NODE_FIELDS,
    PARTNER,
    WHOLE,
    Entry,
)
from hemenet_lab.tasks import Task

Ints = NDArray[np.int64]
ResidueRows = NDArray[Any] | tuple[NDArray[Any], Ints]
"""Vectors [residues, W] of an entry's residues, in the order of its nodes; or more vectors than
residues, [R, W], and the row of each residue."""


def build_graph(
    entry: Entry,
    view: GraphView,
    tasks: Iterable[Task] = (),
    edges: tuple[NDArray[Any], NDArray[Any]] | None = None,
    residue_embedding: ResidueRows | None = None,
    hidden_type: Ints | None = None,
) -> ProteinGraph:
    """The graph of an entry, with the attributes listed in `hemenet_lab.graphs.graph`.

    Args:
        entry: Nodes, atoms, chains and labels.
        view: Kind of nodes and edges.
        tasks: Tasks whose labels are added; a task without labels gets masks that are False.
        edges: Result of `view_edges` for the same entry and view, where it is known already.
        residue_embedding: Vectors of all the entry's residues, for models that read them; see
            `ResidueRows`.
        hidden_type: [N], true types of the entry's nodes that are not to be seen, -1 for all
            others; the graph has each at the node of the residue's representative atom.
    """
    kept = _site_nodes(entry, view.crop)
    whole, entry = entry, _with_nodes(entry, kept)
    nodes = _view_nodes(entry, view)
    edge_index, edge_type = edges if edges is not None else _edges(entry, nodes, view)
    chain = entry.node_chain[nodes.node]
    polymer = np.flatnonzero(chain >= 0)
    graph = ProteinGraph(
        node_type=_tensor(entry.node_type[nodes.node]),
        element=_tensor(entry.atom_element[nodes.representative]),
        entity=_tensor(entry.entity[nodes.node]),
        pos=torch.from_numpy(entry.coords[nodes.representative]),
        **_channels(entry, nodes, view),
        sequence_index=_tensor(entry.sequence_index[nodes.node]),
        edge_index=_tensor(edge_index),
        edge_type=_tensor(edge_type),
        polymer_node=_tensor(polymer),
        polymer_chain=_tensor(chain[polymer]),
        num_chains=entry.num_chains,
        chain_graph=torch.zeros(entry.num_chains, dtype=torch.long),
    )
    if view.chemistry:
        if entry.chemistry is None:
            raise ValueError(
                f"{entry.id} has no chemistry of ligand atoms, which this model reads; build its "
                "store with --ligand-chemistry"
            )
        graph.chemistry = _tensor(entry.chemistry[nodes.node].astype(np.int64))
    if residue_embedding is not None:
        residue = np.cumsum(whole.node_chain >= 0) - 1
        residue = residue[kept][nodes.node[polymer]]
        if isinstance(residue_embedding, tuple):
            vectors, row = residue_embedding
            row = row[residue]
        else:
            seen, row = np.unique(residue, return_inverse=True)
            vectors = residue_embedding[seen]
        graph.residue_embedding = torch.from_numpy(vectors)
        graph.polymer_residue = _tensor(row)
    if hidden_type is not None:
        speaks = nodes.representative == entry.representative[nodes.node]
        graph.hidden_type = _tensor(np.where(speaks, hidden_type[kept][nodes.node], -1))
    for task in tasks:
        graph[f"y_{task.name}"], graph[f"mask_{task.name}"] = _labels(entry, task)
    graph.entry_id = entry.id
    graph.chain_names = list(entry.chain_names)
    return graph


def view_edges(entry: Entry, view: GraphView) -> tuple[Ints, Ints]:
    """Edges of the entry's graph in this view, as `build_edges` gives them."""
    entry = crop_entry(entry, view.crop)
    return _edges(entry, _view_nodes(entry, view), view)


def crop_entry(entry: Entry, distance: float) -> Entry:
    """The entry with the nodes of its binding site only; labels and chains stay.

    With a partner these are the residues of each side with an atom closer than ``distance`` to one
    of the other side, and the hetero atoms closer than that to both. With a ligand only, they are
    the ligand and the residues closer than that to it. An entry with neither, or where nothing is
    that close, stays whole.

    Args:
        entry: A complex or a chain.
        distance: Å between heavy atoms; 0 keeps everything.
    """
    return _with_nodes(entry, _site_nodes(entry, distance))


def _with_nodes(entry: Entry, kept: NDArray[np.bool_]) -> Entry:
    """The entry with the nodes that are kept, [N]."""
    if kept.all():
        return entry
    atoms = np.repeat(kept, entry.node_atoms)
    of_nodes = {field.name: getattr(entry, field.name)[kept] for field in NODE_FIELDS}
    of_atoms = {field.name: getattr(entry, field.name)[atoms] for field in ATOM_FIELDS}
    for field in OPTIONAL_NODE_FIELDS:
        found = getattr(entry, field.name)
        of_nodes[field.name] = None if found is None else found[kept]
    return replace(entry, chain_sequence=(), **of_nodes, **of_atoms)


def _site_nodes(entry: Entry, distance: float) -> NDArray[np.bool_]:
    """[N], True for the nodes of an entry's binding site, as `crop_entry` describes it."""
    whole = np.ones(entry.num_nodes, dtype=np.bool_)
    if not distance:
        return whole
    partner = entry.entity == PARTNER
    ligand = entry.entity == LIGAND
    protein = ~partner & ~ligand
    if partner.any():
        near_partner, near_protein = (_near(entry, side, distance) for side in (partner, protein))
        kept = (protein & near_partner) | (partner & near_protein)
        kept |= ligand & near_partner & near_protein
    else:
        kept = ligand | (protein & _near(entry, ligand, distance))
    return kept if (kept & ~ligand).any() else whole


def _near(entry: Entry, side: NDArray[np.bool_], distance: float) -> NDArray[np.bool_]:
    """[N], nodes with an atom closer than ``distance`` to an atom of the nodes in ``side`` [N]."""
    node = np.repeat(np.arange(entry.num_nodes), entry.node_atoms)
    of_side = side[node]
    if not of_side.any():
        return np.zeros(entry.num_nodes, dtype=np.bool_)
    coords = entry.coords.astype(np.float64)
    # the bound speeds the search up and gives infinity beyond it
    found, _ = cKDTree(coords[of_side]).query(coords, distance_upper_bound=distance)
    near = np.zeros(entry.num_nodes, dtype=np.bool_)
    near[node[np.isfinite(found)]] = True
    return near


def _edges(entry: Entry, nodes: _ViewNodes, view: GraphView) -> tuple[Ints, Ints]:
    """Edges between the view nodes of an entry that is cropped already."""
    arrays = NodeArrays(
        coords=entry.coords[nodes.atom],
        atom_node=nodes.atom_node,
        chain=entry.node_chain[nodes.node].astype(np.int64),
        sequence_index=entry.sequence_index[nodes.node].astype(np.int64),
        slot=entry.atom_slot.astype(np.int64) if view.nodes == "atom" else None,
    )
    return build_edges(arrays, view)


@dataclass(frozen=True)
class _ViewNodes:
    """Nodes and atoms of an entry that make the N nodes of a view."""

    node: Ints
    """[N], node of the entry."""
    representative: Ints
    """[N], atom of the entry that gives position and element."""
    atom: Ints
    """[A], atoms of the entry that the view keeps."""
    atom_node: Ints
    """[A], view node of each of them."""


def _view_nodes(entry: Entry, view: GraphView) -> _ViewNodes:
    every_node, every_atom = np.arange(entry.num_nodes), np.arange(entry.num_atoms)
    atom_node = entry.atom_node
    if view.nodes == "atom":
        return _ViewNodes(atom_node, every_atom, every_atom, every_atom)
    representative = entry.representative
    if view.nodes == "alpha":
        return _ViewNodes(every_node, representative, representative, every_node)
    return _ViewNodes(every_node, representative, every_atom, atom_node)


def _channels(entry: Entry, nodes: _ViewNodes, view: GraphView) -> dict[str, Tensor]:
    """Coordinates, types and mask of the channels [N, C]; padding is 0."""
    if view.nodes == "residue":
        slot = entry.atom_slot[nodes.atom].astype(np.int64)
    else:
        slot = np.zeros(len(nodes.atom), dtype=np.int64)
    size, channels = len(nodes.node), view.num_channels
    place = nodes.atom_node * channels + slot
    coords = np.zeros((size * channels, 3), dtype=np.float32)
    coords[place] = entry.coords[nodes.atom]
    kind = np.zeros(size * channels, dtype=np.int64)
    kind[place] = entry.atom_element[nodes.atom]
    mask = np.zeros(size * channels, dtype=bool)
    mask[place] = True
    return {
        "coords": torch.from_numpy(coords.reshape(size, channels, 3)),
        "channel_type": torch.from_numpy(kind.reshape(size, channels)),
        "channel_mask": torch.from_numpy(mask.reshape(size, channels)),
    }


def _labels(entry: Entry, task: Task) -> tuple[Tensor, Tensor]:
    """Target [rows, outputs] and mask [rows]; a row per chain, or one for the complex."""
    rows = entry.num_chains if task.level == "chain" else 1
    target = torch.zeros(rows, task.num_outputs)
    mask = torch.zeros(rows, dtype=torch.bool)
    if task.name in entry.values:
        target[0, 0] = entry.values[task.name]
        mask[0] = True
    for chain, value in entry.chain_values.get(task.name, {}).items():
        target[chain, 0] = value
        mask[chain] = True
    for chain, terms in entry.terms.get(task.name, {}).items():
        row = 0 if chain == WHOLE else chain
        target[row, torch.from_numpy(terms.astype(np.int64))] = 1.0
        mask[row] = True
    return target, mask


def _tensor(values: NDArray[Any]) -> Tensor:
    """A copy as int64: arrays of a store are read-only and narrow."""
    return torch.from_numpy(values.astype(np.int64))
