"""Relevance of nodes for one output of a model: attention, integrated gradients, occlusion.

Attention is what the task-aware readout gives each node (Han et al., AAAI 2025, Eq. 5); it says
where the readout looks, not whether that changed the answer. Integrated gradients (Sundararajan et
al., ICML 2017) go along a mask from 0 to 1 on the node features that the encoder hands to the
readout. A mask is well defined for typed inputs, for which there is no half residue, and needs
nothing of the encoder or the readout but a gradient. Occlusion (Zeiler and Fergus, ECCV 2014)
takes a residue's side chain and type away and asks the whole model again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch_geometric.data import Batch

from hemenet_lab.graphs import GraphView, ProteinGraph, build_graph
from hemenet_lab.model import MultiTaskModule, TaskAware, entry_graphs
from hemenet_lab.store import Entry
from hemenet_lab.structures import (
    BACKBONE,
    ELEMENT_CLASS_INDEX,
    UNKNOWN_RESIDUE,
    ligand_node_type,
)
from hemenet_lab.tasks import Task

Floats = NDArray[np.float64]
BATCH_NODES = 8192
"""Nodes of the graphs that are computed together, to bound the memory."""


@dataclass(frozen=True)
class Target:
    """The number that is explained: an affinity, or the logit of a term, summed over chains."""

    task: Task
    column: int
    """Output of the task; 0 for a regression."""
    rows: tuple[int, ...]
    """Chains whose outputs are summed; (0,) for a complex."""


def score(output: Tensor, target: Target, copies: int) -> Tensor:
    """The target's number for each of several equal-chained graphs of a batch, [copies]."""
    outputs = output.view(copies, -1, target.task.num_outputs)
    return outputs[:, list(target.rows), target.column].sum(1)


def entry_nodes(entry: Entry, view: GraphView) -> NDArray[np.int64]:
    """Node of the entry that each node of its graph belongs to, [graph nodes]."""
    # the graph of the same entry with its nodes' numbers in place of sequence positions; with the
    # edges given, nothing depends on the positions
    none = np.zeros((2, 0), np.int64), np.zeros(0, np.int64)
    numbered = replace(entry, sequence_index=np.arange(entry.num_nodes, dtype=np.int32))
    return build_graph(numbered, view, edges=none).sequence_index.numpy()


def attention(module: MultiTaskModule, entry: Entry, task: Task) -> Floats:
    """Attention of a task to each node, [heads, nodes]; adds up to 1 over each chain or complex.

    Raises:
        ValueError: The model's readout has no attention.
    """
    readout = module.readouts[task.level]
    if not isinstance(readout, TaskAware):
        raise ValueError(
            f"the readout {type(readout).__name__} has no attention; choose the method gradients "
            "or occlusion, which work for every readout"
        )
    graph = entry_graphs(module, [entry])[0].to(module.device)
    place = [one.name for one in module.tasks if one.level == task.level].index(task.name)
    nodes = torch.arange(int(graph.num_nodes or 0), device=module.device)
    group, groups = torch.zeros_like(nodes), 1
    if task.level == "chain":
        nodes, group, groups = graph.polymer_node, graph.polymer_chain, entry.num_chains
    with torch.no_grad():
        weights = readout.attention(module.encoder(graph)[nodes], group, groups)[place]
    owner = entry_nodes(entry, module.encoder.view)[nodes.cpu().numpy()]
    columns = weights.double().cpu().numpy().T
    return np.stack([_by_entry_node(entry, owner, column) for column in columns])


