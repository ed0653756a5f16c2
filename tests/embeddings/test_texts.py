"""What a language model reads of a chain: gaps, unknown residues, order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hemenet_lab.embeddings import chain_letters, chain_texts, residue_rows
from hemenet_lab.graphs.build import crop_entry
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


def test_the_deposited_sequence_is_read_whole() -> None:
    entry = chain_of([LYS, GLY, UNKNOWN_RESIDUE], [0, 3, 4])
    known = replace(entry, chain_sequence=("mKwwGXk", ""))
    first, second = chain_texts(known)
    assert (first.text, second.text) == ("MKWWGXK", "GG")
    assert first.letter.tolist() == [1, 4, 5]
    assert first.node.tolist() == [0, 1, 2]
    # the letters of residues are always the structure's, also of a mutant made by hand
    mutant = replace(known, node_type=np.where(entry.node_type == GLY, LYS, entry.node_type))
    assert chain_texts(mutant)[0].text == "MKWWKXK"
    # an entry that has lost residues is read as one without a sequence
    lost = replace(known, node_chain=np.where(np.arange(7) == 2, -1, known.node_chain))
    assert chain_texts(lost)[0].text == "KXXG"


def test_a_cropped_entry_has_no_whole_sequence() -> None:
    entry = random_entry(3, chains=(20, 9), ligand=4)
    known = replace(entry, chain_sequence=tuple(f"w{text}" for text in entry.sequences))
    assert crop_entry(known, 100.0) == known
    cropped = crop_entry(known, 3.0)
    assert cropped.num_nodes < known.num_nodes
    assert cropped.chain_sequence == ()
    moved = permute_entry(known, 1)
    assert {c.text for c in chain_texts(moved)} == {c.text for c in chain_texts(known)}


def test_letters_of_all_chains() -> None:
    known = replace(chain_of([LYS, GLY, LYS], [0, 3, 4]), chain_sequence=("mKGKa", ""))
    letters, place = chain_letters(known)
    assert "".join(ONE_LETTER[kind] for kind in letters[:, 0]) == "MKGKAGG"
    assert letters[:, 1].tolist() == [1, 0, 0, 0, 0, 1, 0]
    assert place.tolist() == [1, 2, 3, 5, 6]
