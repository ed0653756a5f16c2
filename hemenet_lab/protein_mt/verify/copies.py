"""Near-copies of sequences by counting common 5-mers: a method that MMseqs2 has no part in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from hemenet_lab.structures import ONE_LETTER

LENGTH = 5
SHORTEST = 30
"""Residues; shorter chains have too few 5-mers to say anything."""
COMMON = 0.8
"""Share of the longer sequence's 5-mers in common: at least 95 % identity or so over 80 %, far
beyond any threshold that a split by sequence uses."""
_BLOCK = 1_000


def near_copies(
    sequences: Sequence[str], here: Sequence[int], there: Sequence[int]
) -> Iterator[tuple[int, int]]:
    """Pairs of a sequence of ``here`` and one of ``there`` that are nearly the same.

    Args:
        sequences: All sequences.
        here: Positions of the ones that are looked up, such as held-out chains.
        there: Positions of the ones that they are compared with, such as training chains.

    Yields:
        For each of ``here`` that has any: itself and the first that is nearly the same.
    """
    here, there = (_different(sequences, places) for places in (here, there))
    if not here or not there:
        return
    known, sizes = _kmers(sequences, there)
    columns = known.T.tocsr()
    for start in range(0, len(here), _BLOCK):
        places = here[start : start + _BLOCK]
        rows, counts = _kmers(sequences, places)
        common = (rows @ columns).tocoo()
        longer = np.maximum(counts[common.row], sizes[common.col])
        close = common.data >= COMMON * longer
        first = np.unique(common.row[close], return_index=True)
        for row, place in zip(first[0], first[1], strict=True):
            yield places[row], there[common.col[close][place]]


def _different(sequences: Sequence[str], places: Sequence[int]) -> list[int]:
    """The first place of each different sequence that is long enough."""
    first: dict[str, int] = {}
    for place in places:
        if len(sequences[place]) >= SHORTEST:
            first.setdefault(sequences[place], place)
    return list(first.values())


def _kmers(sequences: Sequence[str], places: Sequence[int]) -> tuple[csr_array, NDArray[np.int64]]:
    """[sequences, 21⁵] with 1 for each 5-mer that occurs, and their numbers [sequences]."""
    letters = np.full(128, len(ONE_LETTER) - 1)
    letters[[ord(letter) for letter in ONE_LETTER]] = np.arange(len(ONE_LETTER))
    powers = len(ONE_LETTER) ** np.arange(LENGTH)
    found = []
    for place in places:
        codes = letters[np.frombuffer(sequences[place].encode("ascii"), dtype=np.uint8)]
        windows = np.lib.stride_tricks.sliding_window_view(codes, LENGTH)
        found.append(np.unique(windows @ powers))
    sizes = np.array([len(kmers) for kmers in found])
    ends = np.append(0, np.cumsum(sizes))
    data = np.ones(ends[-1], dtype=np.int32)
    shape = (len(places), len(ONE_LETTER) ** LENGTH)
    return csr_array((data, np.concatenate(found), ends), shape=shape), sizes
