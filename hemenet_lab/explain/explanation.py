"""Maps of relevance of an entry, with the residues that they are about."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from hemenet_lab.explain.methods import (
    Floats,
    Target,
    attention,
    integrated_gradients,
    occlusion,
)
from hemenet_lab.model import MultiTaskModule
from hemenet_lab.prediction import Prediction, Predictor, Result, Row, predict_entries
from hemenet_lab.store import Entry
from hemenet_lab.structures import ELEMENT_CLASSES, RESIDUES
from hemenet_lab.tasks import select_tasks

Method = Literal["gradients", "occlusion", "attention"]
SHOWN = 5
"""Residues per map in a notebook's table."""


@dataclass(frozen=True)
class Residue:
    """A node of an entry: a residue, or an atom of a ligand."""

    chain: str
    """Author chain id; empty for a ligand atom."""
    number: int
    """Author numbering; for a ligand atom its place among them, from 1."""
    insertion_code: str
    name: str
    """Three letters; the class of element of a ligand atom."""

    @property
    def shown(self) -> str:
        """Such as ``HIS 57A of chain B``, or ``ligand atom 3 (C)``."""
        if self.name in ELEMENT_CLASSES:
            return f"ligand atom {self.number} ({self.name})"
        return f"{self.name} {self.number}{self.insertion_code} of chain {self.chain}"


@dataclass(frozen=True)
class RelevanceMap:
    """Relevance of every node for one target by one method."""

    task: str
    term: str
    """Id of the term; empty for an affinity, and for attention, which belongs to the task."""
    name: str
    """Name of the term, or the unit of an affinity."""
    method: Method
    values: Floats
    """[nodes]; pKd or log odds, or shares of attention."""
    heads: Floats | None = None
    """[heads, nodes] of attention."""
    change: float = float("nan")
    """Of gradients: what the values add up to, the target less its value without features."""


@dataclass(frozen=True, repr=False)
class Explanation:
    """Predictions for an entry and maps of what they rest on."""

    entry: Entry
    residues: tuple[Residue, ...]
    """[nodes]."""
    maps: tuple[RelevanceMap, ...]
    predictions: tuple[Prediction | Row, ...]
    result: Result | None = None
    """Where a `Predictor` gave the predictions: they have intervals and notes of trust."""
    level: float | None = None
    """Probability of these intervals."""
    models: tuple[str, ...] = ()
    """Names of the checkpoints that predict; the first one is explained."""

    def __repr__(self) -> str:
        told = ", ".join(f"{each.task} {each.term}".strip() for each in self.maps)
        return f"<Explanation of {self.entry.id!r}: maps of {told or 'nothing'}>"

    def _repr_html_(self) -> str:
        """The residues with the largest relevance, for notebooks; everything is escaped."""
        lines = ["<tr><th>task</th><th>term</th><th>method</th><th>largest relevance</th></tr>"]
        for each in self.maps:
            best = np.argsort(-np.abs(each.values), kind="stable")[:SHOWN]
            told = "; ".join(f"{self.residues[k].shown} {each.values[k]:+.3g}" for k in best)
            cells = (each.task, each.term, each.method, told)
            line = "".join(f"<td>{html.escape(cell)}</td>" for cell in cells)
            lines.append(f"<tr>{line}</tr>")
        return f"<b>{html.escape(self.entry.id)}</b><table>{''.join(lines)}</table>"


def explain(
    predictor: Predictor,
    result: Result,
    tasks: Sequence[str] = (),
    *,
    terms: Sequence[str] = (),
    methods: Sequence[Method] = ("gradients",),
    top: int = 1,
    steps: int = 32,
) -> Explanation:
    """Explain what a predictor gave for a structure. Of an ensemble, the first model is explained.

    >>> from hemenet_lab import Predictor
    >>> from hemenet_lab.explain import explain, write_page
    >>> predictor = Predictor("runs/1f2e")  # doctest: +SKIP
    >>> result = predictor.predict("1abc.cif.gz", ligand="lig.sdf")  # doctest: +SKIP
    >>> write_page(explain(predictor, result, ["lba"]), "page.html")  # doctest: +SKIP

    Args:
        predictor: The model or models.
        result: Its predictions.
        tasks, terms, methods, top, steps: As of `explain_entry`.

    Raises:
        ValueError: As `explain_entry`.
    """
    module = predictor.members[0].module
    rows = tuple(result.rows())
    maps = tuple(_maps(module, result.entry, rows, tasks, terms, methods, top, steps))
    return Explanation(
        result.entry,
        tuple(_residues(result.entry)),
        maps,
        rows,
        result,
        predictor.level,
        tuple(member.path.name for member in predictor.members),
    )


