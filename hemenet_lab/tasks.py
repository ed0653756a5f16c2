"""Tasks: the level, kind, unit and terms, as plain frozen data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

Level = Literal["complex", "chain"]
Kind = Literal["regression", "multilabel"]


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
    """

    name: str
    level: Level
    kind: Kind
    title: str = ""
    unit: str = ""
    terms: tuple[str, ...] = ()
    term_names: tuple[str, ...] = ()

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

    @property
    def num_outputs(self) -> int:
        """Width of the prediction: 1 for regression, the number of terms for multi-label."""
        return 1 if self.kind == "regression" else len(self.terms)

    def with_terms(self, terms: Iterable[str], names: Iterable[str] = ()) -> Task:
        """The same task over other terms."""
        return replace(self, terms=tuple(terms), term_names=tuple(names))

    def to_dict(self) -> dict[str, Any]:
        """Plain types only, for manifests and checkpoints."""
        record = asdict(self)
        record["terms"] = list(self.terms)
        record["term_names"] = list(self.term_names)
        return record

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> Task:
        """Inverse of `to_dict`."""
        fields = dict(record)
        fields["terms"] = tuple(fields.get("terms", ()))
        fields["term_names"] = tuple(fields.get("term_names", ()))
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


def require_same_tasks(trained: Sequence[Task], given: Sequence[Task]) -> None:
    """Raise ValueError unless both name the same tasks with the same terms in the same order."""
    mine = {task.name: task.terms for task in trained}
    theirs = {task.name: task.terms for task in given if task.num_outputs > 0}
    if mine != theirs:
        differing = sorted(name for name in {*mine, *theirs} if mine.get(name) != theirs.get(name))
        raise ValueError(
            f"the model was made for tasks {list(mine)}, the data have {list(theirs)}; they differ "
            f"in {differing} (names or terms); use the store that the model was trained on"
        )
