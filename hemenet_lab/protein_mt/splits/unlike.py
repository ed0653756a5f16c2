"""Chains of one UniProt id that are not one protein: a wrong name, or parts of a longer one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from hemenet_lab.protein_mt.splits.clusters import Clusters, Item
from hemenet_lab.protein_mt.splits.mmseqs import best_segments

LEAST_IDENTITY = 0.9
LEAST_RESIDUES = 30
"""Two chains of one protein have a segment of this identity and length in common."""
Place = tuple[str, str]
"""Entry and chain."""
Chains = dict[int, list[Place]]
"""Sequence, by its number → where it occurs."""


def unlike_chains(items: Sequence[Item], clusters: Clusters, *, threads: int = 1) -> dict[str, Any]:
    """Finds chains that share their only UniProt id with others and align with none of them.

    A file may hold another protein than its name says, such as a complex's other partner; parts of
    one polyprotein, which share an id by right, are found as well. Chains of fewer than
    `LEAST_RESIDUES` known residues are not looked at.

    Args:
        items: All items.
        clusters: Their clusters, with the alignments of all similar pairs.
        threads: Does not change the answer.

    Returns:
        ``compared``: number of ids with several sequences; ``pairs``: of each id, a row per group
        of chains apart from the largest one: the ``uniprot`` id, a chain of the group (``id``,
        ``chain``) and the number of its ``chains``, the nearest one of the largest group
        (``other_id``, ``other_chain``), and of their best alignment the ``identity`` (0 to 1) and
        the ``aligned`` residues, both 0 where there is none.
    """
    of_name = _several(items, clusters.index())
    hits = clusters.hits
    lengths = np.array([len(text) for text in clusters.sequences])
    long = hits.query_coverage * lengths[hits.query] >= LEAST_RESIDUES
    close = long & (hits.identity >= LEAST_IDENTITY)
    left, right = hits.query[close], hits.target[close]
    component = _components(len(lengths), left, right)
    doubtful = {
        name: chains
        for name, chains in of_name.items()
        if len({int(component[number]) for number in chains}) > 1
    }
    numbers = sorted({number for chains in doubtful.values() for number in chains})
    # the search for the splits leaves out segments that are a small part of both chains
    found = best_segments([clusters.sequences[n] for n in numbers], threads=threads)
    segments = {(numbers[one], numbers[two]): best for (one, two), best in found.items()}
    more = np.array([pair for pair, best in segments.items() if _is_alike(*best)], dtype=np.int64)
    more = more.reshape(-1, 2)
    component = _components(len(lengths), np.append(left, more[:, 0]), np.append(right, more[:, 1]))
    pairs = [
        row
        for name, chains in sorted(doubtful.items())
        for row in _rows(name, chains, component, segments)
    ]
    return {"compared": len(of_name), "pairs": pairs}


def _several(items: Sequence[Item], position: Mapping[str, int]) -> dict[str, Chains]:
    """UniProt ids that are the only one of chains with several long sequences → these chains."""
    found: dict[str, Chains] = defaultdict(lambda: defaultdict(list))
    for item in items:
        for chain, text, names in zip(item.chains, item.sequences, item.uniprot, strict=True):
            if len(names) == 1 and len(text) - text.count("X") >= LEAST_RESIDUES:
                found[names[0]][position[text]].append((item.id, chain))
    return {name: chains for name, chains in found.items() if len(chains) > 1}


def _components(size: int, left: NDArray[Any], right: NDArray[Any]) -> NDArray[np.int64]:
    links = coo_array((np.ones(len(left), dtype=bool), (left, right)), shape=(size, size))
    labels: NDArray[np.int64] = connected_components(links, directed=False)[1]
    return labels


def _is_alike(identical: int, aligned: int) -> bool:
    return aligned >= LEAST_RESIDUES and identical >= LEAST_IDENTITY * aligned


def _rows(
    name: str,
    chains: Chains,
    component: NDArray[np.int64],
    segments: Mapping[tuple[int, int], tuple[int, int]],
) -> list[dict[str, Any]]:
    """A row per group of an id's chains but the one with most chains."""
    groups: dict[int, list[int]] = defaultdict(list)
    for number in sorted(chains):
        groups[int(component[number])].append(number)
    sizes = {group: sum(len(chains[n]) for n in numbers) for group, numbers in groups.items()}
    first = {group: min(chains[n][0] for n in numbers) for group, numbers in groups.items()}
    main, *others = sorted(groups, key=lambda group: (-sizes[group], first[group]))
    rows = []
    for group in others:
        pairs = [(one, two) for one in groups[group] for two in groups[main]]
        best = max(pairs, key=lambda pair: (*segments.get(pair, (0, 0)), pair))
        identical, aligned = segments.get(best, (0, 0))
        (id, chain), (other_id, other_chain) = (min(chains[number]) for number in best)
        rows.append(
            {
                "uniprot": name,
                "id": id,
                "chain": chain,
                "chains": sizes[group],
                "other_id": other_id,
                "other_chain": other_chain,
                "identity": round(identical / aligned, 3) if aligned else 0.0,
                "aligned": aligned,
            }
        )
    return rows
