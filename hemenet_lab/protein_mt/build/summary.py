"""Summary of a store, as tables for people."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from hemenet_lab.store import SPLIT_NAMES, Store

Row = Sequence[object]
MOST_SHOWN = 30
"""Rows of a list of single chains or entries."""
_LIMITED = re.compile(r"deepfri_[a-z]+_\d+")


def summary_text(store: Store) -> str:
    """Counts, labels per split and task, drops and leakage of a store."""
    manifest = store.manifest
    if "counts" not in manifest:
        raise ValueError(f"{store.path} was not made by `hemenet data build`; it has no counts")
    counts = manifest["counts"]
    parts = [
        _head(store),
        _section("Entries", _entry_rows(counts)),
        _section("Tasks", _task_rows(manifest)),
    ]
    for name, found in _different_splits(_whole(counts["splits"])).items():
        title = f"Split {name!r}: labelled items (complexes or chains), entries in brackets"
        parts.append(_section(title, _split_rows(manifest, found)))
    parts += [
        _section("Test sets below an identity to training", _limited_rows(counts["splits"])),
        _section(_leakage_title(manifest["leakage"]), _leakage_rows(manifest["leakage"])),
        _section("Ligands of held-out complexes", _ligand_rows(manifest["leakage"]["ligands"])),
        *_doubt_sections(manifest.get("doubts")),
        _section("Left out (drops.csv has each)", _drop_rows(manifest["drops"])),
    ]
    return "\n\n".join(parts)


def table_text(rows: Sequence[Row]) -> str:
    """Rows in aligned columns, the first row being the header; numbers to the right."""
    cells = [[f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    right = [
        any(isinstance(row[column], int) for row in rows[1:]) for column in range(len(rows[0]))
    ]
    lines = [
        "  ".join(
            cell.rjust(width) if side else cell.ljust(width)
            for cell, width, side in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in cells
    ]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def _section(title: str, rows: Sequence[Row]) -> str:
    if len(rows) < 2:
        return f"{title}: none"
    return f"{title}\n{table_text(rows)}"


def _head(store: Store) -> str:
    manifest = store.manifest
    settings = ", ".join(f"{name} {value}" for name, value in manifest["settings"].items())
    lines = [
        f"Store {store.path}, {store.hash[:12]}",
        f"Built with {settings}; MMseqs2 {manifest['mmseqs_version'][:12]}",
        ("Labels: " if manifest["labels"]["source"] == "own tables" else "EC and GO labels: ")
        + "; ".join(map(_about, manifest["labels"].items())),
    ]
    if manifest["synthetic"]:
        lines.insert(0, "SYNTHETIC DATA: made by a program, says nothing about real proteins")
    return "\n".join(lines)


def _about(label: tuple[str, object]) -> str:
    """What is said of a task's labels; a table without a version line ends at its name."""
    name, text = label
    return f"{name} {str(text).strip().removesuffix(':')}"


def _entry_rows(counts: Mapping[str, Any]) -> list[Row]:
    kinds = counts["entries"]
    names = {"lba": "protein-ligand", "ppa": "protein-protein", "chain": "single chains"}
    if kinds.get("user", {}).get("found"):
        names = {"user": "own structures"}
    rows: list[Row] = [("", "found", "stored", "dropped")]
    rows += [
        (name, kinds[kind]["found"], kinds[kind]["stored"], kinds[kind]["dropped"])
        for kind, name in names.items()
        if kind in kinds
    ]
    total = [sum(found[name] for found in kinds.values()) for name in rows[0][1:]]
    rows.append(("all", *total))
    single = {
        "chains": counts["chains"],
        "chains without UniProt id": counts["chains_without_uniprot"],
        "chains with full sequence (SEQRES)": counts.get("chains_with_sequence", 0),
        "entries with all labels": counts["full_label"],
        "different sequences": counts["sequences"],
        "sequence clusters": counts["clusters"],
        "groups kept together by splits": counts["groups"],
        "entries in the largest group": counts["largest_group"],
        **counts["notes"],
    }
    rows += [(name, "", number, "") for name, number in single.items()]
    return rows


def _task_rows(manifest: Mapping[str, Any]) -> list[Row]:
    terms = manifest["counts"]["terms"]
    rows: list[Row] = [("task", "title", "level", "terms", "with labels", "unit")]
    for task in manifest["tasks"]:
        of_task = terms.get(task["name"])
        numbers = (of_task["all"], of_task["with_labels"]) if of_task else ("", "")
        rows.append((task["name"], task["title"], task["level"], *numbers, task["unit"]))
    return rows


