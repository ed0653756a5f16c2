"""Tables and counts of a build, beside the arrays: entries, chains, and where labels come from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemenet_lab.protein_mt.build.assemble import KINDS, Assembly
from hemenet_lab.protein_mt.labels import LabelOrigin
from hemenet_lab.protein_mt.raw import (
    csv_text,
)
from hemenet_lab.protein_mt.splits import (
    Clusters,
    Item,
)
from hemenet_lab.store import SPLIT_NAMES, Entry
from hemenet_lab.tasks import Task

Parts = Mapping[str, str]
"""Part of each entry, by its id."""


class LabelCounts:
    """Labelled items of every stored entry and task, gathered while the store is written."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self.tasks = tuple(tasks)
        self._ids: list[str] = []
        self._labels: list[list[int]] = []
        self._support = {
            task.name: np.zeros(task.num_outputs, dtype=np.int64)
            for task in self.tasks
            if task.kind == "multilabel"
        }

    def add(self, entry: Entry) -> None:
        """Counts one entry."""
        items = {**dict.fromkeys(entry.values, 1)}
        items |= {name: len(chains) for name, chains in entry.chain_values.items()}
        for name, chains in entry.terms.items():
            items[name] = len(chains)
            for terms in chains.values():
                self._support[name][terms] += 1
        self._ids.append(entry.id)
        self._labels.append([items.get(task.name, 0) for task in self.tasks])

    def terms(self) -> dict[str, dict[str, int]]:
        """Multi-label task → number of its terms, and of those with a labelled chain."""
        return {
            name: {"all": len(support), "with_labels": int((support > 0).sum())}
            for name, support in self._support.items()
        }

    def by_part(self, parts: Parts) -> dict[str, dict[str, Any]]:
        """Part → number of entries and, per task, labelled ``entries`` and ``items``.

        Items are complexes for complex-level tasks and chains for chain-level tasks.
        """
        labels = np.array(self._labels, dtype=np.int64).reshape(len(self._ids), len(self.tasks))
        where = np.array([parts[name] for name in self._ids])
        return {part: self._count(labels[where == part]) for part in SPLIT_NAMES}

    def _count(self, here: NDArray[np.int64]) -> dict[str, Any]:
        entries, items = (here > 0).sum(axis=0).tolist(), here.sum(axis=0).tolist()
        return {
            "all": len(here),
            **{
                task.name: {"entries": entries[column], "items": items[column]}
                for column, task in enumerate(self.tasks)
            },
        }


def entry_counts(assembly: Assembly, clusters: Clusters) -> dict[str, Any]:
    """Numbers of entries, chains, sequences and groups."""
    sizes = np.bincount(clusters.group)
    return {
        "entries": {
            kind: {
                "found": assembly.found[kind],
                "stored": assembly.stored[kind],
                "dropped": assembly.dropped[kind],
            }
            for kind in KINDS
        },
        "chains": assembly.chains,
        "chains_without_uniprot": assembly.without_uniprot,
        "chains_with_sequence": assembly.with_sequence,
        "full_label": sum(item.full_label for item in assembly.items),
        "sequences": len(clusters.sequences),
        "clusters": len(np.unique(clusters.cluster)),
        "groups": len(sizes),
        "largest_group": int(sizes.max(initial=0)),
        "notes": dict(sorted(assembly.notes.items())),
    }


def entries_text(assembly: Assembly, clusters: Clusters, splits: Mapping[str, Parts]) -> str:
    """``entries.csv``: where each stored entry is, and where its affinity comes from."""
    header = ["id", "group", "full_label", "date", *splits, "pk", "measure", "sign", "note"]
    rows = []
    for item, group in zip(assembly.items, clusters.group.tolist(), strict=True):
        record = assembly.affinity.get(item.id)
        affinity = [record.pk, record.measure, record.sign, record.note] if record else [""] * 4
        places = [parts[item.id] for parts in splits.values()]
        rows.append([item.id, group, int(item.full_label), item.date, *places, *affinity])
    return csv_text(header, rows)


def chains_text(items: Sequence[Item], clusters: Clusters) -> str:
    """``chains.csv``: UniProt ids, length and cluster of every chain."""
    position = clusters.index()
    number = np.unique(clusters.cluster, return_inverse=True)[1].reshape(-1)
    rows = [
        [item.id, name, ";".join(uniprot), len(sequence), number[position[sequence]]]
        for item in items
        for name, uniprot, sequence in zip(item.chains, item.uniprot, item.sequences, strict=True)
    ]
    return csv_text(["id", "chain", "uniprot", "length", "cluster"], rows)


class LabelRows:
    """``labels.csv``: each term of each chain, the chain that it comes from and over which id.

    The rows go to a file at once, since the whole benchmark has more than a million of them.

    Args:
        path: The file.
        tasks: Tasks with their terms.
    """

    def __init__(self, path: Path, tasks: Sequence[Task]) -> None:
        self.path = path
        self._terms = {task.name: task.terms for task in tasks}
        self._file = path.open("w", encoding="utf-8", newline="")
        self._file.write(csv_text(("id", "chain", "task", "term", "source", "route"), ()))

    def __enter__(self) -> LabelRows:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the file."""
        self._file.close()

    def add(self, entry: Entry, origins: Callable[[str], Sequence[LabelOrigin]]) -> None:
        """Appends the rows of an entry's labelled chains.

        Args:
            entry: The entry.
            origins: Gives the labels of a chain of the entry.
        """
        rows = [
            (entry.id, chain, o.task, self._terms[o.task][o.term], o.source, o.route)
            for chain in entry.chain_names
            for o in origins(chain)
        ]
        self._file.write(csv_text(rows[0], rows[1:]) if rows else "")


SplitParts = Mapping[str, Mapping[str, str]]
