"""Label transfer, derived once more: which labels belong to a UniProt id, and so to its chains."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from hemenet_lab.protein_mt.verify.derive import Chain, chain_of
from hemenet_lab.protein_mt.verify.splits import pdb_code
from hemenet_lab.protein_mt.verify.store import Check, RawStore, check

Parts = Mapping[tuple[Chain, str], Mapping[str, set[str]]]
"""Chain and the UniProt id that the source names, or nothing → task → terms."""
Uniprot = Mapping[Chain, set[str]]


def without_ids(chains: Mapping[Chain, Mapping[str, set[str]]]) -> Parts:
    """The labels of a table that names no UniProt ids."""
    return {(place, ""): labels for place, labels in chains.items()}


def carriers(parts: Parts, uniprot: Uniprot, task: str) -> dict[str, dict[str, set[Chain]]]:
    """UniProt id → term → chains of the tables by which the id has the term.

    The tables name the id, or the chain has no other one: what is known of a fusion of two proteins
    tells nothing about either.
    """
    found: dict[str, dict[str, set[Chain]]] = defaultdict(lambda: defaultdict(set))
    for (place, named), labels in parts.items():
        owners = {named} if named else uniprot.get(place, set())
        if len(owners) == 1:
            for term in labels.get(task, ()):
                found[next(iter(owners))][term].add(place)
    return found


def check_transfer(
    store: RawStore,
    task: str,
    parts: Parts,
    stored: Mapping[tuple[int, str], set[str]],
    uniprot: Uniprot,
) -> Iterator[Check]:
    """Every chain has its own terms and those of its UniProt ids, and each has a true source.

    Args:
        store: The store.
        task: Name of the task.
        parts: Labels of the tables.
        stored: (entry, chain) → terms in the store.
        uniprot: Chain → UniProt ids; empty where labels are not shared.
    """
    own: dict[Chain, set[str]] = defaultdict(set)
    for (place, _), labels in parts.items():
        own[place] |= labels.get(task, set())
    by_id = carriers(parts, uniprot, task)
    faults = []
    for entry, chain, _ in store.chains:
        place = pdb_code(store.ids[entry]), chain
        wanted = own[place].union(*(by_id.get(name, {}) for name in uniprot.get(place, ())))
        found = stored.get((entry, chain), set())
        if found != wanted:
            faults.append(
                f"entry {store.ids[entry]}, chain {chain}: {len(found)} terms, "
                f"{len(found ^ wanted)} of them not as in the table"
            )
    yield check("raw", f"{task} labels of every chain are those of the table", len(stored), faults)
    rows = [row for row in store.table("labels.csv") if row["task"] == task]
    yield check(
        "raw",
        f"{task} labels have the sources that labels.csv names",
        len(rows),
        _sources(store, rows, own, by_id, stored, uniprot),
    )


def _sources(
    store: RawStore,
    rows: list[dict[str, str]],
    own: Mapping[Chain, set[str]],
    by_id: Mapping[str, Mapping[str, set[Chain]]],
    stored: Mapping[tuple[int, str], set[str]],
    uniprot: Uniprot,
) -> Iterator[str]:
    number = {name: index for index, name in enumerate(store.ids)}
    listed: dict[tuple[int, str], set[str]] = defaultdict(set)
    for row in rows:
        place, source, term = (
            (pdb_code(row["id"]), row["chain"]),
            chain_of(row["source"]),
            row["term"],
        )
        listed[number.get(row["id"], -1), row["chain"]].add(term)
        way, _, name = row["route"].partition(" ")
        if way == "own":
            true = source == place and term in own.get(place, ())
        else:
            true = name in uniprot.get(place, ()) and source in by_id.get(name, {}).get(term, ())
        if not true:
            yield f"entry {row['id']}, chain {row['chain']}: {term} not from {row['source']}"
    for key in listed.keys() | stored.keys():
        if listed.get(key) != stored.get(key):
            yield f"entry {store.ids[key[0]]}, chain {key[1]}: labels.csv has other terms"