def _whole(splits: Mapping[str, Any]) -> dict[str, Any]:
    """Without the splits that differ from another one in their limited test set only."""
    return {name: found for name, found in splits.items() if not _LIMITED.fullmatch(name)}


def _limited_rows(splits: Mapping[str, Any]) -> list[Row]:
    limited = [name for name in splits if _LIMITED.fullmatch(name)]
    return [("split", "test chains"), *((name, splits[name]["test"]["all"]) for name in limited)]


def _different_splits(splits: Mapping[str, Any]) -> dict[str, Any]:
    """The splits by name, equal ones under one joined name."""
    names: dict[str, list[str]] = {}
    for name, found in splits.items():
        equal = next((first for first in names if splits[first] == found), name)
        names.setdefault(equal, []).append(name)
    return {" = ".join(same): splits[first] for first, same in names.items()}


def _split_rows(manifest: Mapping[str, Any], split: Mapping[str, Any]) -> list[Row]:
    names = [task["name"] for task in manifest["tasks"]]
    rows: list[Row] = [("part", "entries", *names)]
    for part, found in ((part, split[part]) for part in SPLIT_NAMES):
        cells = [f"{found[name]['items']:,} ({found[name]['entries']:,})" for name in names]
        rows.append((part, found["all"], *cells))
    return rows


def _leakage_title(leakage: Mapping[str, Any]) -> str:
    return (
        "Leakage: held-out chains with a training chain of at least this identity\n"
        f"(both: {leakage['both_covered']};\n mostly: {leakage['mostly_covered']})"
    )


def _leakage_rows(leakage: Mapping[str, Any]) -> list[Row]:
    levels = [str(level) for level in leakage["percent_identity"]]
    header = ("split", "part", "chains", "cover", *(f"{level} %" for level in levels))
    rows: list[Row] = [(*header, "UniProt ids shared", "clusters shared")]
    for name, parts in _different_splits(_whole(leakage["splits"])).items():
        for part, found in sorted(parts.items(), reverse=True):
            shared = (found["shared_uniprot"], found["shared_clusters"])
            for cover in ("both", "mostly"):
                reached = [found[f"{cover}_covered"][level] for level in levels]
                rows.append((name, part, found["chains"], cover, *reached, *shared))
    return rows


def _ligand_rows(ligands: Mapping[str, Any]) -> list[Row]:
    """Ligands with a training ligand of at least this Tanimoto similarity."""
    rows: list[Row] = []
    for name, found in _different_splits(ligands).items():
        for part in ("val", "test"):
            similar = found[part]["similar"]
            if not rows:
                levels = [f"{float(level):.1f}" for level in similar]
                rows.append(("split", "part", "ligands", *levels, "median", "unreadable"))
            median, unreadable = found[part].get("median", ""), found[part]["unreadable"]
            numbers = (found[part]["ligands"], *similar.values())
            rows.append((name, part, *numbers, str(median), unreadable))
    return rows


def _doubt_sections(doubts: Mapping[str, Any] | None) -> list[str]:
    """Chains that may be other proteins than their names say; stores of before did not look."""
    if doubts is None:
        return []
    found = doubts["uniprot"]
    rows: list[Row] = [
        (
            *(row["uniprot"], f"{row['id']} {row['chain']}", row["chains"]),
            *(f"{row['other_id']} {row['other_chain']}", f"{row['identity']:.0%}", row["aligned"]),
        )
        for row in found["pairs"]
    ]
    header = ("UniProt", "chain", "alike", "aligns not with", "identity", "residues")
    title = f"To look at: chains apart from others of their UniProt id ({found['compared']:,} ids)"
    entries: list[Row] = [(row["id"], row["note"]) for row in doubts["entries"]]
    return [
        _section(title, _first([header, *rows])),
        _section("To look at: entries", _first([("entry", "note"), *entries])),
    ]


def _first(rows: list[Row]) -> list[Row]:
    """The first rows, and how many more the manifest has."""
    more = len(rows) - 1 - MOST_SHOWN
    filler = ("",) * (len(rows[0]) - 2)
    return (
        [*rows[: MOST_SHOWN + 1], (f"… {more:,} more", "in manifest.json", *filler)]
        if (more > 0)
        else rows
    )


def _drop_rows(drops: Mapping[str, Mapping[str, int]]) -> list[Row]:
    return [
        ("what", "reason", "count"),
        *((stage, reason, n) for stage, found in drops.items() for reason, n in found.items()),
    ]
