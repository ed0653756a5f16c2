"""Predictions of another program for the items of a store, read from a table."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from hemenet_lab.benchmark.references.items import item_names
from hemenet_lab.benchmark.references.rows import (
    Predicted,
    ReferenceRow,
    best_scores,
    by_task,
    rows_less_best,
)
from hemenet_lab.protein_mt.raw import Row, entry_code, number_text, read_table
from hemenet_lab.store import Store
from hemenet_lab.tasks import Task

Place = tuple[str, str, str]
"""Task, entry and chain; no chain for a task of complexes."""
NAMED = 3
"""Rows or ids that a message names."""


@dataclass
class Predictions:
    """Values of a table by item, and what could not be used of it."""

    name: str
    found: dict[Place, dict[str, float]] = field(default_factory=dict)
    """Item → term → value; the term of an affinity is empty."""
    unusable: list[str] = field(default_factory=list)
    """Rows that could not be used, with line and reason."""


def read_predictions(path: Path, store: Store) -> Predictions:
    """Read another program's predictions.

    The table has the column ``id``, ``chain`` for tasks of chains, and values in columns called as
    tasks, or ``task`` and ``value``; a value of a multi-label task stands beside its ``term``. What
    `hemenet predict` writes is such a table.

    Raises:
        ValueError: The table has another form, or no prediction of a task of the store.
    """
    tasks = {task.name: task for task in store.tasks}
    expected = (
        "a table of predictions has the column id, chain for tasks of chains, and values in "
        f"columns called as tasks ({', '.join(tasks)}), or task, value and, for terms, term"
    )
    result = Predictions(path.stem)
    columns = ("chain", "task", "term", "value", *tasks)
    for row in read_table(path, ("id",), columns, expected=expected):
        for problem in _problems(row, tasks, result.found):
            result.unusable.append(f"line {row.line}: {problem}")
    if not result.found:
        why = f"; {result.unusable[0]}" if result.unusable else ""
        raise ValueError(f"{path} has no prediction of a task of {store.path}{why} ({expected})")
    return result


def _problems(
    row: Row, tasks: Mapping[str, Task], found: dict[Place, dict[str, float]]
) -> Iterator[str]:
    """Take in the values of a row, and say what is wrong with the others."""
    cells = {name: row[name] for name in tasks if row[name]}
    if row["value"]:
        name = row["task"] or (next(iter(tasks)) if len(tasks) == 1 else "")
        if name not in tasks:
            yield f"task {name!r}; the store has {', '.join(tasks)}"
            return
        cells[name] = row["value"]
    if row.fault or not row["id"] or not cells:
        yield row.fault or ("no value" if row["id"] else "no id")
        return
    for name, text in cells.items():
        task = tasks[name]
        term = row["term"] if task.kind == "multilabel" else ""
        if task.kind == "multilabel" and term not in task.terms:
            yield f"{name}: no such term: {term!r}"
            continue
        try:
            value = float(number_text(text))
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            yield f"{name}: {text!r} is no finite number"
            continue
        place = name, entry_code(row["id"]), row["chain"] if task.level == "chain" else ""
        if found.setdefault(place, {}).setdefault(term, value) is not value:
            yield f"{name}: an earlier row has it already"


def rows_of_another(
    predictions: Predictions, store: Store, references: Iterable[Predicted], against: str = ""
) -> tuple[list[ReferenceRow], list[str]]:
    """Scores of another program's predictions, and of the best plain method on the same items.

    An item counts if the table has it; a term that a present chain lacks counts as 0.

    Args:
        predictions: Of the table.
        store: The one that the references are of.
        references: Predictions of the plain methods.
        against: Name of the method whose scores are subtracted; the best of each score if empty.

    Returns:
        The rows, and what did not meet, a line each.
    """
    rows: list[ReferenceRow] = []
    notes: list[str] = []
    met: set[Place] = set()
    for task, methods in by_task(references).items():
        places = [
            next((p for p in candidates if p in predictions.found), None)
            for candidates in _names(store, methods[0])
        ]
        has = np.array([place is not None for place in places])
        met.update(place for place in places if place is not None)
        if not has.any():
            continue
        if not has.all():
            notes.append(f"{task}: {(~has).sum()} of {len(has)} items are not in the table")
        kept = [_part(method, has) for method in methods]
        terms = methods[0].items.task.terms if methods[0].items.task.kind == "multilabel" else ("",)
        values = [
            [predictions.found[place].get(term, 0.0) for term in terms]
            for place in places
            if place is not None
        ]
        mine = replace(kept[0], method=predictions.name, values=np.array(values, dtype=np.float64))
        rows += rows_less_best(predictions.name, [mine], best_scores(kept, against))
    for what, lines in (
        ("rows could not be used", predictions.unusable),
        ("predictions meet no item judged here", _texts(predictions.found.keys() - met)),
    ):
        if lines:
            more = f" and {len(lines) - NAMED} more" if len(lines) > NAMED else ""
            notes.append(f"{len(lines)} {what}: {'; '.join(lines[:NAMED])}{more}")
    return rows, notes


def _part(predicted: Predicted, which: np.ndarray) -> Predicted:
    """The predictions of some of the items."""
    arrays = {name: getattr(predicted, name)[which] for name in ("values", "tested", "groups")}
    return replace(predicted, **arrays)


def _names(store: Store, predicted: Predicted) -> Iterator[list[Place]]:
    """Names of each item in a table: its id with and without the kind before it."""
    items, tested = predicted.items, predicted.tested
    task = items.task.name
    entries = items.entry[tested].tolist()
    for entry, (id, name) in zip(entries, item_names(store, items, tested), strict=True):
        chains = [name, ""] if name and store[entry].num_chains == 1 else [name]
        ids = (id, id.removeprefix(f"{task}_"))
        yield [(task, entry_code(each), chain) for each in ids for chain in chains]


def _texts(places: Iterable[Place]) -> list[str]:
    return [" ".join(part for part in place if part) for place in sorted(places)]
