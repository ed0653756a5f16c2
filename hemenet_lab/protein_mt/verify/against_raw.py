"""Checks of a store against the raw files that it was built from."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from hemenet_lab.protein_mt.verify.derive import (
    Annotations,
    Chain,
    affinities,
    lines_of,
    sifts_labels,
    uniprot_of_chains,
)
from hemenet_lab.protein_mt.verify.labels import rows_of
from hemenet_lab.protein_mt.verify.splits import pdb_code
from hemenet_lab.protein_mt.verify.store import PARTS, Check, RawStore, check
from hemenet_lab.protein_mt.verify.transfer import check_transfer, without_ids

TASKS_OF_TABLE = {"EC": ("ec",), "GO": ("mf", "bp", "cc")}


def check_raw(store: RawStore, raw: Path) -> Iterator[Check]:
    """Contents of the label files, UniProt ids, affinities, terms and split lists.

    Args:
        store: The store.
        raw: The raw folder that it was built from.
    """
    files = {name: raw / name for name in store.manifest["sources"]["label_files"]}
    yield _unchanged(store, files)
    missing = [name for name, path in files.items() if not path.is_file()]
    if missing:
        return
    uniprot: dict[Chain, set[str]] = {}
    for name, path in files.items():
        if Path(name).name.startswith("pdb_chain_uniprot"):
            uniprot = uniprot_of_chains(path)
    yield _uniprot(store, uniprot)
    yield from _affinities(store, files)
    if store.manifest["settings"]["labels"] == "sifts":
        yield from _sifts(store, files, uniprot)
    else:
        yield from _annotations(store, files, uniprot)
    yield _lists(store, files)


def _unchanged(store: RawStore, files: dict[str, Path]) -> Check:
    said = store.manifest["sources"]["label_files"]
    faults = []
    for name, path in files.items():
        if not path.is_file():
            faults.append(f"{name} is missing")
        elif label_digest(path) != said[name]:
            faults.append(f"{name} is not the file that the store was built from")
    return check("raw", "label files are those of the build", len(files), faults)


def label_digest(path: Path) -> str:
    """What the build records of a file of labels; empty for one that is not there."""
    if not path.is_file():
        return ""
    content = hashlib.sha256(path.read_bytes()).digest()
    return hashlib.sha256(b"\0" + content).hexdigest()


def _uniprot(store: RawStore, known: dict[Chain, set[str]]) -> Check:
    faults = [
        f"entry {store.ids[entry]}, chain {chain}: {sorted(found)}, SIFTS has {sorted(said)}"
        for entry, chain, found in store.chains
        if found != (said := known.get((pdb_code(store.ids[entry]), chain), set()))
    ]
    return check("raw", "UniProt ids are those of SIFTS", len(store.chains), faults)


def _affinities(store: RawStore, files: dict[str, Path]) -> Iterator[Check]:
    task, value = (np.asarray(store.array(name)).tolist() for name in ("value_task", "value"))
    entry = rows_of(store, "value").tolist()
    bounds = bool(store.manifest["settings"]["keep_censored"])
    for index, found in enumerate(store.tasks):
        if found["kind"] != "regression":
            continue
        short = {"lba": ("pl", "PL"), "ppa": ("pp", "PP")}.get(found["name"])
        if short is None:
            continue
        paths = [path for name, path in files.items() if f"INDEX_general_{short[1]}" in name]
        paths = [path for name, path in files.items() if name == f"{short[0]}_affinity.csv"] + paths
        said = affinities(paths, bounds)
        stored = {e: v for e, t, v in zip(entry, task, value, strict=True) if t == index}
        faults = [
            f"entry {name}: {stored.get(number)}, the raw files say {wanted}"
            for number, (name, kind) in enumerate(zip(store.ids, store.kinds, strict=True))
            if kind == found["name"]
            and not _same(stored.get(number), wanted := said.get(pdb_code(name)))
        ]
        yield check(
            "raw", f"{found['name']} affinities are those of the files", len(stored), faults
        )


def _same(found: float | None, wanted: float | None) -> bool:
    if found is None or wanted is None:
        return found is wanted
    return math.isclose(found, wanted, abs_tol=1e-9)


def _annotations(
    store: RawStore, files: dict[str, Path], uniprot: dict[Chain, set[str]]
) -> Iterator[Check]:
    """Terms and labels of each annotation table of DeepFRI that the store was built from."""
    labels = _stored_labels(store)
    for table, tasks in TASKS_OF_TABLE.items():
        path = next((path for name, path in files.items() if f"nrPDB-{table}_" in name
                     and "_annot.tsv" in name), None)  # fmt: skip
        if path is None:
            continue
        source = Annotations(path, tasks)
        terms = {task["name"]: task["terms"] for task in store.tasks}
        faults = [
            f"{task}: {len(terms[task])} terms, the table has {len(source.terms[task])}"
            for task in tasks
            if terms[task] != source.terms[task]
        ]
        faults += _row_counts(store, source, tasks)
        yield check("raw", f"{table} terms and rows are those of the table", source.rows, faults)
        share = bool(store.manifest["settings"]["transfer"])
        for task in tasks:
            parts, known = without_ids(source.chains), uniprot if share else {}
            yield from check_transfer(store, task, parts, labels[task], known)


def _sifts(
    store: RawStore, files: dict[str, Path], uniprot: dict[Chain, set[str]]
) -> Iterator[Check]:
    """Terms and labels that were made from SIFTS's own tables."""
    settings = store.manifest["settings"]
    dropped = [row["id"] for row in store.table("drops.csv") if row["stage"] == "entry"]
    items = [*store.ids, *dropped]
    single = {(pdb_code(name), name.partition("-")[2]) for name in items if "-" in name}
    chains, kept = sifts_labels(files, settings, {pdb_code(name) for name in items}, single)
    faults = [
        f"{task['name']}: {len(task['terms'])} terms, the tables give {len(kept[task['name']])}"
        for task in store.tasks
        if task["name"] in kept and set(task["terms"]) != kept[task["name"]]
    ]
    yield check("raw", "terms are those with enough chains in SIFTS", len(kept), faults)
    stored = _stored_labels(store)
    for task in kept:
        share = uniprot if settings["transfer"] else {}
        yield from check_transfer(store, task, chains, stored[task], share)


