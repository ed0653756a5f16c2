"""Checks of labels within a store: masks, ranges, vocabularies, counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemenet_lab.protein_mt.verify.store import PARTS, Check, RawStore, check

AFFINITIES, OF_CHAINS = ("lba", "ppa"), ("ec", "mf", "bp", "cc")
"""The tasks of Protein-MT, by level."""
PK_RANGE = (-5.0, 20.0)
"""From 100 M to 10⁻²⁰ M, beyond anything that is measured."""


def check_labels(store: RawStore) -> Iterator[Check]:
    """Everything about labels that the store itself can contradict."""
    yield _ids(store)
    yield _vocabularies(store)
    yield _values(store)
    yield from _terms(store)
    yield _mask(store)
    yield _full_label(store)
    yield _counts(store)


def rows_of(store: RawStore, level: str) -> NDArray[np.int64]:
    """[rows], entry of each row of a level."""
    return np.repeat(np.arange(store.size), np.diff(store.offsets(level)))


def _ids(store: RawStore) -> Check:
    twice = [name for name, count in Counter(store.ids).items() if count > 1]
    faults = [f"entry {name} is there more than once" for name in twice]
    if len(store.ids) != store.size:
        faults.append(f"{len(store.ids)} ids for {store.size} entries")
    faults += [f"an entry has the id {name!r}" for name in store.ids if not name]
    return check("labels", "ids are unique", store.size, faults)


def _vocabularies(store: RawStore) -> Check:
    faults = []
    for task in store.tasks:
        terms, names = task["terms"], task["term_names"]
        if len(set(terms)) != len(terms) or (names and len(names) != len(terms)):
            faults.append(f"{task['name']}: {len(set(terms))} terms, {len(terms)} outputs")
        faults += [f"{task['name']} has an empty term"] if "" in terms else []
    return check("labels", "terms are unique, names fit them", len(store.tasks), faults)


def _values(store: RawStore) -> Check:
    task, value = (np.asarray(store.array(name)) for name in ("value_task", "value"))
    task, entry = task.astype(np.int64), rows_of(store, "value")
    chain, chains = _value_chains(store), np.diff(store.offsets("chain"))[entry]
    keys = list(zip(entry.tolist(), task.tolist(), chain.tolist(), strict=True))
    rows = Counter(keys)
    wrong = np.array([rows[key] > 1 for key in keys], dtype=bool)
    for index, found in enumerate(store.tasks):
        low, high = _range(found)
        mine = task == index
        of_chain = found["level"] == "chain"
        placed = (chain >= 0) & (chain < chains) if of_chain else chain == -1
        good = placed & np.isfinite(value) & (value >= low) & (value <= high)
        wrong |= mine if found["kind"] != "regression" else mine & ~good
    wrong |= (task < 0) | (task >= len(store.tasks))
    faults = [
        f"entry {store.ids[row]}: value {number} of task {index}"
        for row, number, index in zip(entry[wrong], value[wrong], task[wrong], strict=True)
    ]
    return check("labels", "values are finite and in their task's range", len(value), faults)


def _value_chains(store: RawStore) -> NDArray[np.int64]:
    """[values], chain of each value; -1, the complex, in stores that know no other."""
    if "value_chain.npy" in store.files:
        return np.asarray(store.array("value_chain")).astype(np.int64)
    return np.full(len(store.array("value")), -1, dtype=np.int64)


def _range(task: dict[str, Any]) -> tuple[float, float]:
    """Lowest and highest value: the task's own, that of a pK, or any."""
    if task.get("range"):
        return float(task["range"][0]), float(task["range"][1])
    return PK_RANGE if task["name"] in AFFINITIES else (-np.inf, np.inf)