def integrated_gradients(
    module: MultiTaskModule, entry: Entry, target: Target, steps: int = 32
) -> tuple[Floats, float]:
    """Integrated gradients of the target along a mask on the node features (Sundararajan 2017).

    Args:
        module: A module in evaluation mode.
        entry: The structure.
        target: What is explained.
        steps: Points of the Gauss-Legendre rule along the path.

    Returns:
        [nodes], and the target's number less its number with all features at 0. The first add up
        to the second (completeness), up to the error of the rule.

    Raises:
        ValueError: Fewer than one step.
    """
    if steps < 1:
        raise ValueError(f"{steps} steps; give 1 or more (32 is usually enough)")
    points, weights = np.polynomial.legendre.leggauss(steps)
    points, weights = (points + 1) / 2, weights / 2
    [graph] = entry_graphs(module, [entry])
    nodes = int(graph.num_nodes or 0)
    total = np.zeros(nodes)
    at_once = max(1, BATCH_NODES // nodes)
    for start in range(0, steps, at_once):
        mask = np.repeat(points[start : start + at_once], nodes).reshape(-1, nodes)
        slopes = _mask_slopes(module, graph, target, mask)
        total += weights[start : start + at_once] @ slopes
    with torch.no_grad():
        both = torch.tensor([[0.0], [1.0]]).expand(2, nodes)
        ends = _masked_scores(module, graph, target, both)
    owner = entry_nodes(entry, module.encoder.view)
    return _by_entry_node(entry, owner, total), float(ends[1] - ends[0])


def _mask_slopes(
    module: MultiTaskModule, graph: ProteinGraph, target: Target, mask: Floats
) -> Floats:
    """Derivative of the target to each value of a mask [copies, nodes]."""
    variable = torch.tensor(mask, dtype=torch.float32, device=module.device, requires_grad=True)
    with torch.enable_grad():
        total = _masked_scores(module, graph, target, variable).sum()
        (slopes,) = torch.autograd.grad(total, variable)
    return slopes.double().cpu().numpy()


def _masked_scores(
    module: MultiTaskModule, graph: ProteinGraph, target: Target, mask: Tensor
) -> Tensor:
    """The target for copies of a graph whose node features are multiplied with mask, [copies]."""
    copies = len(mask)
    factor = mask.to(module.device).reshape(-1, 1)
    hook = module.encoder.register_forward_hook(lambda _, __, features: features * factor)
    try:
        batch = Batch.from_data_list([graph] * copies).to(module.device)
        return score(module(batch)[target.task.name], target, copies).double()
    finally:
        hook.remove()


def occlusion(module: MultiTaskModule, entry: Entry, target: Target) -> Floats:
    """Fall of the target when a node's side chain and type are taken away, [nodes].

    A residue becomes an unknown one with its backbone and CB; an atom of a ligand becomes one of
    class "other". Edges are made anew, as for any structure with these atoms.
    """
    [whole] = entry_graphs(module, [entry])
    at_once = max(1, BATCH_NODES // max(1, int(whole.num_nodes or 0)))
    scores: list[float] = []
    graphs = [whole]
    for node in range(entry.num_nodes):
        graphs += entry_graphs(module, [occlude(entry, node)])
        if len(graphs) >= at_once:
            scores += _scores(module, graphs, target)
            graphs = []
    scores += _scores(module, graphs, target)
    return scores[0] - np.array(scores[1:])


def occlude(entry: Entry, node: int) -> Entry:
    """The entry with one node's type unknown and without its side-chain atoms."""
    owner = np.repeat(np.arange(entry.num_nodes), entry.node_atoms)
    types = entry.node_type.copy()
    elements = entry.atom_element.copy()
    keep = np.ones(entry.num_atoms, np.bool_)
    if entry.node_chain[node] >= 0:
        types[node] = UNKNOWN_RESIDUE
        rest = owner == node
        side = rest & (entry.atom_slot >= len(BACKBONE))
        if side.sum() < rest.sum():  # a residue of side-chain atoms only keeps its place
            keep = ~side
    else:
        types[node] = ligand_node_type(ELEMENT_CLASS_INDEX["other"])
        elements[owner == node] = ELEMENT_CLASS_INDEX["other"]
    counts = np.bincount(owner[keep], minlength=entry.num_nodes)
    return replace(
        entry,
        node_type=types,
        node_atoms=counts.astype(entry.node_atoms.dtype),
        coords=entry.coords[keep],
        atom_element=elements[keep],
        atom_slot=entry.atom_slot[keep],
    )


def _scores(module: MultiTaskModule, graphs: list[ProteinGraph], target: Target) -> Iterator[float]:
    if not graphs:
        return iter(())
    with torch.no_grad():
        outputs = module(Batch.from_data_list(graphs).to(module.device))
    return iter(score(outputs[target.task.name], target, len(graphs)).double().tolist())


def _by_entry_node(entry: Entry, owner: NDArray[np.int64], values: Floats) -> Floats:
    """Sums of the values of the graph's nodes (atoms in the atom view) by node of the entry."""
    return np.bincount(owner, weights=values, minlength=entry.num_nodes).astype(np.float64)
