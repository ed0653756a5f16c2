"""Predictions against labels of one's own: the suite's metrics with their intervals."""

from __future__ import annotations

import base64
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hemenet_lab.basics import write_csv
from hemenet_lab.calibration import expected_error, reliability
from hemenet_lab.metrics import METRICS, bootstrap
from hemenet_lab.prediction import Result
from hemenet_lab.protein_mt.raw import Row, entry_code, number_text, read_table
from hemenet_lab.tasks import Task

Floats = NDArray[np.float64]
Item = tuple[str, str, str]
"""Task, entry and chain; no chain for a task of complexes."""
COLUMNS = ("chain", "task", "value", "terms")
NAMED = 5
"""Ids, terms or rows that a message names."""
EVERY = {"regression": "all affinities", "multilabel": "all terms"}


@dataclass(frozen=True)
class Score:
    """One metric of one task, or of all of a kind."""

    task: str
    metric: str
    value: float | None
    low: float | None
    """Ends of the 95 % interval, by the bootstrap over the labelled items."""
    high: float | None
    n: int
    """Labelled items."""


@dataclass
class Comparison:
    """Labels of a table, and the predictions that meet them.

    Args:
        tasks: What the model predicts.
        level: Probability of the intervals of affinities.
    """

    tasks: Sequence[Task]
    level: float = 0.9
    labels: dict[Item, Any] = field(default_factory=dict)
    """Value, or the places of the terms that the model has."""
    unknown_terms: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Task and term → labels that have it."""
    unusable: list[str] = field(default_factory=list)
    """Labels that could not be used, with file, line and reason."""
    found: dict[Item, tuple[NDArray[np.float32], float | None]] = field(default_factory=dict)
    """Prediction of each label that met one, and half of its interval."""
    repeats: int = 0
    """Predictions of further models and poses, which are not compared."""
    entries: set[str] = field(default_factory=set)
    """Entries that were predicted."""

    def read(self, path: Path) -> Comparison:
        """Take in a table, with the columns of own labels (``id``, ``chain`` and tasks).

        Raises:
            ValueError: The table has another form, or not a label that this model predicts.
        """
        known = {task.name: task for task in self.tasks}
        expected = (
            "a table of labels has the column id, chain for labels of chains, and columns called "
            f"as tasks ({', '.join(known)}), or task with value or terms"
        )
        for row in read_table(path, ("id",), (*COLUMNS, *known), expected=expected):
            for problem in self._problems(row, known):
                self.unusable.append(f"{path.name} line {row.line}: {problem}")
        if not self.labels:
            why = f"; {self.unusable[0]}" if self.unusable else ""
            raise ValueError(f"{path} has no label that this model predicts{why} ({expected})")
        return self

    def take(self, results: Iterable[Result]) -> dict[str, Any] | None:
        """Keep the predictions that meet a label.

        Returns:
            Them as plain values, for `restore`; None without any.
        """
        kept = {}
        for result in results:
            entry = entry_code(result.entry.id)
            self.entries.add(entry)
            for task, chain, place in _places(result):
                item = self._labelled(task, entry, chain, result.entry.num_chains)
                if item is None:
                    continue
                if item in self.found:
                    self.repeats += 1
                    continue
                estimate = result.estimates[task]
                values = estimate.value[place].astype(np.float32)
                self.found[item] = (values, estimate.half_width)
                text = base64.b64encode(values.tobytes()).decode("ascii")
                kept["\t".join(item)] = [text, estimate.half_width]
        return {"entries": sorted({entry_code(r.entry.id) for r in results}), "found": kept}

    def restore(self, kept: dict[str, Any] | None) -> None:
        """Take in what `take` gave, in a run before."""
        if kept is None:
            return
        self.entries.update(kept["entries"])
        for text, (values, half) in kept["found"].items():
            task, entry, chain = text.split("\t")
            array = np.frombuffer(base64.b64decode(values), np.float32)
            self.found[task, entry, chain] = (array, half)

    def scores(self) -> Iterator[Score]:
        """Metrics of each task with labelled predictions, then of all affinities and all terms."""
        groups: dict[str, list[tuple[str, Floats, Floats]]] = {"regression": [], "multilabel": []}
        units = {task.unit for task in self.tasks if task.kind == "regression"}
        for task in self.tasks:
            items = sorted(item for item in self.found if item[0] == task.name)
            if not items:
                yield Score(task.name, "-", None, None, None, 0)
                continue
            prediction = np.stack([self.found[item][0] for item in items]).astype(np.float64)
            target = np.stack([_target(task, self.labels[item]) for item in items])
            yield from _metrics(task.name, task, prediction, target)
            if task.kind == "regression":
                halves = [self.found[item][1] for item in items]
                yield from _coverage(task.name, self.level, prediction, target, halves)
            else:
                error = expected_error(reliability(prediction, target))
                yield Score(task.name, "calibration_error", error, None, None, len(items))
            groups[task.kind].append((task.name, prediction, target))
        for kind, parts in groups.items():
            if len(parts) < 2 or (kind == "regression" and len(units) > 1):
                continue
            width = max(prediction.shape[1] for _, prediction, _ in parts)
            prediction = np.concatenate([_padded(rows, width) for _, rows, _ in parts])
            target = np.concatenate([_padded(rows, width) for _, _, rows in parts])
            task = next(t for t in self.tasks if t.kind == kind)
            yield from _metrics(EVERY[kind], task, prediction, target)

    def notes(self) -> Iterator[str]:
        """What did not meet, counted and named, a line each."""
        yield f"{len(self.found)} of {len(self.labels)} labels met a prediction"
        if self.unusable:
            yield f"{len(self.unusable)} labels not usable: {_list(self.unusable)}"
        if self.unknown_terms:
            names = [f"{term} ({task})" for task, term in sorted(self.unknown_terms)]
            yield (
                f"{len(names)} terms that the model does not have, in "
                f"{sum(self.unknown_terms.values())} labels, are not counted: {_list(names)}"
            )
        labelled = {entry for _, entry, _ in self.labels}
        if missing := sorted(labelled - self.entries):
            yield f"{len(missing)} labelled ids without a prediction: {_list(missing)}"
        if without := sorted(self.entries - labelled):
            yield f"{len(without)} predicted ids without a label: {_list(without)}"
        lost = [
            f"{entry} {chain or '(no chain named)'} {task}".replace("  ", " ")
            for task, entry, chain in sorted(self.labels.keys() - self.found.keys())
            if entry in self.entries
        ]
        if lost:
            yield (
                f"{len(lost)} labels of predicted ids met nothing (no such chain, or the complex "
                f"lacks the partner of the task): {_list(lost)}"
            )
        if self.repeats:
            yield f"{self.repeats} predictions of further models or poses are not compared"

    # --- details --------------------------------------------------------------------------------

    def _problems(self, row: Row, known: dict[str, Task]) -> Iterator[str]:
        """Take in the labels of a row, and say what is wrong with the others."""
        entry = entry_code(row["id"])
        cells = {name: row[name] for name in known if row[name]}
        if row["value"] or row["terms"]:
            name = row["task"] or (next(iter(known)) if len(known) == 1 else "")
            if name not in known:
                yield f"task {name!r}; this model predicts {', '.join(known)}"
                return
            cells[name] = row["value" if known[name].kind == "regression" else "terms"]
        if row.fault or not entry or not cells:
            yield row.fault or ("no label" if entry else "no id")
            return
        for name, text in cells.items():
            task = known[name]
            item = (name, entry, row["chain"] if task.level == "chain" else "")
            try:
                label = _value(text) if task.kind == "regression" else self._terms(task, text)
            except ValueError as error:
                yield f"{name}: {error}"
                continue
            if label is None:
                yield f"{name}: the model has none of its terms"
            elif self.labels.setdefault(item, label) is not label:
                yield f"{name}: an earlier row has it already"

    def _terms(self, task: Task, text: str) -> list[int] | None:
        places = {term: place for place, term in enumerate(task.terms)}
        terms = dict.fromkeys(each.strip() for each in text.split(";") if each.strip())
        self.unknown_terms.update((task.name, term) for term in terms if term not in places)
        return [places[term] for term in terms if term in places] or None

    def _labelled(self, task: str, entry: str, chain: str, chains: int) -> Item | None:
        """The label of a prediction; one that names no chain is that of the only one."""
        named = (task, entry, chain)
        if named in self.labels:
            return named
        unnamed = (task, entry, "")
        return unnamed if chains == 1 and unnamed in self.labels else None


def show_scores(comparison: Comparison, out: Path | None) -> None:
    """Print the scores of a comparison and what did not meet, and write them beside a table.

    Args:
        comparison: All predictions are in it.
        out: The table; ``<its stem>.metrics.csv`` is written.
    """
    from rich.console import Console
    from rich.table import Table

    scores = list(comparison.scores())
    shown = Table(caption="interval: 95 % bootstrap over the n labelled items")
    for name in ("task", "metric"):
        shown.add_column(name)
    for name in ("value", "interval", "n"):
        shown.add_column(name, justify="right")
    for each in scores:
        value = "absent" if each.value is None else f"{each.value:.3f}"
        interval = "" if each.low is None else f"{each.low:.3f} to {each.high:.3f}"
        shown.add_row(each.task, each.metric, value, interval, str(each.n))
    Console().print(shown)
    for note in comparison.notes():
        print(f"hemenet: labels: {note}", file=sys.stderr)
    if out is not None:
        with out.with_name(f"{out.stem}.metrics.csv").open("w", newline="") as stream:
            write_csv(stream, [field.name for field in fields(Score)], map(asdict, scores))


def _places(result: Result) -> Iterator[tuple[str, str, int]]:
    """Task, chain and row of every prediction."""
    for name, estimate in result.estimates.items():
        of_chain = estimate.task.level == "chain"
        for place in range(len(estimate.value)):
            yield name, result.entry.chain_names[place] if of_chain else "", place


def _value(text: str) -> float:
    try:
        value = float(number_text(text))
    except ValueError:
        raise ValueError(f"{text!r} is not a number") from None
    if not np.isfinite(value):
        raise ValueError(f"{text} is not finite")
    return value


def _target(task: Task, label: Any) -> Floats:
    if task.kind == "regression":
        return np.array([label], np.float64)
    target = np.zeros(len(task.terms))
    target[label] = 1
    return target


def _padded(rows: Floats, width: int) -> Floats:
    return np.pad(rows, ((0, 0), (0, width - rows.shape[1])))


def _metrics(name: str, task: Task, prediction: Floats, target: Floats) -> Iterator[Score]:
    for metric, info in METRICS.items():
        if info.kind != task.kind or (info.test_only and name != task.name):
            continue
        if info.has_interval:
            yield Score(name, metric, *bootstrap(metric, prediction, target))
            continue
        made: Any = info.make(task)
        made.update(*map(torch.from_numpy, (prediction, target)), torch.ones(len(target)).bool())
        value, n = made.compute()
        yield Score(name, metric, value, None, None, n)


def _coverage(
    name: str,
    level: float,
    prediction: Floats,
    target: Floats,
    halves: Sequence[float | None],
) -> Iterator[Score]:
    """Share of labels inside their intervals, if there are any, and its 95 % interval (Wilson)."""
    if any(half is None for half in halves):
        return
    from scipy.stats import binomtest  # slow to import

    inside = np.abs(prediction - target)[:, 0] <= np.array(halves, np.float64) + 1e-6
    n = len(inside)
    known = binomtest(int(inside.sum()), n).proportion_ci(0.95, "wilson")
    share = float(inside.mean())
    yield Score(name, f"interval_{level:.0%}_coverage", share, known.low, known.high, n)


def _list(names: Sequence[str]) -> str:
    more = f", and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
