"""What a language model reads of each chain: its letters, with X for what is not known."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hemenet_lab.store import Entry
from hemenet_lab.structures import ONE_LETTER, UNKNOWN_RESIDUE

LONGEST_GAP = 100
"""Most letters X for one gap. Longer steps are rarely missing residues: numbers jump from one part
of a fusion protein to the next, and by thousands."""
UNKNOWN = ONE_LETTER[UNKNOWN_RESIDUE]
_LETTERS = np.frombuffer(ONE_LETTER.encode(), dtype=np.uint8)
_KINDS = np.zeros(128, dtype=np.int32)
_KINDS[_LETTERS] = np.arange(len(_LETTERS))


@dataclass(frozen=True)
class ChainText:
    """The letters of a chain, and where its residues are among them."""

    text: str
    node: NDArray[np.int64]
    """[residues], nodes of the entry, in the order of the chain."""
    letter: NDArray[np.int64]
    """[residues], letter of ``text`` that each of them is."""


def text_key(text: str) -> bytes:
    """SHA-256 of a chain's letters, 32 bytes."""
    return hashlib.sha256(text.encode()).digest()


def chain_texts(entry: Entry) -> tuple[ChainText, ...]:
    """Letters of each chain [C]; those without residues have none.

    Where the deposited sequence is known, they are the whole of it. Elsewhere there is an X for
    each residue that is missing between two others, as ``sequence_index`` tells, `LONGEST_GAP` at
    most, and nothing stands for what is missing at the ends.
    """
    found = []
    for chain in range(entry.num_chains):
        node = entry.residues_of(chain)
        sequence = entry.chain_sequence[chain] if entry.chain_sequence else ""
        letter = _observed(sequence)
        text = np.frombuffer(sequence.upper().encode(), dtype=np.uint8).copy()
        if len(letter) != len(node):  # there is none, or the entry has lost residues since
            step = np.diff(entry.sequence_index[node].astype(np.int64))
            step = np.clip(step, 1, LONGEST_GAP + 1)
            letter = np.concatenate([[0], np.cumsum(step)])[: len(node)].astype(np.int64)
            size = int(letter[-1]) + 1 if len(letter) else 0
            text = np.full(size, ord(UNKNOWN), dtype=np.uint8)
        kind = entry.node_type[node].astype(np.int64)
        text[letter] = _LETTERS[np.minimum(kind, UNKNOWN_RESIDUE)]
        found.append(ChainText(text.tobytes().decode(), node, letter))
    return tuple(found)


def _observed(sequence: str) -> NDArray[np.int64]:
    """Places of the capital letters."""
    letters = np.frombuffer(sequence.encode(), dtype=np.uint8)
    return np.flatnonzero(letters < ord("a")).astype(np.int64)


def chain_letters(entry: Entry) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Letters of all chains, one after the other, and where the residues are among them.

    Returns:
        [letters, 2]: index into `ONE_LETTER`, and 1 for the first letter of a chain, else 0. And
        [residues]: letter of each, in the order of the entry's nodes.
    """
    row, number = _residues(entry)
    chains = chain_texts(entry)
    starts = np.cumsum([0, *(len(chain.text) for chain in chains)])
    text = np.frombuffer("".join(chain.text for chain in chains).encode(), dtype=np.uint8)
    letters = np.stack([_KINDS[text], np.zeros(len(text), dtype=np.int32)], axis=1)
    place = np.zeros(number, dtype=np.int64)
    for chain, start in zip(chains, starts.tolist(), strict=False):
        place[row[chain.node]] = start + chain.letter
        if chain.text:
            letters[start, 1] = 1
    return letters, place


def residue_rows(
    entry: Entry, rows: Mapping[str, NDArray[np.float16]], width: int
) -> NDArray[np.float16]:
    """Embeddings of an entry's residues, [residues, width], in the order of its nodes.

    Args:
        entry: The structure.
        rows: Embeddings of all letters by text, [letters, width].
        width: Of an embedding.
    """
    row, number = _residues(entry)
    result = np.zeros((number, width), dtype=np.float16)
    for chain in chain_texts(entry):
        if chain.text:
            result[row[chain.node]] = rows[chain.text][chain.letter]
    return result


def _residues(entry: Entry) -> tuple[NDArray[np.int64], int]:
    """Number of each residue among the residues, [N], and how many there are."""
    is_residue = entry.node_chain >= 0
    return np.cumsum(is_residue) - 1, int(is_residue.sum())
