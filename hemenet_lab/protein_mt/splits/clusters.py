"""From sequences and UniProt ids to groups of entries that no split may tear apart."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from hemenet_lab.protein_mt.splits.mmseqs import Hits, cluster, search
from hemenet_lab.store import Entry

LEVELS = (30, 50, 70, 90, 95)
"""Sequence identities of the leakage report, in percent; the search must reach the lowest."""
WIDE = 0.3
"""Identity of the wider groups."""
INSIDE = 0.95
"""Share of a chain from which on it lies inside a longer one, and belongs to its group."""
MOSTLY = 0.8
"""Share of a test chain that counts as "most of it" in the leakage report."""


@dataclass(frozen=True)
class Item:
    """Facts about an entry that the splits need."""

    id: str
    chains: tuple[str, ...]
    """[C], names of the chains."""
    sequences: tuple[str, ...]
    """[C], one-letter sequence of each chain, observed residues only."""
    uniprot: tuple[tuple[str, ...], ...]
    """[C], UniProt ids of each chain."""
    labelled: frozenset[str]
    """Names of the tasks that the entry has a label of."""
    full_label: bool = False
    kind: str = "chain"
    """``lba``, ``ppa`` or ``chain``."""
    date: str = ""
    """Release, such as ``2004-05-18`` or ``2004``; empty where it is unknown."""


@dataclass(frozen=True)
class Clusters:
    """Different sequences of all items, their clusters, and the groups of items."""

    sequences: tuple[str, ...]
    """[S], all different sequences, sorted."""
    cluster: NDArray[np.int64]
    """[S], cluster of each sequence: the index of its representative."""
    hits: Hits
    """Similar pairs of sequences, for the leakage report."""
    merged: NDArray[np.int64]
    """[S], clusters joined where two of their sequences reach both thresholds."""
    group: NDArray[np.int64]
    """[items], group of each item, numbered by its first item."""
    wide: NDArray[np.int64]
    """[items], the same at `WIDE` identity, or at that of ``group`` where that is lower."""

    def index(self) -> dict[str, int]:
        """Sequence → its position in ``sequences``."""
        return {text: position for position, text in enumerate(self.sequences)}


def chain_sequences(entry: Entry) -> tuple[str, ...]:
    """[C], one-letter sequence of each chain's residues in the entry."""
    return entry.sequences


def item_of(entry: Entry, *, full_label: bool, date: str = "") -> Item:
    """The part of a labelled entry that the splits need."""
    uniprot = entry.chain_uniprot or ("",) * entry.num_chains
    return Item(
        entry.id,
        entry.chain_names,
        entry.sequences,
        tuple(tuple(names.split(";")) if names else () for names in uniprot),
        frozenset(
            {
                *entry.values,
                *entry.chain_values,
                *(task for task, chains in entry.terms.items() if chains),
            }
        ),
        full_label,
        entry.kind,
        date,
    )


def cluster_items(
    items: Sequence[Item], *, min_seq_id: float, coverage: float, threads: int = 1
) -> Clusters:
    """Clusters the chains' sequences with MMseqs2 and groups the items.

    The items of a group are linked by chains of one cluster, by a shared UniProt id, or by a pair
    of chains whose alignment reaches the identity and covers enough of both, or nearly all of one
    (`INSIDE`). The clustering leaves such pairs apart: it compares its members with representatives
    only, and needs both sides covered.

    Args:
        items: In a fixed order; the order of the sequences is our own.
        min_seq_id: Identity, 0 to 1, from which on chains belong together.
        coverage: Least aligned share of both chains, 0 to 1.
        threads: Does not change the answer.
    """
    sequences = tuple(sorted({text for item in items for text in item.sequences}))
    found = cluster(sequences, min_seq_id=min_seq_id, coverage=coverage, threads=threads)
    hits = search(
        sequences,
        min_seq_id=min(min_seq_id, LEVELS[0] / 100),
        coverage=min(coverage, MOSTLY),
        threads=threads,
    )
    merged = _merged(found, hits, min_seq_id, coverage)
    wide = _merged(found, hits, min(min_seq_id, WIDE), coverage)
    groups = (_groups(items, sequences, linked) for linked in (merged, wide))
    return Clusters(sequences, found, hits, merged, *groups)


def _merged(
    cluster: NDArray[np.int64], hits: Hits, identity: float, coverage: float
) -> NDArray[np.int64]:
    """[S], clusters (each known by its representative's position) joined by close pairs."""
    close = (hits.query_coverage >= coverage) & (hits.target_coverage >= coverage)
    close |= np.maximum(hits.query_coverage, hits.target_coverage) >= INSIDE
    close &= hits.identity >= identity
    size = np.arange(len(cluster))
    left = np.concatenate([size, hits.query[close]])
    return _components(len(size), left, np.concatenate([cluster, hits.target[close]]))


def _groups(
    items: Sequence[Item], sequences: tuple[str, ...], cluster: NDArray[np.int64]
) -> NDArray[np.int64]:
    """[items], connected components of items over clusters and UniProt ids."""
    position = {text: index for index, text in enumerate(sequences)}
    names = _number(name for item in items for chain in item.uniprot for name in chain)
    first_cluster = len(items)
    first_name = first_cluster + len(sequences)
    links = [
        (row, first_cluster + int(cluster[position[text]]))
        for row, item in enumerate(items)
        for text in item.sequences
    ]
    links += [
        (row, first_name + names[name])
        for row, item in enumerate(items)
        for chain in item.uniprot
        for name in chain
    ]
    pairs = np.array(links, dtype=np.int64).reshape(-1, 2)
    return _components(first_name + len(names), pairs[:, 0], pairs[:, 1])[: len(items)]


def _components(size: int, left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.int64]:
    """[size], connected component of each node, numbered by the first node."""
    links = coo_array((np.ones(len(left), dtype=bool), (left, right)), shape=(size, size))
    labels = connected_components(links, directed=False)[1]
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[inverse]


def _number(names: Iterable[str]) -> dict[str, int]:
    return {name: index for index, name in enumerate(sorted(set(names)))}