def _terms(store: RawStore) -> Iterator[Check]:
    task, chain, ends = (
        np.asarray(store.array(f"term_row_{name}")).astype(np.int64)
        for name in ("task", "chain", "end")
    )
    term, entry = np.asarray(store.array("term")), rows_of(store, "term_row")
    chains = np.diff(store.offsets("chain"))[entry]
    width = np.array([len(found["terms"]) for found in store.tasks])
    multilabel = np.array([found["kind"] == "multilabel" for found in store.tasks])
    exists = (task >= 0) & (task < len(width))
    of_complex = np.array([found["level"] == "complex" for found in store.tasks])
    of_complex = of_complex[np.where(exists, task, 0)]
    wrong = ~exists | np.where(of_complex, chain != -1, (chain < 0) | (chain >= chains))
    wrong[exists] |= ~multilabel[task[exists]]
    rows = Counter(zip(entry.tolist(), task.tolist(), chain.tolist(), strict=True))
    faults = [f"entry {store.ids[e]}: a row of terms for a chain or task it has not"
              for e in np.unique(entry[wrong])]  # fmt: skip
    faults += [
        f"entry {store.ids[e]}: two rows for one chain" for (e, *_), n in rows.items() if n > 1
    ]
    yield check("labels", "rows of terms belong to chains and tasks", len(task), faults)
    counts = np.diff(ends, prepend=0)
    whole = (counts > 0).all() and (ends[-1] if len(ends) else 0) == len(term)
    faults = [] if whole else ["rows of terms are empty, or do not cover the terms"]
    if whole:
        row = np.repeat(np.arange(len(task)), counts)
        bad = (term < 0) | (term >= width[np.clip(task, 0, len(width) - 1)][row])
        bad[1:] |= (np.diff(row) == 0) & (np.diff(term) <= 0)
        faults += [
            f"entry {store.ids[e]}: terms out of range or order" for e in np.unique(entry[row[bad]])
        ]
    yield check("labels", "terms exist and ascend", len(term), faults)


def recount(store: RawStore) -> NDArray[np.int64]:
    """[n, T], labelled items of each entry and task, counted from the labels themselves."""
    found = np.zeros((store.size, len(store.tasks)), dtype=np.int64)
    for level, name in (("value", "value_task"), ("term_row", "term_row_task")):
        task = np.asarray(store.array(name)).astype(np.int64)
        good = (task >= 0) & (task < len(store.tasks))
        np.add.at(found, (rows_of(store, level)[good], task[good]), 1)
    return found


def _mask(store: RawStore) -> Check:
    mask, found = np.asarray(store.array("num_labels")), recount(store)
    if mask.shape != found.shape:
        return check("labels", "masks", 1, [f"num_labels is {mask.shape}, not {found.shape}"])
    wrong = np.flatnonzero((mask != found).any(axis=1))
    faults = [f"entry {store.ids[e]}: mask {mask[e]}, labels {found[e]}" for e in wrong]
    nothing = np.flatnonzero(found.sum(axis=1) == 0)
    faults += [f"entry {store.ids[e]} has no label at all" for e in nothing]
    return check("labels", "masks are those of the labels", store.size, faults)


def _full_label(store: RawStore) -> Check:
    """An affinity, and a label of every chain-level task on every chain with a UniProt id."""
    chain_tasks = [i for i, task in enumerate(store.tasks) if task["name"] in OF_CHAINS]
    names = ("term_row_task", "term_row_chain")
    task, chain = (np.asarray(store.array(name)).tolist() for name in names)
    labelled = set(zip(rows_of(store, "term_row").tolist(), task, chain, strict=True))
    known: dict[int, bool] = {}
    first = store.offsets("chain").tolist()
    for place, (entry, _, uniprot) in enumerate(store.chains):
        if uniprot:
            here = all((entry, t, place - first[entry]) in labelled for t in chain_tasks)
            known[entry] = known.get(entry, True) and here
    affinity = [i for i, task in enumerate(store.tasks) if task["name"] in AFFINITIES]
    valued = set(rows_of(store, "value")[np.isin(store.array("value_task"), affinity)].tolist())
    flags = np.asarray(store.array("full_label")).tolist()
    faults = [
        f"entry {store.ids[entry]}: full_label is {flag}"
        for entry, flag in enumerate(flags)
        if flag != (entry in valued and known.get(entry, False))
    ]
    return check("labels", "full-label marks", store.size, faults)


def _counts(store: RawStore) -> Check:
    """The manifest's numbers of labelled items per split, part and task."""
    splits: dict[str, Any] = store.manifest.get("counts", {}).get("splits", {})
    found, faults = recount(store), []
    for name, said in splits.items():
        codes = store.split(name) if name in store.splits else np.full(store.size, -1)
        for code, part in enumerate(PARTS):
            items = found[codes == code].sum(axis=0).tolist()
            told = [said[part][task["name"]]["items"] for task in store.tasks]
            if items != told or said[part]["all"] != int((codes == code).sum()):
                faults.append(f"{name}, {part}: the manifest says {told}, there are {items}")
    return check("labels", "counts in the manifest", len(splits) * len(PARTS), faults)
