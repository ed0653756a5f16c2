"""Trained models that predict together, and what lies inside one: features and attention."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from hemenet_lab.calibration import Calibration, read_calibration
from hemenet_lab.graphs import ProteinGraph, node_batch
from hemenet_lab.loading import collate
from hemenet_lab.model import MultiTaskModule, TaskAware, entry_graphs, training_data_note
from hemenet_lab.nn import Dropout, segment_mean
from hemenet_lab.prediction.result import Level
from hemenet_lab.saved import module_from_checkpoint
from hemenet_lab.store import PARTNER, PROTEIN, Entry
from hemenet_lab.tracking import resolve_checkpoint

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Member:
    """One model with what its checkpoint says of it."""

    path: Path
    module: MultiTaskModule
    calibration: Calibration
    """Empty for a checkpoint that has none."""
    trained_on: str
    """``SYNTHETIC demo data`` where the model learned from a synthetic store, otherwise empty."""


def load_members(
    checkpoints: Sequence[str | Path], device: torch.device, trust: bool = False
) -> list[Member]:
    """The models of checkpoints, in evaluation mode on a device.

    Raises:
        ValueError: No checkpoint, one that cannot be read, or models with different tasks.
    """
    if not checkpoints:
        raise ValueError("no checkpoint given; name one, or several of an ensemble")
    members = []
    for word in checkpoints:
        path = resolve_checkpoint(word)
        module, content = module_from_checkpoint(MultiTaskModule, path, trust=trust)
        calibration = read_calibration(content, str(path)) or Calibration()
        trained_on = training_data_note(content)
        members.append(Member(path, module.to(device), calibration, trained_on))
    first = members[0]
    for member in members[1:]:
        if [(t.name, t.terms) for t in member.module.tasks] != [
            (t.name, t.terms) for t in first.module.tasks
        ]:
            raise ValueError(
                f"{first.path} and {member.path} predict different tasks or terms; an ensemble "
                "needs models of the same store and tasks"
            )
    return members


Edges = Mapping[str, tuple[NDArray[Any], NDArray[Any]]]
"""Edges of an entry by the key of the view that they belong to."""


@torch.inference_mode()
def raw_outputs(
    member: Member,
    entries: Sequence[Entry],
    device: torch.device,
    edges: Sequence[Edges] | None = None,
) -> list[dict[str, Floats]]:
    """Raw outputs of each entry by task, [rows, out]: logits for multi-label tasks.

    Entries share a batch for speed; no number depends on which do (beyond rounding).

    Args:
        member: The model.
        entries: Structures.
        device: Where the model is.
        edges: Those of each entry that are known already; others are computed.
    """
    module = member.module
    outputs = module(batch_of(member, entries, edges).to(device))
    found: list[dict[str, Floats]] = [{} for _ in entries]
    chains = np.cumsum([0, *(entry.num_chains for entry in entries)])
    for task in module.tasks:
        rows = outputs[task.name].double().cpu().numpy()
        for place, each in enumerate(found):
            part = slice(place, place + 1)
            if task.level == "chain":
                part = slice(int(chains[place]), int(chains[place + 1]))
            each[task.name] = rows[part]
    return found


def sees_partners(member: Member, entry: Entry, device: torch.device) -> bool:
    """Check that a model's numbers for a complex depend on which of its chains are the partner's.

    It is asked: any encoder or readout may use the graph's ``entity``, or not.
    """
    one_side = replace(entry, entity=np.where(entry.entity == PARTNER, PROTEIN, entry.entity))
    both = [raw_outputs(member, [each], device)[0] for each in (entry, one_side)]
    return any(
        not np.allclose(both[0][name], both[1][name], rtol=1e-5, atol=1e-6) for name in both[0]
    )


def batch_of(
    member: Member, entries: Sequence[Entry], edges: Sequence[Edges] | None = None
) -> ProteinGraph:
    """The entries as a batch for the member's encoder."""
    encoder = member.module.encoder
    key = encoder.view.key()
    known = None if edges is None else [each.get(key) for each in edges]
    return encoder.prepare(collate(entry_graphs(member.module, entries, known)))


def dropout_passes(
    member: Member, entry: Entry, device: torch.device, passes: int, seed: int
) -> list[dict[str, Floats]]:
    """Raw outputs of an entry with dropout switched on, ``passes`` times (Gal & Ghahramani 2016).

    The entry is alone in its batch and the seed is its own, so that the numbers do not depend on
    what else is predicted.

    Raises:
        ValueError: The model has no dropout.
    """
    with _dropout_on(member), torch.random.fork_rng(devices=_devices(device)):
        torch.manual_seed(seed)
        return [raw_outputs(member, [entry], device)[0] for _ in range(passes)]


def _devices(device: torch.device) -> list[int]:
    return [device.index or 0] if device.type == "cuda" else []


@contextmanager
def _dropout_on(member: Member) -> Iterator[None]:
    kinds = (Dropout, nn.Dropout)
    parts = [part for part in member.module.modules() if isinstance(part, kinds) and part.p > 0]
    if not parts:
        raise ValueError(
            f"{member.path} has no dropout, so passes with dropout would all be the same; give "
            "several checkpoints for a spread"
        )
    try:
        for part in parts:
            part.train()
        yield
    finally:
        member.module.eval()


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
