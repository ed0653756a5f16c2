"""Trained models that predict together: one checkpoint, or several of an ensemble."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from hemenet_lab.calibration import Calibration, read_calibration
from hemenet_lab.graphs import ProteinGraph, build_graph
from hemenet_lab.loading import collate
from hemenet_lab.model import MultiTaskModule, training_data_note
from hemenet_lab.nn import Dropout
from hemenet_lab.saved import module_from_checkpoint
from hemenet_lab.store import PARTNER, PROTEIN, Entry
from hemenet_lab.tracking import resolve_checkpoint

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


@torch.inference_mode()
def raw_outputs(
    member: Member, entries: Sequence[Entry], device: torch.device
) -> list[dict[str, Floats]]:
    """Raw outputs of each entry by task, [rows, out]: logits for multi-label tasks.

    Entries share a batch for speed; no number depends on which do (beyond rounding).
    """
    module = member.module
    graphs = [build_graph(entry, module.encoder.view) for entry in entries]
    outputs = module(_batch(module, graphs).to(device))
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


def _batch(module: MultiTaskModule, graphs: Sequence[ProteinGraph]) -> ProteinGraph:
    return module.encoder.prepare(collate(graphs))


@torch.inference_mode()
def node_features(member: Member, entry: Entry, device: torch.device) -> tuple[Any, ProteinGraph]:
    """Features of an entry's nodes, [N, d], and its graph."""
    graph = _batch(member.module, [build_graph(entry, member.module.encoder.view)]).to(device)
    return member.module.encoder(graph), graph


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
