"""What a language model reads of a chain: gaps, unknown residues, order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hemenet_lab.embeddings import chain_texts, residue_rows
from hemenet_lab.structures import ONE_LETTER, UNKNOWN_RESIDUE
from hemenet_lab.testing.moves import permute_entry
from tests.store.entries import random_entry

LYS, GLY = ONE_LETTER.index("K"), ONE_LETTER.index("G")


def chain_of(kinds: list[int], positions: list[int]):  # type: ignore[no-untyped-def]
    """An entry whose first chain has these residues, and a second one of two glycines."""
    entry = random_entry(0, chains=(len(kinds), 2), ligand=2)
    return replace(
        entry,
        node_type=np.array([*kinds, GLY, GLY, 22, 23], dtype=np.int8),
        sequence_index=np.array([*positions, 0, 1, 0, 0], dtype=np.int32),
    )


@pytest.mark.parametrize(
    ("positions", "text"),
    [
        ([0, 1, 2], "KGX"),
        ([5, 6, 7], "KGX"),  # nothing stands for what is missing at the ends
        ([0, 3, 4], "KXXGX"),
        ([0, 1, 9000], "KG" + 100 * "X" + "X"),  # numbers that jump are no missing residues
        ([0, 0, 1], "KGX"),  # a step of none is one to the next residue
    ],
)
def test_gaps_are_filled_by_position(positions: list[int], text: str) -> None:
    first, second = chain_texts(chain_of([LYS, GLY, UNKNOWN_RESIDUE], positions))
    assert (first.text, second.text) == (text, "GG")
    assert [text[place] for place in first.letter] == ["K", "G", "X"]
    assert first.node.tolist() == [0, 1, 2]
    assert second.node.tolist() == [3, 4]


def test_order_of_nodes_does_not_matter() -> None:
    entry = random_entry(3, chains=(20, 9), ligand=4)
    moved = permute_entry(entry, 1)
    assert {c.text for c in chain_texts(moved)} == {c.text for c in chain_texts(entry)}
    rows = {c.text: np.arange(len(c.text), dtype=np.float16)[:, None] for c in chain_texts(entry)}
    for one in (entry, moved):
        found = residue_rows(one, rows, 1)[:, 0]
        polymer = np.flatnonzero(one.node_chain >= 0)
        for chain in chain_texts(one):
            at = np.searchsorted(polymer, chain.node)
            assert found[at].tolist() == chain.letter.tolist()


def test_a_chain_without_residues_has_no_text() -> None:
    entry = random_entry(0, chains=(3,), ligand=0)
    bare = replace(entry, chain_names=("A", "B"))
    assert [len(chain.text) > 0 for chain in chain_texts(bare)] == [True, False]
    rows = {c.text: np.ones((len(c.text), 2), dtype=np.float16) for c in chain_texts(bare)}
    assert residue_rows(bare, rows, 2).shape == (3, 2)
