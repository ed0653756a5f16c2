"""What is predicted for one complex, and how far to trust it."""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from hemenet_lab.calibration import FAR
from hemenet_lab.store import Entry
from hemenet_lab.tasks import Task

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
Level = Literal["residue", "chain", "complex"]
LEVELS: tuple[Level, ...] = ("residue", "chain", "complex")
SHOWN = 5
"""Terms per chain and task in a notebook's table."""


def check_level(level: str) -> None:
    """Raise ValueError for what is no level of an embedding."""
    if level not in LEVELS:
        raise ValueError(f"level {level!r}; allowed: {', '.join(LEVELS)}")


@dataclass(frozen=True)
class Row:
    """One predicted number; the columns of every table, in this order."""

    entry: str
    chain: str
    """Author chain id; empty for a prediction about the whole complex."""
    task: str
    term: str
    """Id of the term; empty for a regression task."""
    name: str
    """Name of the term, or the unit of a regression."""
    value: float
    """Affinity in its unit, or the (calibrated) probability of a term."""
    path: str
    model: int
    """Number of the MODEL; 0 for the only one."""
    pose: int
    """Number of the ligand's pose; 0 without a ligand."""
    drops: str
    trained_on: str
    """``SYNTHETIC demo data`` where the model learned from a synthetic store."""
    low: float | None
    """Ends of the conformal interval of an affinity."""
    high: float | None
    spread: float | None
    """Standard deviation over the models of an ensemble, or over passes with dropout."""
    threshold: float | None
    """Probability from which on the term is predicted: that of Fmax on validation data."""
    nearest_identity: float | None
    """Highest sequence identity to a training chain, 0 to 1."""
    notes: str
    predicted: bool | None
    """The probability reaches the threshold; None for affinities, and without a threshold."""
    precision: float | None
    """Of the terms that reached the threshold, those that were right, on validation data."""
    recall: float | None
    """Of the right terms, those that reached the threshold, on validation data."""
    far: bool | None
    """The chain (of a complex, one of its chains) is far from what the model was trained on."""


COLUMNS = tuple(each.name for each in fields(Row))


@dataclass(frozen=True)
class Estimate:
    """Predictions of one task for one complex."""

    task: Task
    value: Floats
    """[rows, out]; a row per chain, or one."""
    spread: Floats | None = None
    """[rows, out]."""
    half_width: float | None = None
    """Of the conformal interval."""
    threshold: float | None = None
    precision: float | None = None
    recall: float | None = None
    """Of terms at the threshold, on validation data."""