def explain_entry(
    module: MultiTaskModule,
    entry: Entry,
    tasks: Sequence[str] = (),
    *,
    terms: Sequence[str] = (),
    methods: Sequence[Method] = ("gradients",),
    top: int = 1,
    steps: int = 32,
) -> Explanation:
    """Explain predictions of an entry by the relevance of its residues.

    Args:
        module: A built module, in evaluation mode.
        entry: The structure.
        tasks: Tasks to explain; if not given, all that have a prediction for this entry.
        terms: Ids of terms; if not given, the ``top`` most probable ones of each task.
        methods: ``gradients``, ``occlusion``, ``attention``.
        top: Terms of each task.
        steps: Points of the path of integrated gradients.

    Raises:
        ValueError: An unknown task, term or method, an affinity without the partner that it is
            about, or attention of a readout that has none.
    """
    predictions = tuple(predict_entries(module, [entry]))
    maps = tuple(_maps(module, entry, predictions, tasks, terms, methods, top, steps))
    return Explanation(entry, tuple(_residues(entry)), maps, predictions)


def _maps(
    module: MultiTaskModule,
    entry: Entry,
    predictions: Sequence[Prediction | Row],
    tasks: Sequence[str],
    terms: Sequence[str],
    methods: Sequence[Method],
    top: int,
    steps: int,
) -> Iterator[RelevanceMap]:
    unknown = sorted({*methods} - {*get_args(Method)})
    if unknown or top < 1:
        raise ValueError(
            f"methods {unknown}, top {top}; methods are {', '.join(get_args(Method))}, top is 1 on"
        )
    present = {each.task for each in predictions}
    wanted = select_tasks(module.tasks, tasks or None)
    absent = [task.name for task in wanted if task.name not in present]
    if tasks and absent:
        raise ValueError(
            f"{entry.id}: no prediction of {absent}, which need a partner (lba a ligand, ppa "
            "partner chains); give it, or choose other tasks"
        )
    wanted = tuple(task for task in wanted if task.name in present)
    known = {term for task in wanted for term in task.terms}
    if {*terms} - known:
        raise ValueError(f"terms {sorted({*terms} - known)} are not among those of the tasks")
    for task in wanted:
        mine = [each for each in predictions if each.task == task.name]
        if "attention" in methods:
            heads = attention(module, entry, task)
            yield RelevanceMap(task.name, "", "", "attention", heads.mean(0), heads)
        best: dict[str, float] = {}
        for each in mine:
            best[each.term] = max(each.value, best.get(each.term, -np.inf))
        chosen = [term for term in best if term in terms] if terms else []
        if not terms or task.kind == "regression":
            chosen = sorted(best, key=lambda term: (-best[term], term))[:top]
        rows = tuple(range(entry.num_chains)) if task.level == "chain" else (0,)
        for term in chosen:
            target = Target(task, task.terms.index(term) if term else 0, rows)
            name = next(each.name for each in mine if each.term == term)
            for method in methods:
                if method == "gradients":
                    values, change = integrated_gradients(module, entry, target, steps)
                    yield RelevanceMap(task.name, term, name, method, values, None, change)
                elif method == "occlusion":
                    values = occlusion(module, entry, target)
                    yield RelevanceMap(task.name, term, name, method, values)


def _residues(entry: Entry) -> Iterator[Residue]:
    atoms = 0
    for node in range(entry.num_nodes):
        kind, chain = int(entry.node_type[node]), int(entry.node_chain[node])
        if chain < 0:
            atoms += 1
            yield Residue("", atoms, "", ELEMENT_CLASSES[kind - len(RESIDUES)])
        else:
            code = int(entry.insertion_code[node])
            number = int(entry.residue_number[node])
            letter = chr(code) if code else ""
            yield Residue(entry.chain_names[chain], number, letter, RESIDUES[kind])
