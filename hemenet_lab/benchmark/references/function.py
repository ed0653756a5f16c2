"""EC numbers and GO terms from frequencies and from similar sequences."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hemenet_lab.benchmark.references.items import Items, Values
from hemenet_lab.protein_mt.splits import chain_sequences, search
from hemenet_lab.store import Store

SIGNIFICANT_E, ANY_E = 1e-3, 1e4
"""E-values up to which MMseqs2's hits count: likely relatives, or whatever is nearest."""

Ints = NDArray[np.int64]


class Neighbours:
    """Identities between the chains of some items, searched once for all splits.

    Args:
        store: The entries.
        items: Chain-level items.
        e_value: Highest E-value of a hit.
    """

    def __init__(self, store: Store, items: Items, e_value: float) -> None:
        texts = [
            chain_sequences(store[entry])[chain]
            for entry, chain in zip(items.entry.tolist(), items.chain.tolist(), strict=True)
        ]
        sequences = sorted(set(texts))
        place = {text: at for at, text in enumerate(sequences)}
        self.sequence: Ints = np.array([place[text] for text in texts], dtype=np.int64)
        """[n], number of each item's sequence."""
        hits = search(sequences, min_seq_id=0.0, coverage=0.0, e_value=e_value)
        shape = (len(sequences), len(sequences))
        self._identity = np.zeros(shape, dtype=np.float32)
        self._matched = np.zeros(shape, dtype=np.float32)
        np.maximum.at(self._identity, (hits.query, hits.target), hits.identity)
        matched = hits.identity * hits.query_coverage
        np.maximum.at(self._matched, (hits.query, hits.target), matched)
        for values in (self._identity, self._matched):
            np.fill_diagonal(values, 1.0)

    def identity(self, queries: Ints, targets: Ints) -> Values:
        """[q, t], identity over the aligned positions; 0 without a hit."""
        return self._of_items(self._identity, queries, targets)

    def matched(self, queries: Ints, targets: Ints) -> Values:
        """[q, t], share of the query's residues aligned to identical ones; 0 without a hit.

        A short piece that happens to be identical is not near by this measure.
        """
        return self._of_items(self._matched, queries, targets)

    def _of_items(self, values: NDArray[np.float32], queries: Ints, targets: Ints) -> Values:
        found = values[np.ix_(self.sequence[queries], self.sequence[targets])]
        return found.astype(np.float64)


def frequency(target: Values, train: Ints, test: Ints) -> Values:
    """[test, terms], frequency of each term among the training items."""
    return np.tile(target[train].mean(axis=0), (len(test), 1))


def nearest_terms(target: Values, nearness: Values, train: Ints) -> Values:
    """[test, terms], terms of the most similar training items, 0 without a similar one.

    Equally similar items are averaged.

    Args:
        target: [n, terms].
        nearness: [test, train], see `Neighbours.matched`.
        train: Indices of the training items.
    """
    best = nearness.max(axis=1, keepdims=True)
    chosen = (nearness == best) & (best > 0)
    share = chosen / np.maximum(chosen.sum(axis=1, keepdims=True), 1)
    return np.asarray(share @ target[train])


def highest_identity(target: Values, identity: Values, train: Ints) -> Values:
    """[test, terms], highest identity with a training item that has the term."""
    return np.stack(
        [
            (identity * column).max(axis=1) if column.any() else np.zeros(len(identity))
            for column in target[train].T
        ],
        axis=1,
    )