@dataclass(frozen=True)
class Result:
    """Predictions for one complex.

    Affinities are there only for what has the partner: ``lba`` with a ligand, ``ppa`` with partner
    chains.
    """

    entry: Entry
    path: str
    """What it was read from, as it was given."""
    model: int
    pose: int
    drops: tuple[str, ...]
    """What was left out in reading, or is worth knowing of the file."""
    estimates: Mapping[str, Estimate]
    """By task."""
    identity: tuple[float | None, ...]
    """[chains], highest identity to a training chain; None where the checkpoint does not tell."""
    trained_on: str = ""
    """``SYNTHETIC demo data`` where the model learned from a synthetic store."""
    notes: tuple[str, ...] = ()
    """On the complex as a whole, such as what the model was trained on."""
    chain_notes: tuple[tuple[str, ...], ...] = ()
    """[chains], such as unknown residues."""
    _look: Callable[[str, Any], Any] | None = field(default=None, repr=False, compare=False)
    """Computes embeddings and attention where they are asked for."""

    # --- tables ---------------------------------------------------------------------------------

    def rows(self, min_probability: float = 0.0, top: int | None = None) -> Iterator[Row]:
        """All predictions, one by one.

        Args:
            min_probability: Terms below are left out.
            top: At most so many terms per chain and task, the most probable; all if None.
        """
        for name, estimate in self.estimates.items():
            task = estimate.task
            for place, values in enumerate(estimate.value):
                of_chain = task.level == "chain"
                mine = self.identity[place : place + 1] if of_chain else self.identity
                known = [each for each in mine if each is not None]
                told = self.chain_notes[place : place + 1] if of_chain else self.chain_notes
                notes = "; ".join(dict.fromkeys((*self.notes, *(n for c in told for n in c))))
                common: dict[str, Any] = {
                    "entry": self.entry.id,
                    "chain": self.entry.chain_names[place] if of_chain else "",
                    "task": name,
                    "path": self.path,
                    "model": self.model,
                    "pose": self.pose,
                    "drops": "; ".join(self.drops),
                    "trained_on": self.trained_on,
                    "threshold": estimate.threshold,
                    "precision": estimate.precision,
                    "recall": estimate.recall,
                    "nearest_identity": max(known, default=None),
                    "far": min(known) < FAR if known else None,
                    "notes": notes,
                }
                half, limit, spread = estimate.half_width, estimate.threshold, estimate.spread
                for column in _columns(task, values, min_probability, top):
                    value = float(values[column])
                    yield Row(
                        **common,
                        term="" if task.kind == "regression" else task.terms[column],
                        name=_name(task, column),
                        value=value,
                        low=None if half is None else value - half,
                        high=None if half is None else value + half,
                        spread=None if spread is None else float(spread[place, column]),
                        predicted=None if limit is None else value >= limit,
                    )

    @property
    def table(self) -> pd.DataFrame:
        """All predictions as a table with the columns of `Row`."""
        import pandas as pd

        return pd.DataFrame([asdict(row) for row in self.rows()], columns=list(COLUMNS))

    @property
    def affinity(self) -> dict[str, Row]:
        """The row of each regression task."""
        return {row.task: row for row in self.rows() if not row.term}

    def terms(self, chain: str, task: str, top: int | None = 10) -> pd.DataFrame:
        """The most probable terms of a chain: term, name, value, spread, and if it is predicted.

        Args:
            chain: Author chain id.
            task: A multi-label task.
            top: At most so many; all if None.

        Raises:
            ValueError: No such chain, or no such task.
        """
        import pandas as pd

        if chain not in self.entry.chain_names:
            raise ValueError(f"no chain {chain!r}; there are {list(self.entry.chain_names)}")
        estimate = self._estimate(task)
        if estimate.task.kind != "multilabel":
            raise ValueError(f"task {task} has no terms; its value is in .affinity[{task!r}]")
        rows = [r for r in self.rows(top=top) if r.task == task and r.chain == chain]
        rows.sort(key=lambda row: -row.value)
        frame = pd.DataFrame([asdict(r) for r in rows], columns=list(COLUMNS))
        limit = estimate.threshold
        frame["predicted"] = None if limit is None else frame["value"] >= limit
        return frame[["term", "name", "value", "spread", "predicted"]]

    def _estimate(self, task: str) -> Estimate:
        if task not in self.estimates:
            raise ValueError(f"no task {task!r} is predicted here; there are {[*self.estimates]}")
        return self.estimates[task]

    # --- inside the model -----------------------------------------------------------------------

    def attention(self, task: str) -> pd.DataFrame:
        """Weight of each node in the task-aware readout: a column per head, and their mean.

        Weights add up to 1 over the nodes of a chain (of the complex for complex-level tasks). Of
        an ensemble, the first model is asked.

        Raises:
            ValueError: No such task, or a model with another readout.
        """
        self._estimate(task)
        return self._asked("attention", task)

    def embedding(self, level: Level = "chain") -> Floats:
        """Node features of the (first) model: [residues, d], [chains, d] or [d].

        Those of a chain are the mean over its residues, those of the complex over all nodes.
        """
        check_level(level)
        return self._asked("embedding", level)

    def _asked(self, what: str, of: str) -> Any:
        if self._look is None:
            raise ValueError(f"{what} needs the model; predict with Predictor.predict")
        return self._look(what, of)

    # --- for others -----------------------------------------------------------------------------

    def to_dict(self, min_probability: float = 0.0, top: int | None = None) -> dict[str, Any]:
        """Plain values."""
        return {
            "entry": self.entry.id,
            "path": self.path,
            "model": self.model,
            "pose": self.pose,
            "drops": list(self.drops),
            "trained_on": self.trained_on,
            "notes": list(self.notes),
            "chains": [
                {
                    "chain": name,
                    "nearest_identity": identity,
                    "far": None if identity is None else identity < FAR,
                    "notes": list(notes),
                }
                for name, identity, notes in zip(
                    self.entry.chain_names, self.identity, self.chain_notes, strict=True
                )
            ],
            "predictions": [
                {k: v for k, v in asdict(row).items() if k not in _OF_COMPLEX}
                for row in self.rows(min_probability, top)
            ],
        }

    def to_json(self, min_probability: float = 0.0, top: int | None = None) -> str:
        """`to_dict` as one line of JSON."""
        return json.dumps(self.to_dict(min_probability, top), allow_nan=False)

    def _repr_html_(self) -> str:
        """A short table for notebooks; everything in it is escaped."""
        rows = sorted(self.rows(top=SHOWN), key=lambda row: (row.task, row.chain, -row.value))
        head = ("chain", "task", "term", "name", "value", "low", "high", "nearest_identity")
        lines = ["<tr>" + "".join(f"<th>{name}</th>" for name in head) + "</tr>"]
        for row in rows:
            cells = (html.escape(_shown(getattr(row, name))) for name in head)
            lines.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
        told = dict.fromkeys((*self.notes, *(note for each in self.chain_notes for note in each)))
        notes = "".join(f"<li>{html.escape(note)}</li>" for note in told)
        title = html.escape(self.entry.id)
        return f"<b>{title}</b><table>{''.join(lines)}</table><ul>{notes}</ul>"


_OF_COMPLEX = (
    *("entry", "path", "model", "pose", "drops", "notes", "nearest_identity", "far"),
    "trained_on",
)
"""Columns that stand in a record once, not in each of its predictions."""


def _shown(value: object) -> str:
    return "" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)


def _name(task: Task, column: int) -> str:
    return task.unit if task.kind == "regression" else (task.term_names or task.terms)[column]


def _columns(task: Task, values: Floats, least: float, top: int | None) -> Sequence[int]:
    if task.kind == "regression":
        return range(len(values))
    chosen = np.flatnonzero(values >= least)
    if top is not None and len(chosen) > top:
        best = chosen[np.argsort(-values[chosen], kind="stable")[:top]]
        chosen = np.sort(best)
    return [int(column) for column in chosen]
