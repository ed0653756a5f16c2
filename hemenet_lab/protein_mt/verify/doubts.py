"""Chains that may be other proteins than their names say, found by common 5-mers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from hemenet_lab.protein_mt.verify.store import Check, RawStore, check

LENGTH = 5
SHORTEST = 30
"""Known residues; shorter chains are not compared."""
COMMON = 11
"""5-mers that a segment of 30 residues at 90 % identity keeps at least: 26 less five for each of
three changes. Unrelated proteins have none or one in common."""
Kmers = frozenset[str]


def kmers(sequence: str) -> Kmers:
    """The different 5-mers of known residues."""
    words = (sequence[start : start + LENGTH] for start in range(len(sequence) - LENGTH + 1))
    return frozenset(word for word in words if "X" not in word)


def check_doubts(store: RawStore) -> Iterator[Check]:
    """Chains of one UniProt id have a segment in common; and what the build noted of entries."""
    yield _same_proteins(store)
    noted = store.manifest.get("doubts", {}).get("entries", [])
    doubts = [f"entry {row['id']}: {row['note']}" for row in noted]
    yield check("labels", "residues are those of SEQRES", len(store.chains), (), doubts)


def _same_proteins(store: RawStore) -> Check:
    of_name: dict[str, dict[str, tuple[int, str]]] = defaultdict(dict)
    for (entry, chain, names), text in zip(store.chains, store.sequences, strict=True):
        if len(names) == 1 and len(text) - text.count("X") >= SHORTEST:
            of_name[next(iter(names))].setdefault(text, (entry, chain))
    several = {name: found for name, found in of_name.items() if len(found) > 1}
    doubts = [doubt for name in sorted(several) for doubt in _apart(store, name, several[name])]
    title = "chains of one UniProt id have a segment in common"
    return check("labels", title, len(several), (), doubts)


def _apart(store: RawStore, name: str, chains: dict[str, tuple[int, str]]) -> Iterator[str]:
    """Sequences of an id that are in no group with the largest number of them."""
    groups: list[list[tuple[str, Kmers]]] = []
    for text in chains:
        words = kmers(text)
        near = [
            group for group in groups if any(len(words & other) >= COMMON for _, other in group)
        ]
        joined = [(text, words), *(member for group in near for member in group)]
        groups = [group for group in groups if group not in near] + [joined]
    main, *others = sorted(groups, key=len, reverse=True)
    for group in others:
        (text, words), (other, common) = group[0], main[0]
        (entry, chain), (there, its) = chains[text], chains[other]
        yield (
            f"{name}: {store.ids[entry]} chain {chain} and {store.ids[there]} chain {its} have "
            f"{len(words & common)} of {min(len(words), len(common))} 5-mers in common: the wrong "
            "protein, or parts of one that is cut"
        )
