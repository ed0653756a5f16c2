"""Leakage reports: how close validation and test come to training, by sequence and by ligand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemenet_lab.protein_mt.raw import BITS
from hemenet_lab.protein_mt.splits.clusters import LEVELS, MOSTLY, Clusters, Item

Closest = dict[str, NDArray[np.float32]]
"""Kind of coverage → [S], highest identity of a sequence to any training sequence."""


def leakage_reports(
    items: Sequence[Item],
    clusters: Clusters,
    splits: Mapping[str, Mapping[str, str]],
    *,
    coverage: float,
) -> dict[str, dict[str, Any]]:
    """Split → `leakage_report`; splits with the same training set are compared with it once."""
    closest: dict[bytes, Closest] = {}
    return {
        name: leakage_report(items, clusters, parts, coverage=coverage, known=closest)
        for name, parts in splits.items()
    }


def leakage_report(
    items: Sequence[Item],
    clusters: Clusters,
    parts: Mapping[str, str],
    *,
    coverage: float,
    known: dict[bytes, Closest] | None = None,
) -> dict[str, Any]:
    """Compares the chains of ``val`` and ``test`` with those of ``train``.

    Args:
        items: All items.
        clusters: Their clusters, with the alignments of all similar pairs.
        parts: Item id → ``train``, ``val``, ``test`` or ``unused``.
        coverage: Share of both chains that an alignment must cover to count, 0 to 1.
        known: What was found for other splits, by their training sequences; is added to.

    Returns:
        For ``val`` and ``test``: ``chains``; ``both_covered`` and ``mostly_covered``, each percent
        identity → number of chains that reach it with some training chain (the alignment covers
        ``coverage`` of both chains, or `MOSTLY` of the val or test chain); ``shared_uniprot`` and
        ``shared_clusters``, the numbers of UniProt ids and clusters that training has as well.
    """
    index = clusters.index()
    where = [np.array([index[s] for s in item.sequences], dtype=np.int64) for item in items]
    of_part = {
        part: [row for row, item in enumerate(items) if parts.get(item.id, "unused") == part]
        for part in ("train", "val", "test")
    }
    in_train = np.zeros(len(clusters.sequences), dtype=bool)
    in_train[_join([where[row] for row in of_part["train"]])] = True
    known, key = {} if known is None else known, in_train.tobytes()
    if key not in known:
        known[key] = _closest(clusters, in_train, coverage)
    closest = known[key]
    train_names = _uniprot(items, of_part["train"])
    train_clusters = set(clusters.cluster[in_train].tolist())
    report: dict[str, Any] = {}
    for part in ("val", "test"):
        chains = _join([where[row] for row in of_part[part]])
        report[part] = {"chains": len(chains)}
        for name, best in closest.items():
            reached = {str(level): int((best[chains] >= level / 100).sum()) for level in LEVELS}
            report[part][name] = reached
        shared = set(clusters.cluster[chains].tolist()) & train_clusters
        report[part]["shared_uniprot"] = len(_uniprot(items, of_part[part]) & train_names)
        report[part]["shared_clusters"] = len(shared)
    return report


def _closest(clusters: Clusters, in_train: NDArray[np.bool_], coverage: float) -> Closest:
    hits = clusters.hits
    both = (hits.query_coverage >= coverage) & (hits.target_coverage >= coverage)
    mostly = hits.query_coverage >= MOSTLY
    closest = {}
    for name, covered in (("both_covered", both), ("mostly_covered", mostly)):
        best = in_train.astype(np.float32)
        use = covered & in_train[hits.target]
        np.maximum.at(best, hits.query[use], hits.identity[use])
        closest[name] = best
    return closest


def _uniprot(items: Sequence[Item], rows: list[int]) -> set[str]:
    return {name for row in rows for chain in items[row].uniprot for name in chain}


def _join(arrays: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    return np.concatenate([np.empty(0, dtype=np.int64), *arrays])


SIMILARITIES = (0.5, 0.7, 0.9, 1.0)
"""Tanimoto similarities of the report."""
_ROWS = 512
"""Held-out ligands that are compared at a time."""


def ligand_report(fingerprints: Mapping[str, str], parts: Mapping[str, str]) -> dict[str, Any]:
    """Compares the ligands of ``val`` and ``test`` with those of ``train``.

    Args:
        fingerprints: Complex → packed bits in hexadecimal, empty where the ligand's chemistry is
            not readable.
        parts: Entry → ``train``, ``val``, ``test`` or ``unused``.

    Returns:
        ``train_ligands``, and for ``val`` and ``test``: ``ligands``, ``unreadable``,
        ``similar`` (Tanimoto similarity → ligands that reach it with some training ligand) and
        the ``median`` of the highest similarities (absent where there are none).
    """
    train = _matrix(fingerprints, parts, "train")
    report: dict[str, Any] = {"train_ligands": len(train)}
    for part in ("val", "test"):
        here = _matrix(fingerprints, parts, part)
        closest = closest_tanimoto(here, train)
        report[part] = {
            "ligands": len(here),
            "unreadable": sum(
                not bits for name, bits in fingerprints.items() if parts.get(name) == part
            ),
            # rounding must not hide identical ligands
            "similar": {str(level): int((closest >= level - 1e-6).sum()) for level in SIMILARITIES},
        }
        if len(closest):
            report[part]["median"] = round(float(np.median(closest)), 3)
    return report


def closest_tanimoto(here: NDArray[np.uint8], train: NDArray[np.uint8]) -> NDArray[np.float32]:
    """[n], highest similarity of each ligand to a training ligand, 0 without training ligands.

    Args:
        here: [n, bits], 0 or 1.
        train: [m, bits].
    """
    best = np.zeros(len(here), dtype=np.float32)
    if not len(train):
        return best
    columns = train.astype(np.float32).T
    train_bits = columns.sum(axis=0)
    for start in range(0, len(here), _ROWS):
        rows = here[start : start + _ROWS].astype(np.float32)
        common = rows @ columns
        either = rows.sum(axis=1, keepdims=True) + train_bits - common
        similarity = np.divide(common, either, out=np.zeros_like(common), where=either > 0)
        best[start : start + len(rows)] = similarity.max(axis=1)
    return best


def _matrix(
    fingerprints: Mapping[str, str], parts: Mapping[str, str], part: str
) -> NDArray[np.uint8]:
    """[n, bits], the readable ligands of a part, by id."""
    packed = [
        np.frombuffer(bytes.fromhex(bits), dtype=np.uint8)
        for name, bits in sorted(fingerprints.items())
        if bits and parts.get(name) == part
    ]
    if not packed:
        return np.zeros((0, BITS), dtype=np.uint8)
    return np.unpackbits(np.stack(packed), axis=1)
