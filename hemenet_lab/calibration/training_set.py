"""What a model was trained on, small enough for its checkpoint: sequences and sizes.

A sequence is compared by its k-mers with all training chains, and aligned to those with the most in
common. The alignment is what counts, so the number does not depend on which search program is
installed, nor on what else is predicted.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hemenet_lab.protein_mt.splits import chain_sequences
from hemenet_lab.store import Entry
from hemenet_lab.structures import ONE_LETTER

LETTERS = ONE_LETTER[:20]
WORD = 5
"""Length of the k-mers: of 20⁵ words two unrelated chains share next to none."""
CANDIDATES = 3
"""Training chains that are aligned."""
MOST_RESIDUES = 20_000_000
"""Residues that are kept, about 12 MB when packed; of more, a part of the chains."""
_REMEMBERED = 10_000
FAR = 0.3
"""Identity below which a chain is called far from the training data: the twilight zone."""


@dataclass(frozen=True)
class TrainingSet:
    """Chains and sizes of the training entries."""

    sequences: tuple[str, ...]
    """Different sequences, sorted."""
    longest_chain: int
    """Residues of the longest training chain."""
    most_nodes: int
    """Residues and ligand atoms of the largest training entry."""
    complete: bool = True
    """False if there were too many chains to keep all."""

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> TrainingSet:
        """Collect what entries hold; each is looked at once."""
        found: set[str] = set()
        longest = nodes = 0
        for entry in entries:
            sequences = chain_sequences(entry)
            found.update(sequences)
            longest = max(longest, *map(len, sequences), 0)
            nodes = max(nodes, entry.num_nodes)
        chosen, total, complete = [], 0, True
        # by digest, so that what is left out of too many has nothing to do with what it is
        for text in sorted(found, key=lambda text: hashlib.sha256(text.encode()).digest()):
            total += len(text)
            if total > MOST_RESIDUES:
                complete = False
                break
            chosen.append(text)
        return cls(tuple(sorted(chosen)), longest, nodes, complete)

    def identity(self, sequence: str) -> float | None:
        """Highest identity of a chain to a training chain, 0 to 1.

        The share of the chain's residues that an alignment pairs with an equal residue of a
        training chain. Unknown residues (X) equal nothing.

        Args:
            sequence: One-letter codes.

        Returns:
            None where no training chain is known, or the sequence has no residue.
        """
        if not self.sequences or not sequence:
            return None
        if sequence not in self._known:
            if len(self._known) > _REMEMBERED:
                self._known.clear()
            self._known[sequence] = max(
                (_identity(sequence, self.sequences[place]) for place in self._nearest(sequence)),
                default=0.0,
            )
        return self._known[sequence]

    @cached_property
    def _known(self) -> dict[str, float]:
        """Identities of sequences that were asked for before: copies of a chain are common."""
        return {}

    @cached_property
    def _index(self) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Words of all chains, sorted, and the chain of each."""
        words = [np.unique(_words(text)) for text in self.sequences]
        chain = np.repeat(np.arange(len(words), dtype=np.int32), [len(part) for part in words])
        every = np.concatenate(words)
        order = np.argsort(every, kind="stable")
        return every[order], chain[order]

    def _nearest(self, sequence: str) -> list[int]:
        """The chains that share most words; those of equal number by their place."""
        words, chain = self._index
        mine = np.unique(_words(sequence))
        first, last = (np.searchsorted(words, mine, side=side) for side in ("left", "right"))
        count = last - first
        within = np.arange(count.sum()) - np.repeat(count.cumsum() - count, count)
        rows = np.repeat(first, count) + within
        shared = np.bincount(chain[rows], minlength=len(self.sequences))
        best = np.argsort(-shared, kind="stable")[:CANDIDATES]
        return [place for place in best.tolist() if shared[place]]

    @property
    def digest(self) -> str:
        """Same digest, same training chains."""
        return hashlib.sha256("\n".join(self.sequences).encode()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """Plain values and a tensor, as a checkpoint holds them."""
        packed = zlib.compress("\n".join(self.sequences).encode(), 9)
        return {
            "sequences": torch.frombuffer(bytearray(packed), dtype=torch.uint8),
            "longest_chain": self.longest_chain,
            "most_nodes": self.most_nodes,
            "complete": self.complete,
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> TrainingSet:
        """Inverse of `to_dict`."""
        packed = bytes(record["sequences"].numpy())
        unpacker = zlib.decompressobj()
        text = unpacker.decompress(packed, 2 * MOST_RESIDUES + 1).decode("ascii")
        if unpacker.unconsumed_tail or not {*text} <= {*ONE_LETTER, "\n"}:
            raise ValueError("the training sequences are damaged or far too many")
        return cls(
            tuple(text.split("\n")) if text else (),
            int(record["longest_chain"]),
            int(record["most_nodes"]),
            bool(record["complete"]),
        )


_CODE = np.full(128, -1, np.int64)
_CODE[[ord(letter) for letter in LETTERS]] = np.arange(len(LETTERS))


def _words(sequence: str) -> NDArray[np.int64]:
    """Numbers of the words of a sequence; words with an unknown residue are left out."""
    codes = _CODE[np.frombuffer(sequence.encode("ascii"), np.uint8)]
    if len(codes) < WORD:
        return np.zeros(0, np.int64)
    windows = np.lib.stride_tricks.sliding_window_view(codes, WORD)
    windows = windows[(windows >= 0).all(axis=1)]
    return windows @ len(LETTERS) ** np.arange(WORD)


def _identity(query: str, target: str) -> float:
    """Share of the query's residues that a local alignment pairs with an equal one."""
    from biotite.sequence import ProteinSequence
    from biotite.sequence.align import SubstitutionMatrix, align_optimal

    first, second = ProteinSequence(query), ProteinSequence(target)
    [found] = align_optimal(
        first,
        second,
        SubstitutionMatrix.std_protein_matrix(),
        gap_penalty=(-11, -1),
        local=True,
        max_number=1,
    )
    paired = found.trace[(found.trace >= 0).all(axis=1)]
    equal = first.code[paired[:, 0]] == second.code[paired[:, 1]]
    known = first.code[paired[:, 0]] < len(LETTERS)
    return float((equal & known).sum()) / len(query)
