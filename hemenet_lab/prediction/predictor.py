"""Structure files in, named predictions out, from a checkpoint alone."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, TextIO

import torch
from torch_geometric.data import Batch

from hemenet_lab.graphs import build_graph
from hemenet_lab.model import MultiTaskModule, training_data_note
from hemenet_lab.saved import module_from_checkpoint
from hemenet_lab.store import CONTACT, LIGAND, PARTNER, Entry, entry_from_structure
from hemenet_lab.structures import (
    Drop,
    Ligand,
    read_ligand,
    read_ligands,
    read_structure,
    read_structures,
)
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


def entry_from_files(
    structure: str | Path,
    ligand: str | Path | None = None,
    partner_chains: Iterable[str] = (),
    *,
    keep_hetero: bool = False,
    contact: float = CONTACT,
) -> Entry:
    """An entry read from a structure file and, for a complex with a small molecule, a ligand's.

    Args:
        structure: PDB, mmCIF or BinaryCIF file.
        ligand: SDF or mol2 file in the frame of the structure; its first pose is read.
        partner_chains: Chains of the second protein.
        keep_hetero: Keep ions and cofactors, for a model whose store was built with them.
        contact: Distance in Å within which ligand and partner must touch the protein.

    Raises:
        ValueError: A file that is not readable, or a ligand or partner that is not there.
    """
    return entry_from_structure(
        read_structure(structure, keep_hetero=keep_hetero),
        ligand=read_ligand(ligand) if ligand is not None else None,
        partner_chains=partner_chains,
        contact=contact,
    )


@dataclass(frozen=True)
class ReadComplex:
    """One complex of a file: a model of the structure with a pose of the ligand."""

    entry: Entry
    model: int
    """Number of the MODEL; 0 for the only one, or an assembly that is read whole."""
    pose: int
    """Number of the pose in the ligand's file, from 1; 0 without a ligand."""
    drops: tuple[str, ...]
    """What was left out or is worth knowing, one line each."""


def read_complexes(
    structure: Path,
    ligand: Path | None = None,
    partner_chains: Iterable[str] = (),
    *,
    model: int | Literal["all"] | None = None,
    pose: int | Literal["all"] = 1,
    keep_hetero: bool = False,
    contact: float = CONTACT,
) -> Iterator[ReadComplex]:
    """Complexes of a structure file and a ligand file: every chosen model with every chosen pose.

    Args:
        structure: PDB, mmCIF or BinaryCIF file.
        ligand: SDF or mol2 file in the frame of the structure.
        partner_chains: Chains of the second protein.
        model: Number of a MODEL, or ``all``; the first, or a whole assembly, if None.
        pose: Number of a pose in the ligand file, or ``all``.
        keep_hetero: Keep ions and cofactors.
        contact: Distance in Å within which ligand and partner must touch the protein.

    Raises:
        ValueError: A file that is not readable, or a ligand or partner that is not there.
    """
    partners = tuple(partner_chains)
    if model == "all":
        models = list(read_structures(structure, keep_hetero=keep_hetero))
    else:
        models = [read_structure(structure, keep_hetero=keep_hetero, model=model)]
    poses: list[Ligand | None] = [None]
    if ligand is not None:
        poses = list(read_ligands(ligand, pose=pose))
    for each in models:
        for one in poses:
            entry = entry_from_structure(each, ligand=one, partner_chains=partners, contact=contact)
            of_ligand = (
                () if one is None else (*map(_drop_line, one.drops), *filter(None, [one.note]))
            )
            drops = (
                *map(_drop_line, each.drops),
                *each.notes,
                *(f"ligand: {t}" for t in of_ligand),
            )
            yield ReadComplex(entry, each.model, one.pose if one is not None else 0, drops)


def _drop_line(drop: Drop) -> str:
    return f"{drop.count} {drop.kind} left out: {drop.reason}"


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
        batch = Batch.from_data_list([build_graph(entry, module.encoder.view)])
        outputs = module.predict_step(batch, 0)
        tasks = [task for task in module.tasks if _has_partner(entry, task)]
        found.extend(named_predictions(outputs, tasks, min_probability, training_data_note(module)))
    return found


def _has_partner(entry: Entry, task: Task) -> bool:
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
