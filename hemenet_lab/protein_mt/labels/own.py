"""Own tasks from a YAML file, and their labels from tables of one's own."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from hemenet_lab.protein_mt.labels.affinity import split_chains
from hemenet_lab.protein_mt.raw import DropRow, Row, entry_code, number_text, read_table
from hemenet_lab.store import WHOLE, Entry
from hemenet_lab.tasks import PROTEIN_MT, Task

FIELDS = ("name", "level", "kind", "title", "unit", "range", "transform", "terms")
COLUMNS = ("chain", "task", "value", "terms", "partner_chains")
"""Columns of a table beside ``id``; any other one may have the name of a task."""


@dataclass(frozen=True)
class OwnLabel:
    """One label of a table."""

    id: str
    chain: str
    """Author chain id; empty where the table names none."""
    task: str
    value: float = 0.0
    terms: tuple[str, ...] = ()
    place: str = ""
    """File and line, for people."""
    given: str = ""
    """The id as the table has it."""


@dataclass(frozen=True)
class OwnLabels:
    """Own tasks with their terms, and every label that the tables have."""

    tasks: tuple[Task, ...]
    labels: dict[str, tuple[OwnLabel, ...]]
    """Entry → its labels."""
    partners: dict[str, tuple[str, ...]]
    """Entry → author ids of its partner's chains, where a table names them."""
    drops: tuple[DropRow, ...]
    rows: dict[str, int]
    """Table → number of its rows."""
    told: set[tuple[str, str]] = field(default_factory=set)
    """Place and task of the labels that were used, or have a row of their own that says why not."""

    def apply(self, entry: Entry, code: str, drops: list[DropRow]) -> Entry:
        """The entry with its labels; those that do not fit it become rows of ``drops``.

        Args:
            entry: One's own structure, or one of the benchmark.
            code: Its PDB code, or its id.
            drops: Is added to.
        """
        values = dict(entry.values)
        chain_values = {task: dict(found) for task, found in entry.chain_values.items()}
        terms = {task: dict(found) for task, found in entry.terms.items()}
        tasks = {task.name: task for task in self.tasks}
        for label in self._of(entry, code):
            task = tasks[label.task]
            chain, reason = _chain_of(entry, task, label)
            if reason and entry.kind != "user":
                continue  # another entry of this code may have the chain
            self.told.add((label.place, label.task))
            if reason:
                text = f"label not used: {label.place}, {reason}"
                drops.append(DropRow(entry.id, task.name, "label", text))
            elif task.kind == "multilabel":
                index = sorted(task.terms.index(term) for term in label.terms)
                terms.setdefault(task.name, {})[chain] = np.array(index, dtype=np.int32)
            elif task.level == "complex":
                values[task.name] = label.value
            else:
                chain_values.setdefault(task.name, {})[chain] = label.value
        return replace(entry, values=values, chain_values=chain_values, terms=terms)

    def _of(self, entry: Entry, code: str) -> Iterator[OwnLabel]:
        """Labels of an entry: by its id, or by its PDB code and, for a single chain, the chain."""
        [chain] = entry.chain_names if entry.kind == "chain" else ("",)
        # ids in small letters cannot tell the chains 6HHQ-h and 6HHQ-H apart
        named = self.labels.get(entry.id.lower(), ())
        yield from (label for label in named if label.given.endswith(chain))
        if code != entry.id.lower():
            of_code = self.labels.get(code, ())
            yield from (label for label in of_code if not chain or label.chain == chain)

    def homeless(self, ids: Iterable[str]) -> Iterator[DropRow]:
        """Rows for the labels that no entry has, after all were applied.

        Args:
            ids: Entries, and PDB codes of entries, that have a structure file.
        """
        known = set(ids)
        for name, labels in sorted(self.labels.items()):
            for label in labels:
                if name not in known:
                    yield DropRow(name, label.task, "label", "label without a structure file")
                elif (label.place, label.task) not in self.told:
                    reason = f"label not used: {label.place}, no stored entry has its chain"
                    yield DropRow(name, label.task, "label", reason)


def _chain_of(entry: Entry, task: Task, label: OwnLabel) -> tuple[int, str]:
    """Index of the labelled chain, and what is wrong with the label if anything is."""
    names = ", ".join(entry.chain_names)
    if task.level == "complex":
        return WHOLE, ""
    if label.chain in entry.chain_names:
        return entry.chain_names.index(label.chain), ""
    if label.chain:
        return WHOLE, f"chain {label.chain!r} is not among the protein chains {names}"
    if entry.num_chains == 1:
        return 0, ""
    return WHOLE, f"no chain is named, and the structure has the chains {names}"


