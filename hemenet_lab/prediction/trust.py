"""How far to trust predictions: what the members' calibrations say of a task and of an entry."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

import numpy as np
import torch

from hemenet_lab.calibration import FAR, TermCalibration, TrainingSet
from hemenet_lab.prediction.members import Floats, Member
from hemenet_lab.prediction.result import Estimate
from hemenet_lab.protein_mt.splits import chain_sequences
from hemenet_lab.store import Entry
from hemenet_lab.tasks import Task


def estimate(
    task: Task,
    members: Sequence[Member],
    outputs: Sequence[Floats],
    drawn: Sequence[tuple[Member, Floats]],
    level: float,
) -> Estimate:
    """Mean of the members' calibrated outputs, its spread, its interval and its threshold.

    Args:
        task: What is predicted.
        members: The models.
        outputs: Raw output of each, [rows, out].
        drawn: Raw outputs with dropout, for the spread; that of the members if empty.
        level: Probability of the interval.
    """
    values = [_calibrated(m, task, raw) for m, raw in zip(members, outputs, strict=True)]
    samples = [_calibrated(m, task, raw) for m, raw in drawn] or values
    known = [member.calibration.terms.get(task.name) for member in members]
    widths = [member.calibration.values.get(task.name) for member in members]
    return Estimate(
        task,
        np.mean(values, axis=0),
        np.std(samples, axis=0, ddof=1) if len(samples) > 1 else None,
        _mean([None if each is None else each.half_width(level) for each in widths]),
        _mean_of(known, "threshold"),
        _mean_of(known, "precision"),
        _mean_of(known, "recall"),
    )


def _calibrated(member: Member, task: Task, raw: Floats) -> Floats:
    """Values of a regression task as they are, calibrated probabilities of terms."""
    if task.kind == "regression":
        return raw
    known = member.calibration.terms.get(task.name)
    # torch's own sigmoid in float32 for those without: what `lightning predict` writes
    plain = torch.from_numpy(raw).float().sigmoid().double().numpy
    return cast(Floats, plain() if known is None else known.probabilities(raw))


def _mean_of(known: Sequence[TermCalibration | None], name: str) -> float | None:
    return _mean([None if each is None else getattr(each, name) for each in known])


def _mean(values: Sequence[float | None]) -> float | None:
    """The mean; None unless all are known."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if len(known) == len(values) else None


class Acquaintance:
    """How well models know an entry: its likeness to the training chains, and its size.

    Args:
        members: The models.
    """

    def __init__(self, members: Sequence[Member]) -> None:
        sets = [member.calibration.training for member in members]
        known = [each for each in sets if each is not None]
        self._sets: list[TrainingSet] = list({each.digest: each for each in known}.values())

    def identities(self, entry: Entry) -> tuple[float | None, ...]:
        """Highest identity of each chain to a training chain; None where none is known."""
        return tuple(self._identity(text) for text in chain_sequences(entry))

    def _identity(self, sequence: str) -> float | None:
        found = [each.identity(sequence) for each in self._sets]
        return max((each for each in found if each is not None), default=None)

    def size_notes(self, entry: Entry) -> tuple[str, ...]:
        """A line for an entry that is larger than all training entries."""
        most = max((each.most_nodes for each in self._sets), default=0)
        if not most or entry.num_nodes <= most:
            return ()
        return (
            f"larger than all it was trained on: {entry.num_nodes} residues and ligand atoms, the "
            f"largest training entry has {most}",
        )

    def chain_notes(
        self, entry: Entry, identity: Sequence[float | None]
    ) -> Iterator[tuple[str, ...]]:
        """What is worth knowing of each chain."""
        longest = max((each.longest_chain for each in self._sets), default=0)
        chains = zip(entry.chain_names, chain_sequences(entry), identity, strict=True)
        for name, text, nearest in chains:
            notes = []
            if nearest is not None and nearest < FAR:
                notes.append(
                    f"chain {name} is far from what the model was trained on: at most "
                    f"{nearest:.0%} identical to a training chain"
                )
            if unknown := text.count("X"):
                notes.append(f"chain {name} has {unknown} unknown residues of {len(text)}")
            if longest and len(text) > longest:
                notes.append(
                    f"chain {name} has {len(text)} residues, the longest training chain {longest}"
                )
            yield tuple(notes)
