"""Tasks: the level, kind, unit and terms, as plain frozen data."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, get_args

Level = Literal["complex", "chain"]
Kind = Literal["regression", "multilabel"]
Transform = Literal["", "none", "standardise", "log"]


@dataclass(frozen=True)
class Task:
    """One prediction target.

    Args:
        name: Short name used in metric names and on the command line, such as ``lba``.
        level: ``complex`` gives one prediction per structure, ``chain`` one per polymer chain.
        kind: ``regression`` (one number) or ``multilabel`` (a 0/1 answer per term).
        title: Name for people, such as ``Ligand binding affinity``.
        unit: Unit of a regression value, such as ``pKd``; empty for multi-label tasks.
        terms: Ids of a multi-label task's terms, in the order of the output columns.
        term_names: Names of the terms, in the same order; empty where the source gives none.
        range: Lowest and highest value that a regression label may have; None for any.
        transform: What a regression head learns: ``standardise`` for the value in units of the
            standard deviation over the training labels, about their mean; ``log`` for its natural
            logarithm, likewise; ``none`` for the value itself; empty for what the model is set to.
            Predictions and scores are in the task's unit whatever it is.
    """

    name: str
    level: Level
    kind: Kind
    title: str = ""
    unit: str = ""
    terms: tuple[str, ...] = ()
    term_names: tuple[str, ...] = ()
    range: tuple[float, float] | None = None
    transform: Transform = ""

    def __post_init__(self) -> None:
        if not self.name.isidentifier():
            raise ValueError(
                f"task name {self.name!r} is not a plain word; use letters, digits and _ only"
            )
        if self.level not in ("complex", "chain"):
            raise ValueError(f"task {self.name}: level {self.level!r}; allowed: complex, chain")
        if self.kind not in ("regression", "multilabel"):
            raise ValueError(
                f"task {self.name}: kind {self.kind!r}; allowed: regression, multilabel"
            )
        if self.kind == "regression" and self.terms:
            raise ValueError(f"task {self.name}: a regression task has no terms")
        if len(set(self.terms)) != len(self.terms):
            raise ValueError(f"task {self.name}: its terms are not unique")
        if self.term_names and len(self.term_names) != len(self.terms):
            raise ValueError(
                f"task {self.name}: {len(self.term_names)} term names for {len(self.terms)} terms"
            )

        self._check_regression()

    def _check_regression(self) -> None:
        if self.transform not in get_args(Transform):
            allowed = ", ".join(name for name in get_args(Transform) if name)
            raise ValueError(f"task {self.name}: transform {self.transform!r}; allowed: {allowed}")
        if self.kind != "regression":
            given = [name for name in ("unit", "range", "transform") if getattr(self, name)]
            if given:
                raise ValueError(
                    f"task {self.name}: {' and '.join(given)} is for regression tasks only; "
                    f"this one is {self.kind}"
                )
        if self.range is None:
            return
        low, high = self.range
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise ValueError(
                f"task {self.name}: range {low:g} to {high:g}; give two finite numbers, "
                "the lower one first"
            )
        if self.transform == "log" and low < 0:
            raise ValueError(
                f"task {self.name}: range {low:g} to {high:g} with the transform log, which needs "
                "values above 0; give another range or transform"
            )

    @property
    def num_outputs(self) -> int:
        """Width of the prediction: 1 for regression, the number of terms for multi-label."""
        return 1 if self.kind == "regression" else len(self.terms)

    def with_terms(self, terms: Iterable[str], names: Iterable[str] = ()) -> Task:
        """The same task over other terms."""
        return replace(self, terms=tuple(terms), term_names=tuple(names))

    def to_dict(self) -> dict[str, Any]:
        """Plain types only, for manifests and checkpoints.

        Range and transform are there if they are set: stores without them keep their hash.
        """
        record = asdict(self)
        for name in ("range", "transform"):
            if not record[name]:
                del record[name]
        if self.range is not None:
            record["range"] = list(self.range)
        record["terms"] = list(self.terms)
        record["term_names"] = list(self.term_names)
        return record

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> Task:
        """Inverse of `to_dict`."""
        fields = dict(record)
        fields["terms"] = tuple(fields.get("terms", ()))
        fields["term_names"] = tuple(fields.get("term_names", ()))
        if fields.get("range") is not None:
            low, high = fields["range"]
            fields["range"] = float(low), float(high)
        return cls(**fields)


LBA = Task("lba", "complex", "regression", "Ligand binding affinity", "pKd")
PPA = Task("ppa", "complex", "regression", "Protein-protein affinity", "pKd")
EC = Task("ec", "chain", "multilabel", "Enzyme Commission number")
MF = Task("mf", "chain", "multilabel", "Gene Ontology: molecular function")
BP = Task("bp", "chain", "multilabel", "Gene Ontology: biological process")
CC = Task("cc", "chain", "multilabel", "Gene Ontology: cellular component")

PROTEIN_MT: tuple[Task, ...] = (LBA, PPA, EC, MF, BP, CC)
"""The six tasks of Protein-MT; the terms come from the annotation files at build time."""


def select_tasks(tasks: Iterable[Task], names: Iterable[str] | None) -> tuple[Task, ...]:
    """The tasks called ``names``, in the order of ``tasks``; all of them for None.

    Raises:
        ValueError: A name that no task has, or no name at all.
    """
    known = {task.name: task for task in tasks}
    if names is None:
        return tuple(known.values())
    wanted = list(names)
    unknown = sorted(set(wanted) - set(known))
    if unknown or not wanted:
        raise ValueError(
            f"tasks {unknown or wanted} are not in this store, which has {list(known)}; "
            "choose among these"
        )
    return tuple(task for name, task in known.items() if name in wanted)


def require_same_tasks(trained: Iterable[Task], given: Iterable[Task]) -> None:
    """Raise ValueError unless both name the same tasks with the same terms in the same order.

    Level, kind, unit and transform must agree too: a model of °C is not scored on K.
    """
    mine = {task.name: _essence(task) for task in trained}
    theirs = {task.name: _essence(task) for task in given if task.num_outputs > 0}
    if mine != theirs:
        differing = sorted(name for name in {*mine, *theirs} if mine.get(name) != theirs.get(name))
        raise ValueError(
            f"the model was made for tasks {list(mine)}, the data have {list(theirs)}; they differ "
            f"in {differing} (name, level, kind, unit, transform or terms); use the store that the "
            "model was trained on"
        )


def _essence(task: Task) -> tuple[object, ...]:
    return task.level, task.kind, task.unit, task.transform, task.terms