def read_own(tasks: str | Path, tables: Sequence[str | Path]) -> OwnLabels:
    """Reads own tasks and their labels.

    A table has the columns ``id`` and, for labels of chains, ``chain``. A label stands in a column
    with the name of its task; or in ``value`` (regression) or ``terms`` (multi-label, between
    semicolons), and then the task is that of the column ``task``, or the only one, or the one that
    has the file's name.

    Raises:
        ValueError: Tasks or a table of another form; says which and what is expected.
    """
    known = {task.name: task for task in _tasks(Path(tasks))}
    if not tables:
        raise ValueError("own tasks need a table of labels: give --table labels.csv")
    found: dict[tuple[str, str, str], OwnLabel] = {}
    partners: dict[str, tuple[str, ...]] = {}
    drops: list[DropRow] = []
    counts: dict[str, int] = {}
    for path in map(Path, tables):
        counts[path.name] = 0
        for row in read_table(path, ("id",), (*COLUMNS, *known)):
            counts[path.name] += 1
            _check_columns(path, row, known)
            code, place = entry_code(row["id"]), f"{path.name} line {row.line}"
            if row["partner_chains"]:
                partners.setdefault(code, split_chains(row["partner_chains"]))
            try:
                labels = list(_labels(row, path, known, code, place))
            except ValueError as error:
                drops.append(
                    DropRow(code or "*", "*", "label", f"row not usable: {place}, {error}")
                )
                continue
            for label in labels:
                chain = label.chain if known[label.task].level == "chain" else ""
                if found.setdefault((code, chain, label.task), label) is not label:
                    reason = f"label not used: {place}, another row has it already"
                    drops.append(DropRow(code, label.task, "label", reason))
    by_entry: dict[str, list[OwnLabel]] = {}
    for label in found.values():
        by_entry.setdefault(label.id, []).append(label)
    return OwnLabels(
        tuple(_with_terms(task, found.values()) for task in known.values()),
        {name: tuple(labels) for name, labels in by_entry.items()},
        partners,
        tuple(drops),
        counts,
    )


def _tasks(path: Path) -> Iterator[Task]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeError, yaml.YAMLError) as error:
        raise ValueError(f"cannot read the tasks {path}: {error}") from error
    records = content.get("tasks", [content]) if isinstance(content, dict) else content
    if not isinstance(records, list) or not records:
        raise ValueError(f"{path} has no tasks; expected a list `tasks:` with name, level and kind")
    names: list[str] = []
    for record in records:
        task = _task(path, record)
        if task.name in (*names, *(known.name for known in PROTEIN_MT), *COLUMNS, "id"):
            raise ValueError(f"{path}: the name {task.name!r} is taken; choose another")
        names.append(task.name)
        yield task


def _task(path: Path, record: Any) -> Task:
    if not isinstance(record, dict) or not {"name", "level", "kind"} <= record.keys():
        raise ValueError(f"{path}: task {record!r}; it needs name, level and kind")
    unknown = sorted(set(map(str, record)) - set(FIELDS))
    if unknown:
        raise ValueError(f"{path}: {', '.join(unknown)}; a task may have {', '.join(FIELDS)}")
    fields = {name: value for name, value in record.items() if value is not None}
    if fields["kind"] == "regression":
        fields.setdefault("transform", "standardise")
    try:
        for name in ("name", "level", "kind", "title", "unit", "transform"):
            if name in fields:
                fields[name] = str(fields[name])
        if "terms" in fields:
            fields["terms"] = tuple(map(str, fields["terms"]))
        return Task.from_dict(fields)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from error


def _check_columns(path: Path, row: Row, known: dict[str, Task]) -> None:
    if not {"value", "terms", *known} & row.cells.keys():
        raise ValueError(
            f"{path} has the columns {list(row.cells)}; expected one called value, terms or as a "
            f"task ({', '.join(known)})"
        )


def _labels(
    row: Row, path: Path, known: dict[str, Task], code: str, place: str
) -> Iterator[OwnLabel]:
    if not code:
        raise ValueError("no id")
    if row.fault:
        raise ValueError(row.fault)
    cells = {name: row[name] for name in known if row[name]}
    if row["value"] or row["terms"]:
        name = row["task"] or (next(iter(known)) if len(known) == 1 else path.name.split(".")[0])
        if name not in known:
            raise ValueError(f"task {name!r}; allowed: {', '.join(known)} (column task)")
        cells[name] = row["terms" if known[name].kind == "multilabel" else "value"]
    if not any(cells.values()):
        raise ValueError("no label")
    for name, text in cells.items():
        label = OwnLabel(code, row["chain"], name, place=place, given=row["id"].strip())
        if known[name].kind == "regression":
            yield replace(label, value=_value(known[name], text))
        else:
            yield replace(label, terms=_terms(known[name], text))


def _value(task: Task, text: str) -> float:
    try:
        value = float(number_text(text))
    except ValueError:
        raise ValueError(f"{task.name} {text!r} is not a number") from None
    low, high = task.range or (-math.inf, math.inf)
    if not (math.isfinite(value) and low <= value <= high):
        raise ValueError(f"{task.name} {text} is outside {low:g} to {high:g} {task.unit}".rstrip())
    if task.transform == "log" and value <= 0:
        raise ValueError(f"{task.name} {text} has no logarithm; it must be above 0")
    return value


def _terms(task: Task, text: str) -> tuple[str, ...]:
    terms = tuple(dict.fromkeys(term.strip() for term in text.split(";") if term.strip()))
    unknown = [term for term in terms if task.terms and term not in task.terms]
    if unknown or not terms:
        raise ValueError(f"{task.name} {unknown or text!r}; its terms are {list(task.terms)}")
    return terms


def _with_terms(task: Task, labels: Iterable[OwnLabel]) -> Task:
    """The task with the terms that occur, where its file gives none."""
    if task.kind == "regression" or task.terms:
        return task
    return task.with_terms(sorted({t for label in labels if label.task == task.name
                                   for t in label.terms}))  # fmt: skip
