"""The checker finds what is on two sides of a split that must not be."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from hemenet_lab.protein_mt.verify.splits import near_copies
from tests.protein_mt.raw_folder import mutated, sequence
from tests.protein_mt.verify.planted import Array, edit, faults, move


@pytest.mark.parametrize(
    ("entries", "names"),
    [
        # 2aaa and 3AAA-A are near-copies with one UniProt id
        (("2aaa",), {"UniProt id", "sequence cluster"}),
        # 1aab and 3AAB-A share a UniProt id only
        (("1aab",), {"UniProt id"}),
        # lba_1aaa and 2aaa have one sequence
        (("lba_1aaa", "3AAA-A"), {"UniProt id", "sequence cluster", "sequence"}),
    ],
)
def test_what_belongs_together_must_not_be_torn(
    damaged: Path, entries: tuple[str, ...], names: set[str]
) -> None:
    with (damaged / "entries.csv").open(encoding="utf-8", newline="") as file:
        parts = {row["id"]: row["taskwise"] for row in csv.DictReader(file)}
    for entry in entries:
        move(damaged, "taskwise", entry, 2 if parts[entry] == "train" else 0)
    found = faults(damaged)
    for what in names:
        assert "split taskwise: " in found[f"no {what} is in two parts"][0]


def test_the_chain_of_a_complex_must_not_be_torn(damaged: Path) -> None:
    ids = (damaged / "id.npy").read_bytes()
    assert b"ppa_1aaa" in ids
    # ppa_1aaa has chains X and Y; as chain A it is the chain of lba_1aaa
    edit(
        damaged, "chain_name", lambda text: np.where(text == ord("X"), ord("A"), text).astype("<u1")
    )
    for entry, part in (("ppa_1aaa", 0), ("lba_1aaa", 2)):
        move(damaged, "taskwise", entry, part)
    assert any(
        "1aaa A is in" in text
        for text in faults(damaged)["no chain of a PDB entry is in two parts"]
    )


def test_unused_entries_may_be_anywhere(damaged: Path) -> None:
    move(damaged, "taskwise", "2aaa", 3)
    move(damaged, "default", "2aaa", 3)
    assert set(faults(damaged)) == {"counts in the manifest"}


def test_near_copies_are_found_without_clusters(damaged: Path) -> None:
    # one chain's residues become those of another, but for a few
    nodes = np.load(damaged / "node_offset.npy")
    with (damaged / "entries.csv").open(encoding="utf-8", newline="") as file:
        parts = {n: row["taskwise"] for n, row in enumerate(csv.DictReader(file))}
    chains = np.load(damaged / "chain_offset.npy")
    single = [n for n in parts if chains[n + 1] - chains[n] == 1 and nodes[n + 1] - nodes[n] == 80]
    here = next(n for n in single if parts[n] == "test")
    there = next(n for n in single if parts[n] == "train")

    def copy(types: Array) -> None:
        types[nodes[here] : nodes[here + 1]] = types[nodes[there] : nodes[there + 1]]
        types[nodes[here] + 40] = (types[nodes[here] + 40] + 1) % 20

    edit(damaged, "node_type", copy)
    found = faults(damaged)["no held-out chain is nearly a training chain"]
    assert any(fault.startswith("split taskwise: held out ") for fault in found)


def test_near_copies() -> None:
    one = sequence(1, 200)
    texts = [one, mutated(one, 4), mutated(one, 30), one[:100], sequence(2, 200), "ACDEF", "ACDEF"]
    assert list(near_copies(texts, [0], [1])) == [(0, 1)]
    assert list(near_copies(texts, [0, 4], [2, 3, 4, 5])) == [(4, 4)]
    assert list(near_copies(texts, [5], [6])) == []
    assert list(near_copies(texts, [], [0])) == []
