"""Prompts of a task: each test item with three training examples, by a template with a version."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hemenet_lab.protein_mt.splits import chain_sequences
from hemenet_lab.store import PARTNER, SPLIT_NAMES, Entry, Store
from hemenet_lab.tasks import LBA, Task

if TYPE_CHECKING:
    from jinja2 import Template

VERSION = "affinity_v1"
"""Name of the template; a changed one gets another."""
EXAMPLES = 3
_PROMPTS = Path(__file__).with_name("prompts")
Message = dict[str, str]


@dataclass(frozen=True)
class Shown:
    """What a prompt shows of a complex: no id, no name."""

    protein: tuple[str, ...]
    """Sequences of its chains."""
    partner: tuple[str, ...]
    """Sequences of the second protein's."""
    ligand: str | None
    """SMILES; None for two proteins."""


@dataclass(frozen=True)
class Question:
    """A test item and its prompt."""

    entry: int
    """Index in the store."""
    id: str
    target: float
    """pKd."""
    messages: tuple[Message, ...]

    @property
    def hash(self) -> str:
        """SHA-256 of the whole prompt."""
        return hashlib.sha256(json.dumps(self.messages).encode()).hexdigest()

    @property
    def letters(self) -> int:
        """Length of the prompt."""
        return sum(len(message["content"]) for message in self.messages)


def questions(store: Store, task: Task, split: str, seed: int) -> list[Question]:
    """A question per labelled test item, in the order of the store.

    The examples are training items, one of each third of the training affinities. They are drawn
    by the seed, and are the same for every item but those that share a sequence cluster (or a
    group that no split tears apart) with one of them, which get the next ones drawn.

    Args:
        store: The entries.
        task: An affinity: ``lba`` or ``ppa``.
        split: Name of the split.
        seed: Of the draw.

    Raises:
        ValueError: No labelled test item, too few training items, or no SMILES in the store.
    """
    codes, column = store.split(split), [known.name for known in store.tasks].index(task.name)
    parts = {
        name: np.flatnonzero(store.labelled[:, column] & (codes == SPLIT_NAMES.index(name)))
        for name in ("train", "test")
    }
    if not len(parts["test"]) or len(parts["train"]) < EXAMPLES:
        raise ValueError(
            f"{task.name}: split {split!r} of {store.path} has {len(parts['test'])} labelled test "
            f"items and {len(parts['train'])} training items; a question and {EXAMPLES} examples "
            "are needed"
        )
    from hemenet_lab.benchmark.references import smiles_of  # slow to import

    smiles = smiles_of(store) if task.name == LBA.name else {}
    kin = _clusters(store)
    thirds = _drawn(store, task, parts["train"], seed)
    found = []
    for index in parts["test"].tolist():
        chosen = _examples(thirds, kin, index)
        if len(chosen) < EXAMPLES:
            raise ValueError(
                f"{task.name}: only {len(chosen)} training items share no sequence cluster with "
                f"{store.ids[index]}, {EXAMPLES} examples are needed; choose another split"
            )
        entry = store[index]
        examples = [(_shown(store[at], smiles), store[at].values[task.name]) for at in chosen]
        messages = _render(_shown(entry, smiles), examples)
        found.append(Question(index, entry.id, entry.values[task.name], messages))
    return found


def _drawn(store: Store, task: Task, train: NDArray[np.int64], seed: int) -> list[list[int]]:
    """Training items of each third of the affinities, in the order in which they are taken."""
    values = np.array([store[int(index)].values[task.name] for index in train])
    order = np.argsort(values, kind="stable")
    key = int.from_bytes(hashlib.sha256(f"{seed}/{task.name}".encode()).digest()[:8], "big")
    rng = np.random.default_rng(key)
    return [rng.permutation(train[part]).tolist() for part in np.array_split(order, EXAMPLES)]


def _examples(
    thirds: Sequence[Sequence[int]], kin: Sequence[frozenset[Any]], index: int
) -> list[int]:
    """The first item of each third that is no kin; of a neighbouring third where there is none."""
    chosen: list[int] = []
    for place in range(len(thirds)):
        near = sorted(range(len(thirds)), key=lambda other: (abs(other - place), other))
        free = (
            at
            for third in near
            for at in thirds[third]
            if at not in chosen and not kin[at] & kin[index]
        )
        chosen += [at for at in [next(free, None)] if at is not None]
    return chosen


def _clusters(store: Store) -> list[frozenset[Any]]:
    """Clusters of each entry's chains, as far as the store tells, and its group."""
    found: dict[str, set[Any]] = {name: set() for name in store.ids}
    for row in _rows(store.path / "chains.csv"):
        if row["id"] in found and row["cluster"] not in ("", "-1"):
            found[row["id"]].add(row["cluster"])
    groups = store.groups.tolist()
    return [
        frozenset({*found[name], ("group", group)})
        for name, group in zip(store.ids, groups, strict=True)
    ]


def _rows(path: Path) -> Iterator[Mapping[str, str]]:
    if path.is_file():
        with path.open(newline="", encoding="utf-8") as stream:
            yield from csv.DictReader(stream)


def _shown(entry: Entry, smiles: Mapping[str, str]) -> Shown:
    partner = {int(chain) for chain in np.unique(entry.node_chain[entry.entity == PARTNER])}
    sequences = chain_sequences(entry)
    sides: tuple[list[str], list[str]] = [], []
    for chain, sequence in enumerate(sequences):
        if sequence:
            sides[chain in partner].append(sequence)
    if partner:
        return Shown(tuple(sides[0]), tuple(sides[1]), None)
    if entry.id not in smiles:
        raise ValueError(
            f"the store has no SMILES of the ligand of {entry.id}, which a prompt shows; build the "
            "store again (`hemenet data build`), which writes ligands.csv"
        )
    return Shown(tuple(sides[0]), (), smiles[entry.id])


def _render(item: Shown, examples: Sequence[tuple[Shown, float]]) -> tuple[Message, ...]:
    system, template = _templates()
    text = template.render(item=item, examples=examples)
    return {"role": "system", "content": system}, {"role": "user", "content": text}


@cache
def _templates() -> tuple[str, Template]:
    from jinja2 import Environment, StrictUndefined

    text = (_PROMPTS / f"{VERSION}.txt").read_text(encoding="utf-8")
    system, _, question = text.partition("=== question\n")
    environment = Environment(undefined=StrictUndefined, autoescape=False)
    return system.strip(), environment.from_string(question)
