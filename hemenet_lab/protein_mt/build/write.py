"""From items that were read to a store: labels, clusters, splits, manifest and tables."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemenet_lab.protein_mt import PDBBIND, SOURCES, STRUCTURES, BuildSettings
from hemenet_lab.protein_mt.build.assemble import KINDS, Assembly, labelled_entries
from hemenet_lab.protein_mt.labels import LabelOrigin, Labels
from hemenet_lab.protein_mt.raw import (
    DROPS_FILE,
    DropRow,
    RawFolder,
    ReadResult,
    Source,
    count_reasons,
    csv_text,
    drops_text,
    find_further,
    leftover_rows,
)
from hemenet_lab.protein_mt.splits import (
    LEVELS,
    MOSTLY,
    Clusters,
    GivenSplits,
    Item,
    SplitInputs,
    cluster_items,
    copy_sets,
    leakage_reports,
    ligand_report,
    make_splits,
    mmseqs_version,
)
from hemenet_lab.store import SPLIT_NAMES, Entry, StoreWriter
from hemenet_lab.tasks import Task

DIFFERENCES = (
    "Differs from the published Protein-MT in its labels (EC and GO by the union over a chain's "
    "UniProt ids, in both directions, none by way of fusions; labels.csv names the source of "
    "each), its terms (489, 1,943 and 320 instead of one more each), its splits (validation, too, "
    "is apart from training by sequence) and its structures (waters, buffers and hydrogens are "
    "left out); docs/data.md says why"
)


def data_card(origin: Mapping[str, Any]) -> dict[str, Any]:
    """Sources and licences of the label files and structures, and what differs from the paper.

    Args:
        origin: Manifest fields of `origin.origin_of`.
    """
    files = origin["sources"]["label_files"]
    return {
        "label_files": {name: _source(name) for name in sorted(files)},
        "structures": {source.name: source.licence for source in STRUCTURES.values()},
        "complexes": f"{PDBBIND.name}: {PDBBIND.licence}, or the user's own table of complexes",
        "synthetic": origin["synthetic"],
        "differences": DIFFERENCES,
    }


def _source(file: str) -> dict[str, str]:
    """Name, description and licence of the public source of a file in the raw folder."""
    plain = file.removesuffix(".gz")
    for source in SOURCES:
        if fnmatch(plain, source.target.removesuffix(".gz")):
            return {"source": source.name, "what": source.what, "licence": source.licence}
    if plain.startswith("index/") or "/index/" in plain:
        return {"source": PDBBIND.name, "what": PDBBIND.what, "licence": PDBBIND.licence}
    return {"source": "the user", "what": "a table of the raw folder", "licence": "not stated"}


ENTRIES_FILE, CHAINS_FILE = "entries.csv", "chains.csv"
LIGANDS_FILE, LABELS_FILE = "ligands.csv", "labels.csv"
TABLE_FILES = (DROPS_FILE, ENTRIES_FILE, CHAINS_FILE, LABELS_FILE, LIGANDS_FILE)
"""Tables beside the arrays, for people."""
Parts = Mapping[str, str]


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


def write_store(
    path: Path,
    raw: RawFolder,
    labels: Labels,
    settings: BuildSettings,
    load: Callable[[Source], ReadResult],
    *,
    origin: Mapping[str, Any],
    threads: int,
    given_splits: GivenSplits | None = None,
) -> None:
    """Writes the store of a raw folder, with memory for one structure at a time.

    Args:
        path: Folder of the store, which must not exist yet.
        raw, labels, settings: The raw files, their labels, and what the store is to hold.
        load: Gives what became of an item when it was read.
        origin: Manifest fields of `origin.origin_of`.
        threads: Threads of MMseqs2.
        given_splits: Splits of a file, the first of which is the default.

    Raises:
        ValueError: No entry can be used, or the split scheme does not fit the data.
    """
    assembly, counts = Assembly(), LabelCounts(labels.tasks)
    reason = "label file not used, there is a newer one"
    assembly.drops += [DropRow(raw.name(file), "*", "file", reason) for file in raw.unused]
    assembly.drops += leftover_rows(raw, find_further(raw.path).used(raw, settings.labels))
    code_of = {source.id: source.code for source in raw.sources}
    with (
        LabelRows(path.parent / LABELS_FILE, labels.tasks) as rows,
        StoreWriter(path, labels.tasks) as writer,
    ):
        for entry in labelled_entries(raw, labels, settings, load, assembly):
            writer.add(entry)
            counts.add(entry)
            rows.add(entry, partial(labels.transfer.origins, code_of[entry.id]))
        assembly.check()
        clusters = _cluster(raw, settings, assembly, threads)
        splits = make_splits(_inputs(labels, settings, assembly, clusters))
        if given_splits is not None:
            splits = given_splits.added(splits, [item.id for item in assembly.items])
            assembly.drops += given_splits.drops
        parts = {name: split.parts for name, split in splits.items()}
        for name, of_split in parts.items():
            writer.set_split(name, of_split)
        writer.set_full_label(item.id for item in assembly.items if item.full_label)
        tables = {
            DROPS_FILE: drops_text(assembly.drops),
            ENTRIES_FILE: entries_text(assembly, clusters, parts),
            CHAINS_FILE: chains_text(assembly.items, clusters),
            LIGANDS_FILE: csv_text(("id", "smiles"), list(assembly.smiles.items())),
        }
        rows.close()
        writer.close(
            {
                **origin,
                "mmseqs_version": mmseqs_version(),
                "counts": {
                    **entry_counts(assembly, clusters),
                    "label_files": labels.counts,
                    "terms": counts.terms(),
                    "splits": {name: counts.by_part(found) for name, found in parts.items()},
                },
                "labels": labels.about,
                "split_rules": {name: split.about for name, split in splits.items()},
                "drops": count_reasons(assembly.drops),
                "leakage": _leakage(settings, assembly, clusters, parts),
                "data_card": data_card(origin),
                "tables": {
                    **{name: _digest(text.encode()) for name, text in tables.items()},
                    LABELS_FILE: _digest(rows.path.read_bytes()),
                },
            }
        )
    for name, text in tables.items():
        (path / name).write_text(text, encoding="utf-8")
    rows.path.replace(path / LABELS_FILE)


def _cluster(raw: RawFolder, settings: BuildSettings, assembly: Assembly, threads: int) -> Clusters:
    if not assembly.items:
        reasons = count_reasons(assembly.drops).get("entry", {})
        raise ValueError(
            f"none of the {len(raw.sources)} items of {raw.path} can be used: "
            + ", ".join(f"{reason} ({count})" for reason, count in reasons.items())
        )
    return cluster_items(
        assembly.items,
        min_seq_id=settings.min_seq_id,
        coverage=settings.coverage,
        threads=threads,
    )


def _inputs(
    labels: Labels, settings: BuildSettings, assembly: Assembly, clusters: Clusters
) -> SplitInputs:
    cluster_of = dict(zip(clusters.sequences, clusters.merged.tolist(), strict=True))
    copies = copy_sets(assembly.items, cluster_of, assembly.fingerprints)
    groups, wide, smiles = clusters.group, clusters.wide, assembly.smiles
    return SplitInputs(assembly.items, groups, copies, settings, labels.lists, wide, smiles)


def _leakage(
    settings: BuildSettings, assembly: Assembly, clusters: Clusters, splits: SplitParts
) -> dict[str, Any]:
    coverage = settings.coverage
    return {
        "percent_identity": list(LEVELS),
        "both_covered": f"the alignment covers {coverage:.0%} of both chains or more",
        "mostly_covered": f"the alignment covers {MOSTLY:.0%} of the held-out chain or more",
        "splits": leakage_reports(assembly.items, clusters, splits, coverage=coverage),
        "ligands": {
            name: ligand_report(assembly.fingerprints, parts)
            for name, parts in splits.items()
            if any(parts[complex_] != "unused" for complex_ in assembly.fingerprints)
        },
    }


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
