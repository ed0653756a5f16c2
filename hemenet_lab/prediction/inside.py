"""What lies inside a model: features of residues, chains and complexes, and attention."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from hemenet_lab.graphs import ProteinGraph, node_batch
from hemenet_lab.model import TaskAware
from hemenet_lab.nn import segment_mean
from hemenet_lab.prediction.members import Edges, Floats, Member, batch_of
from hemenet_lab.prediction.result import Level
from hemenet_lab.store import Entry

if TYPE_CHECKING:
    import pandas as pd


def look(member: Member, device: torch.device, entry: Entry, what: str, of: Any) -> Any:
    """The attention for a task as a table, or the embedding of an entry at a level."""
    if what == "attention":
        return _attention(member, device, entry, of)
    return embeddings(member, [entry], device, of)[0]


@torch.inference_mode()
def embeddings(
    member: Member,
    entries: Sequence[Entry],
    device: torch.device,
    level: Level,
    edges: Sequence[Edges] | None = None,
) -> list[Floats]:
    """Node features of entries: [residues, d], [chains, d] or [d] each.

    Those of a chain are the mean over its residues, those of a complex over all its nodes.

    Raises:
        ValueError: Residues were asked for, and the nodes of the model's view are others.
    """
    graph = batch_of(member, entries, edges).to(device)
    features = member.module.encoder(graph)
    if level == "complex":
        means = segment_mean(features, node_batch(graph), len(entries))
        return list(means.double().cpu().numpy())
    polymer = features[graph.polymer_node]
    if level == "residue":
        sizes = [int((entry.node_chain >= 0).sum()) for entry in entries]
        _check_residues(member, sizes, graph)
        return np.split(polymer.double().cpu().numpy(), np.cumsum(sizes)[:-1])
    sizes = [entry.num_chains for entry in entries]
    means = segment_mean(polymer, graph.polymer_chain, sum(sizes))
    return np.split(means.double().cpu().numpy(), np.cumsum(sizes)[:-1])


def _check_residues(member: Member, sizes: Sequence[int], graph: ProteinGraph) -> None:
    of_graph = torch.bincount(node_batch(graph)[graph.polymer_node], minlength=len(sizes))
    if of_graph.tolist() != [*sizes]:
        view = member.module.encoder.view
        raise ValueError(
            f"the nodes of this model's view ({view.nodes}{', cropped' if view.crop else ''}) are "
            "not the residues; ask for the level chain or complex"
        )


@torch.inference_mode()
def _attention(member: Member, device: torch.device, entry: Entry, task: str) -> pd.DataFrame:
    import pandas as pd

    module = member.module
    level: Literal["chain", "complex"] = next(t.level for t in module.tasks if t.name == task)
    readout = module.readouts[level]
    if not isinstance(readout, TaskAware):
        raise ValueError(f"{type(readout).__name__} has no attention; TaskAware has")
    place = [t.name for t in module.tasks if t.level == level].index(task)
    graph = batch_of(member, [entry]).to(device)
    features = module.encoder(graph)
    groups = (graph.polymer_chain, entry.num_chains)
    read = features[graph.polymer_node]
    nodes = graph.polymer_node
    if level == "complex":
        read, groups, nodes = features, (node_batch(graph), 1), torch.arange(len(features))
    weights = readout.attention(read, *groups)[place].double().cpu().numpy()
    frame = pd.DataFrame({"node": nodes.cpu().numpy(), "weight": weights.mean(axis=1)})
    if len(features) == entry.num_nodes:
        chain = entry.node_chain[frame["node"]]
        names = np.array([*entry.chain_names, ""])
        frame.insert(1, "chain", names[chain])
        frame.insert(2, "residue_number", entry.residue_number[frame["node"]])
    for head in range(weights.shape[1]):
        frame[f"head{head}"] = weights[:, head]
    return frame
