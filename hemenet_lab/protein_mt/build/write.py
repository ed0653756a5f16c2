"""From items that were read to a store: labels, clusters, splits, manifest and tables."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from typing import Any

from hemenet_lab.protein_mt import PDBBIND, SOURCES, STRUCTURES, BuildSettings
from hemenet_lab.protein_mt.build.assemble import Assembly, labelled_entries
from hemenet_lab.protein_mt.build.tables import (
    LabelCounts,
    LabelRows,
    Parts,
    chains_text,
    entries_text,
    entry_counts,
)
from hemenet_lab.protein_mt.labels import Labels
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
    SplitInputs,
    cluster_items,
    copy_sets,
    leakage_reports,
    ligand_report,
    make_splits,
    mmseqs_version,
    unlike_chains,
)
from hemenet_lab.store import StoreWriter

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
        StoreWriter(
            path,
            labels.tasks,
            b_factors=settings.b_factors,
            chemistry=settings.ligand_chemistry,
        ) as writer,
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
                "doubts": {
                    "uniprot": unlike_chains(assembly.items, clusters, threads=threads),
                    "entries": assembly.doubts,
                },
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
    settings: BuildSettings, assembly: Assembly, clusters: Clusters, splits: Mapping[str, Parts]
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
