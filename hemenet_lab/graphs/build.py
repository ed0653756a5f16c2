"""From an entry to the graph that a view asks for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hemenet_lab.graphs.crop import crop_entry
from hemenet_lab.graphs.edges import NodeArrays, build_edges
from hemenet_lab.graphs.graph import ProteinGraph
from hemenet_lab.graphs.view import GraphView
from hemenet_lab.store import WHOLE, Entry
from hemenet_lab.tasks import Task

Ints = NDArray[np.int64]


def build_graph(
    entry: Entry,
    view: GraphView,
    tasks: Iterable[Task] = (),
    edges: tuple[NDArray[Any], NDArray[Any]] | None = None,
) -> ProteinGraph:
    """The graph of an entry, with the attributes listed in `hemenet_lab.graphs.graph`.

    Args:
        entry: Nodes, atoms, chains and labels.
        view: Kind of nodes and edges.
        tasks: Tasks whose labels are added; a task without labels gets masks that are False.
        edges: Result of `view_edges` for the same entry and view, where it is known already.
    """
    entry = crop_entry(entry, view.crop)
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
    for task in tasks:
        graph[f"y_{task.name}"], graph[f"mask_{task.name}"] = _labels(entry, task)
    graph.entry_id = entry.id
    graph.chain_names = list(entry.chain_names)
    return graph


def view_edges(entry: Entry, view: GraphView) -> tuple[Ints, Ints]:
    """Edges of the entry's graph in this view, as `build_edges` gives them."""
    entry = crop_entry(entry, view.crop)
    return _edges(entry, _view_nodes(entry, view), view)


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
