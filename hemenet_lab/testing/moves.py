"""Rotations, reflections, translations and permutations of entries and graphs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hemenet_lab.graphs import ProteinGraph
from hemenet_lab.store import Entry

INVERSION = -torch.eye(3, dtype=torch.float64)
"""Point inversion; with the rotations it makes every reflection."""


def random_rotation(seed: int) -> Tensor:
    """A rotation matrix [3, 3], float64, uniform over SO(3)."""
    generator = torch.Generator().manual_seed(seed)
    q, r = torch.linalg.qr(torch.randn(3, 3, generator=generator, dtype=torch.float64))
    q = q * r.diagonal().sign()
    return q * torch.linalg.det(q)


def move_graph(
    graph: ProteinGraph, rotation: Tensor | None = None, shift: Tensor | None = None
) -> ProteinGraph:
    """A copy with every atom at ``rotation · x + shift``; padding stays 0.

    Args:
        graph: A graph or batch; its edges are kept.
        rotation: Orthogonal [3, 3]; none if not given.
        shift: [3], Å; none if not given.
    """
    moved = graph.clone()
    moved.pos = move_points(graph.pos, rotation, shift)
    coords = move_points(graph.coords, rotation, shift)
    moved.coords = torch.where(graph.channel_mask.unsqueeze(-1), coords, 0.0)
    return moved


def move_points(points: Tensor, rotation: Tensor | None, shift: Tensor | None) -> Tensor:
    """Points [..., 3] at ``rotation · x + shift``."""
    if rotation is not None:
        points = points @ rotation.to(points).T
    return points if shift is None else points + shift.to(points)


def permute_entry(entry: Entry, seed: int) -> Entry:
    """The same structure with chains, the residues of each chain and ligand atoms reordered.

    Residues keep their ``sequence_index`` and the order of their atoms, chains their names and
    labels; ligand atoms stay behind the residues. `match_nodes` finds where the nodes went.
    """
    rng = np.random.default_rng(seed)
    chains = rng.permutation(entry.num_chains)
    if bool((np.diff(chains) > 0).all()):
        chains = chains[::-1]  # the same order again would test nothing
    groups = [np.flatnonzero(entry.node_chain == chain) for chain in (*chains, -1)]
    nodes = np.concatenate([rng.permutation(group) for group in groups])
    starts = np.cumsum(entry.node_atoms, dtype=np.int64) - entry.node_atoms
    atoms = np.concatenate(
        [np.arange(starts[node], starts[node] + entry.node_atoms[node]) for node in nodes]
    )
    rank = np.append(np.argsort(chains), -1)  # the last one is for ligand atoms, chain -1
    uniprot, sequence = entry.chain_uniprot, entry.chain_sequence
    return replace(
        _reordered(entry, nodes, atoms),
        node_chain=rank[entry.node_chain[nodes]].astype(entry.node_chain.dtype),
        chain_names=tuple(entry.chain_names[chain] for chain in chains),
        chain_uniprot=tuple(uniprot[chain] for chain in chains) if uniprot else (),
        chain_sequence=tuple(sequence[chain] for chain in chains) if sequence else (),
        terms={
            task: {int(rank[chain]): terms for chain, terms in of_chains.items()}
            for task, of_chains in entry.terms.items()
        },
        chain_values={
            task: {int(rank[chain]): value for chain, value in of_chains.items()}
            for task, of_chains in entry.chain_values.items()
        },
    )


def _reordered(entry: Entry, nodes: NDArray[np.int64], atoms: NDArray[np.int64]) -> Entry:
    """The entry with its node and atom arrays in another order."""
    return replace(
        entry,
        node_type=entry.node_type[nodes],
        entity=entry.entity[nodes],
        sequence_index=entry.sequence_index[nodes],
        residue_number=entry.residue_number[nodes],
        insertion_code=entry.insertion_code[nodes],
        node_atoms=entry.node_atoms[nodes],
        coords=entry.coords[atoms],
        atom_element=entry.atom_element[atoms],
        atom_slot=entry.atom_slot[atoms],
    )


def match_nodes(graph: ProteinGraph, other: ProteinGraph) -> Tensor:
    """For each node of ``other`` the node of ``graph`` at exactly the same place, int64 [N].

    Raises:
        ValueError: The nodes of the two are not at the same places.
    """
    mine, theirs = (_by_place(part.pos) for part in (graph, other))
    if not torch.equal(graph.pos[mine], other.pos[theirs]):
        raise ValueError("the nodes of the two graphs are not at the same places")
    return mine[theirs.argsort()]


def _by_place(points: Tensor) -> Tensor:
    order = np.lexsort(points.detach().cpu().numpy().T)
    return torch.from_numpy(order)


def permute_graph(graph: ProteinGraph, seed: int) -> tuple[ProteinGraph, Tensor]:
    """A single graph with its nodes stored in any order, ligand between residues.

    Returns:
        The graph, with edges again sorted by target, relation and source, and for each of its
        nodes the former one, int64 [N].
    """
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(graph.pos), generator=generator)
    rank = order.argsort()
    mixed = graph.clone()
    for name in ("node_type", "element", "entity", "pos", "coords", "channel_type"):
        mixed[name] = graph[name][order]
    mixed.channel_mask = graph.channel_mask[order]
    mixed.sequence_index = graph.sequence_index[order]
    node = rank[graph.polymer_node]
    polymer = node.argsort()
    mixed.polymer_node, mixed.polymer_chain = node[polymer], graph.polymer_chain[polymer]
    source, target = rank[graph.edge_index]
    edges = np.lexsort((source.numpy(), graph.edge_type.numpy(), target.numpy()))
    mixed.edge_index = torch.stack([source, target])[:, edges]
    mixed.edge_type = graph.edge_type[edges]
    return mixed, order


def without_edges_of(graph: ProteinGraph, node: int | None = None) -> ProteinGraph:
    """A copy in which a node, or every node if none is given, has no edges at all."""
    source, target = graph.edge_index
    kept = (source != node) & (target != node) if node is not None else source != source
    alone = graph.clone()
    alone.edge_index, alone.edge_type = graph.edge_index[:, kept], graph.edge_type[kept]
    return alone
