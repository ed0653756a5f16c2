"""From items that were read to a store: labels, clusters, splits, manifest and tables."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hemenet_lab.data.store import StoreWriter
from hemenet_lab.protein_mt.mmseqs import mmseqs_version
from hemenet_lab.protein_mt.assemble import Assembly, labelled_entries
from hemenet_lab.protein_mt.card import data_card
from hemenet_lab.protein_mt.clusters import Clusters, cluster_items
from hemenet_lab.protein_mt.counts import (
    CHAINS_FILE,
    ENTRIES_FILE,
    LabelCounts,
    chains_text,
    entries_text,
    entry_counts,
)
from hemenet_lab.protein_mt.drops import DROPS_FILE, DropRow, count_reasons, drops_text
from hemenet_lab.protein_mt.labels import Labels
from hemenet_lab.protein_mt.layout import RawFolder, Source
from hemenet_lab.protein_mt.clusters import LEVELS, MOSTLY
from hemenet_lab.protein_mt.leakage import leakage_reports
from hemenet_lab.protein_mt.ligand_similarity import ligand_report
from hemenet_lab.protein_mt.read_entry import ReadResult
from hemenet_lab.protein_mt.settings import BuildSettings
from hemenet_lab.protein_mt.split_inputs import SplitInputs, copy_sets
from hemenet_lab.protein_mt.splits import make_splits

SplitParts = Mapping[str, Mapping[str, str]]
"""Split → entry → part."""


def write_store(
    path: Path,
    raw: RawFolder,
    labels: Labels,
    settings: BuildSettings,
    load: Callable[[Source], ReadResult],
    *,
    origin: Mapping[str, Any],
    threads: int,
) -> None:
    """Writes the store of a raw folder, with memory for one structure at a time.

    Args:
        path: Folder of the store, which must not exist yet.
        raw: The raw files.
        labels: Labels from them.
        settings: What the store is to hold.
        load: Gives what became of an item when it was read.
        origin: Manifest fields of `origin.origin_of`.
        threads: Threads of MMseqs2.

    Raises:
        ValueError: No entry can be used, or the split scheme does not fit the data.
    """
    assembly, counts = Assembly(), LabelCounts(labels.tasks)
    reason = "label file not used, there is a newer one"
    assembly.drops += [DropRow(raw.name(file), "*", "file", reason) for file in raw.unused]
    with StoreWriter(path, labels.tasks) as writer:
        for entry in labelled_entries(raw, labels, settings, load, assembly):
            writer.add(entry)
            counts.add(entry)
        assembly.check()
        clusters = _cluster(raw, settings, assembly, threads)
        splits = make_splits(_inputs(labels, settings, assembly, clusters))
        parts = {name: split.parts for name, split in splits.items()}
        for name, of_split in parts.items():
            writer.set_split(name, of_split)
        writer.set_full_label(item.id for item in assembly.items if item.full_label)
        tables = {
            DROPS_FILE: drops_text(assembly.drops),
            ENTRIES_FILE: entries_text(assembly, clusters, parts),
            CHAINS_FILE: chains_text(assembly.items, clusters),
        }
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
                "tables": {name: _digest(text) for name, text in tables.items()},
            }
        )
    for name, text in tables.items():
        (path / name).write_text(text, encoding="utf-8")


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
    copies = copy_sets(assembly.items, cluster_of)
    return SplitInputs(assembly.items, clusters.group, copies, settings, labels.lists)


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


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
