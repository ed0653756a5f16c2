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

    Between two residues whose ``sequence_index`` tells of a gap there is an X for each that is
    missing, `LONGEST_GAP` at most. Nothing stands for what is missing at the ends.
    """
    found = []
    for chain in range(entry.num_chains):
        node = np.flatnonzero(entry.node_chain == chain)
        position = entry.sequence_index[node].astype(np.int64)
        order = np.argsort(position, kind="stable")
        node, position = node[order], position[order]
        step = np.clip(np.diff(position), 1, LONGEST_GAP + 1)
        letter = np.concatenate([[0], np.cumsum(step)])[: len(node)].astype(np.int64)
        kind = entry.node_type[node].astype(np.int64)
        kind[kind > UNKNOWN_RESIDUE] = UNKNOWN_RESIDUE
        size = int(letter[-1]) + 1 if len(letter) else 0
        text = np.full(size, ord(UNKNOWN), dtype=np.uint8)
        text[letter] = _LETTERS[kind]
        found.append(ChainText(text.tobytes().decode(), node, letter))
    return tuple(found)


def residue_letters(entry: Entry) -> NDArray[np.int32]:
    """Each residue's letter, an index into `ONE_LETTER`, and its place in its chain's text.

    Returns:
        [residues, 2], in the order of the entry's nodes.
    """
    row, number = _residues(entry)
    result = np.zeros((number, 2), dtype=np.int32)
    for chain in chain_texts(entry):
        kind = entry.node_type[chain.node]
        result[row[chain.node], 0] = np.minimum(kind, UNKNOWN_RESIDUE)
        result[row[chain.node], 1] = chain.letter
    return result


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
