"""Named predictions: one number with the names of what it is about."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, TextIO

import torch
from torch_geometric.data import Batch

from hemenet_lab.model import MultiTaskModule, entry_graphs, training_data_note
from hemenet_lab.saved import module_from_checkpoint
from hemenet_lab.store import LIGAND, PARTNER, Entry
from hemenet_lab.tasks import LBA, PPA, Task


@dataclass(frozen=True)
class Prediction:
    """One predicted number with its name."""

    entry: str
    chain: str
    """Author chain id; empty for a prediction about the whole complex."""
    task: str
    term: str
    """Id of the term; empty for a regression task."""
    name: str
    """Name of the term, or the unit of a regression."""
    value: float
    """pKd for affinities, a probability for terms."""
    trained_on: str = ""
    """``SYNTHETIC demo data`` where the model learned from a synthetic store."""


def load_module(checkpoint: str | Path, *, trust: bool = False) -> MultiTaskModule:
    """The trained module of a checkpoint, in evaluation mode on the CPU.

    Args:
        checkpoint: Written by `lightning fit`.
        trust: Build any class that it names; only registered ones otherwise.

    Raises:
        ValueError: No such file, a class that is not registered, or a checkpoint that does not say
            how its encoder was made.
    """
    return module_from_checkpoint(MultiTaskModule, checkpoint, trust=trust)[0]


@torch.no_grad()
def predict_entries(
    module: MultiTaskModule, entries: Sequence[Entry], min_probability: float = 0.0
) -> list[Prediction]:
    """Predictions of every task for entries, one structure at a time.

    Affinities are given only for what has a partner: `lba` for an entry with a ligand, `ppa` for
    one with a second protein. A model would answer for any other as well, and mean nothing.

    Args:
        module: A built module, in evaluation mode.
        entries: Structures.
        min_probability: Terms below are left out.
    """
    found: list[Prediction] = []
    for entry in entries:
        batch = Batch.from_data_list(entry_graphs(module, [entry]))
        outputs = module.predict_step(batch, 0)
        tasks = [task for task in module.tasks if has_partner(entry, task)]
        found.extend(named_predictions(outputs, tasks, min_probability, training_data_note(module)))
    return found


def has_partner(entry: Entry, task: Task) -> bool:
    """Check that an entry has the partner that an affinity is about; other tasks need none."""
    needed = {LBA.name: LIGAND, PPA.name: PARTNER}.get(task.name)
    return needed is None or bool((entry.entity == needed).any())


def named_predictions(
    outputs: Mapping[str, Any],
    tasks: Iterable[Task],
    min_probability: float = 0.0,
    trained_on: str = "",
) -> Iterator[Prediction]:
    """Name each number that `MultiTaskModule.predict_step` gives for a batch."""
    for task in tasks:
        owners = [
            (entry, chain)
            for entry, chains in zip(outputs["entry_id"], outputs["chain_names"], strict=True)
            for chain in (chains if task.level == "chain" else [""])
        ]
        for (entry, chain), row in zip(owners, outputs[task.name].tolist(), strict=True):
            for named in _name_row(entry, chain, task, row, min_probability):
                yield replace(named, trained_on=trained_on) if trained_on else named


def _name_row(
    entry: str, chain: str, task: Task, row: list[float], min_probability: float
) -> Iterator[Prediction]:
    if task.kind == "regression":
        yield Prediction(entry, chain, task.name, "", task.unit, row[0])
        return
    names = task.term_names or task.terms
    for term, name, value in zip(task.terms, names, row, strict=True):
        if value >= min_probability:
            yield Prediction(entry, chain, task.name, term, name, value)


def write_csv(predictions: Iterable[Prediction], stream: TextIO) -> None:
    """A line per prediction, below the names of its fields."""
    writer = csv.DictWriter(stream, [field.name for field in fields(Prediction)])
    writer.writeheader()
    writer.writerows(asdict(prediction) for prediction in predictions)