def _row_counts(store: RawStore, source: Annotations, tasks: tuple[str, ...]) -> Iterator[str]:
    said: dict[str, Any] = store.manifest["counts"]["label_files"]
    for task in tasks:
        labelled = sum(bool(terms[task]) for terms in source.chains.values())
        if said[task] != {"rows": source.rows, "labelled": labelled}:
            yield f"{task}: the manifest says {said[task]}, the table has {source.rows}, {labelled}"


def _stored_labels(store: RawStore) -> dict[str, dict[tuple[int, str], set[str]]]:
    """Task → (entry, chain) → terms."""
    task, chain, end = (
        np.asarray(store.array(f"term_row_{name}")).tolist() for name in ("task", "chain", "end")
    )
    term, first = np.asarray(store.array("term")).tolist(), store.offsets("chain").tolist()
    found: dict[str, dict[tuple[int, str], set[str]]] = {t["name"]: {} for t in store.tasks}
    start = 0
    for row, entry in enumerate(rows_of(store, "term_row").tolist()):
        name, terms = store.tasks[task[row]]["name"], store.tasks[task[row]]["terms"]
        place = store.chains[first[entry] + chain[row]][1]
        found[name][entry, place] = {terms[index] for index in term[start : end[row]]}
        start = end[row]
    return found


def _lists(store: RawStore, files: dict[str, Path]) -> Check:
    """DeepFRI's splits hold the chains of their lists, and no others."""
    faults, looked_at = [], 0
    for table in TASKS_OF_TABLE:
        split = f"deepfri_{table.lower()}"
        if split not in store.splits:
            continue
        wanted = dict.fromkeys(store.ids, "unused")
        for end, part in (("train", "train"), ("valid", "val"), ("test", "test")):
            for name, path in files.items():
                if f"nrPDB-{table}_" in name and name.endswith(f"_{end}.txt"):
                    listed = {line.strip() for line in lines_of(path)}
                    wanted |= {chain: part for chain in store.ids if chain in listed}
        codes = store.split(split).tolist()
        looked_at += len(codes)
        faults += [
            f"split {split}: {name} is in {PARTS[code]}, the lists say {wanted[name]}"
            for name, code in zip(store.ids, codes, strict=True)
            if PARTS[code] != wanted[name]
        ]
    return check("raw", "DeepFRI's splits are its lists", looked_at, faults)
