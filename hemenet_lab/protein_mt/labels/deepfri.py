"""DeepFRI's files: EC numbers and GO terms per chain, and its split lists with identity flags."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hemenet_lab.protein_mt.raw import Problem, chain_name, read_lines, split_chain_name
from hemenet_lab.tasks import BP, CC, EC, MF, Task

Terms = tuple[int, ...]
"""Term indices in ascending order."""


@dataclass(frozen=True)
class FunctionTable:
    """Terms by chain, as an annotation file gives them."""

    tasks: tuple[Task, ...]
    """The file's tasks, with their terms in the order of the file."""
    chains: dict[str, dict[str, Terms]]
    """Chain such as ``1ABC-A`` → task name → indices of its terms; no key without terms."""
    rows: int
    """Chains that the file lists, with or without terms."""
    problems: tuple[Problem, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Reason → rows that were left out on purpose."""
    parts: Mapping[str, Mapping[str, dict[str, Terms]]] = field(default_factory=dict)
    """Chain → UniProt id that the source says its labels belong to (empty for those of which it
    does not) → as in ``chains``; no key for chains without any such id."""

    def support(self, task: str) -> NDArray[np.int64]:
        """[number of terms], how many chains have each term of a task."""
        width = next(found.num_outputs for found in self.tasks if found.name == task)
        terms = [index for labels in self.chains.values() for index in labels.get(task, ())]
        return np.bincount(np.array(terms, dtype=np.int64), minlength=width)


def read_ec(path: str | Path) -> FunctionTable:
    """Reads ``nrPDB-EC_*_annot.tsv``: a header with the EC numbers, then chain and EC numbers.

    Raises:
        ValueError: The header is not that of an EC file.
    """
    return _read(Path(path), (EC,), named=False)


def read_go(path: str | Path) -> FunctionTable:
    """Reads ``nrPDB-GO_*_annot.tsv``: ids and names of MF, BP and CC terms, then a row per chain.

    A branch without a term in a row is not labelled; trailing empty fields may be missing.

    Raises:
        ValueError: The header is not that of a GO file.
    """
    return _read(Path(path), (MF, BP, CC), named=True)


def _read(path: Path, templates: tuple[Task, ...], *, named: bool) -> FunctionTable:
    lines = read_lines(path)
    tasks = tuple(_vocabulary(path, lines, task, named) for task in templates)
    _header(path, lines, "PDB-chain")
    index = [{term: i for i, term in enumerate(task.terms)} for task in tasks]
    chains: dict[str, dict[str, Terms]] = {}
    problems: list[Problem] = []
    rows = 0
    for number, line in lines:
        if not line.strip():
            continue
        rows += 1
        name, *fields = line.split("\t")
        labels, faults = _labels(tasks, index, fields)
        if name in chains:
            faults.append("the chain has an earlier row; its terms are joined")
        chains[name] = _join(chains.get(name, {}), labels)
        problems += [Problem(path.name, number, name, fault) for fault in faults]
    return FunctionTable(tasks, chains, rows, tuple(problems))


def _vocabulary(path: Path, lines: Iterator[tuple[int, str]], task: Task, named: bool) -> Task:
    _header(path, lines, "")
    terms = _fields(next(lines, (0, ""))[1])
    names: list[str] = []
    if named:
        _header(path, lines, "")
        names = _fields(next(lines, (0, ""))[1])
    if not terms or (named and len(names) != len(terms)):
        raise ValueError(
            f"{path}: {len(terms)} {task.name} terms and {len(names)} names of them in its header; "
            "is it the right annotation table?"
        )
    if len(set(terms)) != len(terms):
        twice = next(term for term, count in Counter(terms).items() if count > 1)
        raise ValueError(
            f"{path}: its header lists the {task.name} term {twice} twice; each may be there once"
        )
    return task.with_terms(terms, names)


def _header(path: Path, lines: Iterator[tuple[int, str]], word: str) -> None:
    number, line = next(lines, (0, ""))
    if not line.startswith("###") or word not in line:
        raise ValueError(
            f"{path}, line {number}: found {line[:60]!r}, expected a header line '### {word}…'; "
            "is it one of DeepFRI's nrPDB-EC or nrPDB-GO annotation tables?"
        )


def _fields(line: str) -> list[str]:
    return [field.strip() for field in line.rstrip("\t").split("\t") if field.strip()]


def _labels(
    tasks: tuple[Task, ...], index: list[dict[str, int]], fields: list[str]
) -> tuple[dict[str, Terms], list[str]]:
    labels: dict[str, Terms] = {}
    faults = []
    if any(text.strip() for text in fields[len(tasks) :]):
        faults.append(f"{len(fields)} columns of terms, expected {len(tasks)}")
    for task, known, text in zip(tasks, index, fields, strict=False):
        terms = [term.strip() for term in text.split(",") if term.strip()]
        faults += [f"{term} is not in the header's terms" for term in terms if term not in known]
        found = tuple(sorted({known[term] for term in terms if term in known}))
        if found:
            labels[task.name] = found
    return labels, faults


def _join(left: dict[str, Terms], right: dict[str, Terms]) -> dict[str, Terms]:
    names = left.keys() | right.keys()
    return {
        name: tuple(sorted({*left.get(name, ()), *right.get(name, ())})) for name in sorted(names)
    }


PARTS = {"train": "train", "valid": "val", "test": "test"}
"""Ending of the file's name → name of the part."""


@dataclass(frozen=True)
class DeepfriLists:
    """One of DeepFRI's splits."""

    parts: dict[str, str]
    """Chain such as ``1ABC-A`` → ``train``, ``val`` or ``test``."""
    flags: dict[str, dict[int, bool]] = field(default_factory=dict)
    """Test chain → {30: True where it is below 30 % identity to training, …}."""

    @property
    def limits(self) -> tuple[int, ...]:
        """Identity limits, in percent; none without flags."""
        return tuple(next(iter(self.flags.values()), {}))


def read_lists(folder: str | Path, prefix: str) -> DeepfriLists:
    """Reads the three lists, and the identity flags where ``<prefix>_test.csv`` is there.

    Raises:
        ValueError: A file of another form, or flags that leave out a test chain.
    """
    lists = read_split_lists(folder, prefix)
    parts = {chain: part for part, chains in lists.items() for chain in chains}
    table = Path(folder) / f"{prefix}_test.csv"
    flags = read_identity_flags(table) if table.is_file() else {}
    unknown = sorted(set(lists["test"]) - flags.keys()) if flags else []
    if unknown:
        raise ValueError(f"{table} has no flags for {len(unknown)} test chains, as {unknown[0]}")
    return DeepfriLists(parts, flags)


def read_split_lists(folder: str | Path, prefix: str) -> dict[str, tuple[str, ...]]:
    """Reads ``<prefix>_train.txt``, ``<prefix>_valid.txt`` and ``<prefix>_test.txt``.

    Returns:
        ``train``, ``val`` and ``test`` → chains such as ``1ABC-A``, in file order.

    Raises:
        ValueError: A missing file, or a chain that is listed twice.
    """
    lists = {part: _read_list(Path(folder) / f"{prefix}_{end}.txt") for end, part in PARTS.items()}
    listed = Counter(chain for part in lists.values() for chain in part)
    twice = sorted(chain for chain, count in listed.items() if count > 1)
    if twice:
        raise ValueError(f"{folder}: {prefix} lists chains twice: {', '.join(twice[:5])}")
    return lists


def read_identity_flags(path: str | Path) -> dict[str, dict[int, bool]]:
    """Reads ``<prefix>_test.csv``: which test chains stay below an identity to the training set.

    Returns:
        Chain → {30: flag, 40: flag, ...}; True where the chain's identity to every training chain
        is below that many percent.

    Raises:
        ValueError: A header or a flag of another form.
    """
    path = Path(path)
    lines = [line for _, line in read_lines(path) if line.strip()]
    try:
        header, *rows = list(csv.reader(lines)) or [[]]
    except csv.Error as error:
        raise ValueError(f"{path} is not a table: {error}") from error
    limits = [re.fullmatch(r"<(\d+)%", column.strip()) for column in header[1:]]
    if header[:1] != ["PDB-chain"] or not limits or None in limits:
        raise ValueError(f"{path} has the header {header}, expected PDB-chain,<30%,<40%,…")
    percent = [int(limit[1]) for limit in limits if limit]
    flags: dict[str, dict[int, bool]] = {}
    for chain, *values in filter(None, rows):
        if len(values) != len(percent) or set(values) - {"0", "1"}:
            raise ValueError(f"{path}: chain {chain} has the flags {values}, expected 0 or 1 each")
        flags[_spelled(chain)] = {
            limit: value == "1" for limit, value in zip(percent, values, strict=True)
        }
    return flags


def _read_list(path: Path) -> tuple[str, ...]:
    return tuple(_spelled(line.strip()) for _, line in read_lines(path) if line.strip())


def _spelled(name: str) -> str:
    """The one spelling of a chain; the name as it is where it is none."""
    try:
        return chain_name(*split_chain_name(name))
    except ValueError:
        return name
