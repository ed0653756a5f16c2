"""Test predictions as plain arrays with names, so that runs can be compared item by item."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemenet_lab.data.store import Store
from hemenet_lab.module import MultiTaskModule

UNKNOWN_CLUSTER = -1


def labelled_predictions(module: MultiTaskModule, store: Store) -> dict[str, NDArray[Any]]:
    """Predictions of the labelled test items, in the order of the store.

    Returns:
        For every task with labelled items: ``<task>/prediction`` and ``<task>/target`` [m, out],
        ``<task>/entry`` and ``<task>/chain`` (ids, [m]; no chain at the complex level) and
        ``<task>/cluster`` [m], the sequence cluster of the chain, or the group of entries that the
        splits keep together for a complex; -1 where the store does not tell.
    """
    chain_cluster, entry_group = _clusters(store.path)
    arrays: dict[str, NDArray[Any]] = {}
    for task in module.tasks:
        rows = module.evaluation("test", task.name).rows
        assert rows is not None
        prediction, target, items = (part.numpy() for part in rows.gathered())
        if not len(items):
            continue
        entries = [store.ids[index] for index in items[:, 0]]
        chains = [
            store[entry].chain_names[chain] if chain >= 0 else "" for entry, chain in items.tolist()
        ]
        clusters = [
            chain_cluster.get((entry, chain), UNKNOWN_CLUSTER)
            if chain
            else entry_group.get(entry, UNKNOWN_CLUSTER)
            for entry, chain in zip(entries, chains, strict=True)
        ]
        arrays |= {
            f"{task.name}/prediction": prediction,
            f"{task.name}/target": target,
            f"{task.name}/entry": np.array(entries, np.str_),
            f"{task.name}/chain": np.array(chains, np.str_),
            f"{task.name}/cluster": np.array(clusters, np.int64),
        }
    return arrays


def _clusters(store: Path) -> tuple[dict[tuple[str, str], int], dict[str, int]]:
    """Cluster by (entry, chain), and group by entry, as far as the store tells."""
    chains = {
        (row["id"], row["chain"]): int(row["cluster"] or UNKNOWN_CLUSTER)
        for row in _rows(store / "chains.csv")
    }
    groups = {
        row["id"]: int(row["group"] or UNKNOWN_CLUSTER) for row in _rows(store / "entries.csv")
    }
    return chains, groups


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))
