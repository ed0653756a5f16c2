"""Own tasks' labels, derived once more from their tables, without the code of the build."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hemenet_lab.protein_mt.verify.against_raw import label_digest
from hemenet_lab.protein_mt.verify.derive import code_of, rows_of_table
from hemenet_lab.protein_mt.verify.labels import AFFINITIES, OF_CHAINS, rows_of
from hemenet_lab.protein_mt.verify.splits import pdb_code
from hemenet_lab.protein_mt.verify.store import Check, RawStore, check

Label = float | frozenset[str]
Key = tuple[int, str, str]
"""Entry, chain (empty for the complex) and task."""


def check_own(store: RawStore, tables: Iterable[Path]) -> Iterator[Check]:
    """The tables are those of the build, and every own label is one of theirs, and the other way.

    Args:
        store: The store.
        tables: The tables of labels that it was built from.
    """
    tables = list(tables)
    said = store.manifest["sources"].get("given_files", {})
    faults = [
        f"{path.name} is not a file that the store was built from"
        for path in tables
        if said.get(path.name) != label_digest(path)
    ]
    yield check("raw", "own tables are those of the build", len(tables), faults)
    own = {
        task["name"]: task for task in store.tasks if task["name"] not in (*AFFINITIES, *OF_CHAINS)
    }
    wanted = _wanted(store, own, tables)
    found = _stored(store, own)
    differing = [
        f"entry {store.ids[entry]}{f', chain {chain}' if chain else ''}, {task}: "
        f"{_shown(found.get((entry, chain, task)))}, the tables say "
        f"{' or '.join(map(_shown, wanted.get((entry, chain, task), [None])))}"
        for entry, chain, task in sorted(wanted.keys() | found.keys())
        if not any(
            _same(found.get((entry, chain, task)), label)
            for label in wanted.get((entry, chain, task), [None])
        )
    ]
    yield check("raw", "own labels are those of the tables", len(found), differing)


def _wanted(
    store: RawStore, own: Mapping[str, dict[str, Any]], tables: Iterable[Path]
) -> dict[Key, list[Label | None]]:
    """What the tables say; several labels where two rows name one chain in two ways."""
    entries: dict[str, list[int]] = defaultdict(list)
    for entry, name in enumerate(store.ids):
        for key in {name.lower(), pdb_code(name)}:
            entries[key].append(entry)
    chains: dict[int, list[str]] = defaultdict(list)
    for entry, chain, _ in store.chains:
        chains[entry].append(chain)
    first: dict[tuple[str, str, str], Label] = {}
    given: dict[tuple[str, str, str], str] = {}
    for path in tables:
        for row in rows_of_table(path):
            row = {name.casefold(): text for name, text in row.items()}
            for name, label in _labels(row, path, own):
                chain = row.get("chain", "") if own[name]["level"] == "chain" else ""
                place = code_of(row["id"]), chain, name
                if first.setdefault(place, label) is label:
                    given[place] = row["id"].strip()
    wanted: dict[Key, list[Label | None]] = defaultdict(list)
    for (code, chain, name), label in first.items():
        for entry in entries[code]:
            single = store.kinds[entry] == "chain"
            if single and code == store.ids[entry].lower():
                if not given[code, chain, name].endswith(chains[entry][0]):
                    continue  # the other one of two chains that differ in capitals
            elif single and chain != chains[entry][0]:
                continue
            if own[name]["level"] == "complex":
                wanted[entry, "", name].append(label)
            elif chain in chains[entry]:
                wanted[entry, chain, name].append(label)
            elif not chain and len(chains[entry]) == 1:
                wanted[entry, chains[entry][0], name].append(label)
    return wanted


def _labels(
    row: Mapping[str, str], path: Path, own: Mapping[str, dict[str, Any]]
) -> Iterator[tuple[str, Label]]:
    """Task and label of each usable cell; of a row with one that is not usable nothing counts."""
    cells = {name: row.get(name.casefold(), "") for name in own}
    if row.get("value") or row.get("terms"):
        only = next(iter(own)) if len(own) == 1 else path.name.split(".")[0]
        name = row.get("task") or only
        if name not in own:
            return
        kind = "terms" if own[name]["kind"] == "multilabel" else "value"
        cells[name] = row.get(kind, "")
    try:
        labels = [(name, _label(own[name], text)) for name, text in cells.items() if text]
    except ValueError:
        return
    yield from labels


def _label(task: Mapping[str, Any], text: str) -> Label:
    if task["kind"] == "multilabel":
        terms = frozenset(term.strip() for term in text.split(";")) - {""}
        if not terms or not terms <= set(task["terms"]):
            raise ValueError(text)
        return terms
    if not re.fullmatch(r"[+-]?(\d+[.,]?\d*|[.,]\d+)([eE][+-]?\d+)?", text):
        raise ValueError(text)
    value = float(text.replace(",", "."))
    low, high = task.get("range") or (-math.inf, math.inf)
    if not (math.isfinite(value) and low <= value <= high):
        raise ValueError(text)
    if task.get("transform") == "log" and value <= 0:
        raise ValueError(text)
    return value


def _stored(store: RawStore, own: Mapping[str, dict[str, Any]]) -> dict[Key, Label]:
    """What the store has."""
    names = [task["name"] for task in store.tasks]
    first = store.offsets("chain").tolist()

    def key(entry: int, chain: int, task: int) -> Key:
        place = store.chains[first[entry] + chain][1] if chain >= 0 else ""
        return entry, place, names[task]

    found: dict[Key, Label] = {}
    values = np.asarray(store.array("value")).tolist()
    of_value = [-1] * len(values)
    if "value_chain.npy" in store.files:
        of_value = np.asarray(store.array("value_chain")).tolist()
    tasks = np.asarray(store.array("value_task")).tolist()
    for entry, chain, task, value in zip(
        rows_of(store, "value").tolist(), of_value, tasks, values, strict=True
    ):
        found[key(entry, chain, task)] = value
    columns = [np.asarray(store.array(f"term_row_{n}")).tolist() for n in ("chain", "task", "end")]
    terms, start = np.asarray(store.array("term")).tolist(), 0
    for entry, chain, task, end in zip(rows_of(store, "term_row").tolist(), *columns, strict=True):
        known = store.tasks[task]["terms"]
        found[key(entry, chain, task)] = frozenset(known[index] for index in terms[start:end])
        start = end
    return {place: label for place, label in found.items() if place[2] in own}


def _same(found: Label | None, wanted: Label | None) -> bool:
    if isinstance(found, float) and isinstance(wanted, float):
        return math.isclose(found, wanted, rel_tol=1e-12)
    return found == wanted


def _shown(label: Label | None) -> str:
    if label is None:
        return "nothing"
    return ", ".join(sorted(label)) if isinstance(label, frozenset) else f"{label:g}"
