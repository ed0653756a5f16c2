"""Inputs of a split, and its result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemenet_lab.protein_mt import BuildSettings
from hemenet_lab.protein_mt.labels import DeepfriLists
from hemenet_lab.protein_mt.splits.clusters import Item

Groups = NDArray[np.int64]
"""[items], group of each item, 0 to K - 1."""


@dataclass(frozen=True)
class SplitInputs:
    """Everything that the schemes look at."""

    items: Sequence[Item]
    groups: Groups
    """Groups that no split by sequence may tear apart."""
    copies: Groups
    """[items], sets of near-copies: items of one kind whose chains are in the same clusters and
    whose ligand, if there is one, is the same."""
    settings: BuildSettings
    lists: Mapping[str, DeepfriLists] = field(default_factory=dict)
    """``ec`` and ``go`` → DeepFRI's split."""
    wide: Groups | None = None
    """[items], groups at 30 % identity; None where they are ``groups``."""
    smiles: Mapping[str, str] = field(default_factory=dict)
    """Complex with a ligand → its ligand's SMILES, empty where its chemistry is not readable."""


@dataclass(frozen=True)
class Split:
    """Part of each item, and the rule that put it there."""

    parts: dict[str, str]
    """Item id → ``train``, ``val``, ``test`` or ``unused``."""
    about: dict[str, Any] = field(default_factory=dict)
    """Rule, settings and counts, for the manifest."""


def copy_sets(
    items: Sequence[Item], cluster_of: Mapping[str, int], ligands: Mapping[str, str]
) -> Groups:
    """[items], a number for each different kind, set of clusters and ligand.

    Different ligands of one protein are no copies of each other: what there is to predict of a
    congeneric series are their differences.

    Args:
        items: All items.
        cluster_of: Sequence → its cluster.
        ligands: Id of a complex with a ligand → the ligand's fingerprint, empty where its chemistry
            is not readable; such ligands count as one.
    """
    names = [
        (
            item.kind,
            tuple(sorted({cluster_of[text] for text in item.sequences})),
            ligands.get(item.id, ""),
        )
        for item in items
    ]
    number = {name: index for index, name in enumerate(sorted(set(names)))}
    return np.array([number[name] for name in names], dtype=np.int64)


def kept_copies(inputs: SplitInputs, order: NDArray[Any]) -> NDArray[np.bool_]:
    """[items], True for those that a held-out set keeps: up to max_copies of each set of copies.

    Args:
        inputs: Items, their copies and the settings.
        order: [items], numbers that decide between copies, below whether all their labels are
            there.
    """
    items, copies = inputs.items, inputs.copies
    full = np.array([item.full_label for item in items], dtype=bool)
    order = np.lexsort((order, ~full, copies))
    starts = np.flatnonzero(np.diff(copies[order], prepend=-1))
    sizes = np.diff(np.append(starts, len(items)))
    kept = np.empty(len(items), dtype=bool)
    kept[order] = np.arange(len(items)) - np.repeat(starts, sizes) < inputs.settings.max_copies
    return kept


def count_labels(
    items: Sequence[Item], groups: Groups, tasks: list[str], kept: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """[K, T], labelled items of each group and task, without surplus copies."""
    counts = np.zeros((int(groups.max(initial=-1)) + 1, len(tasks)), dtype=np.int64)
    column = {task: index for index, task in enumerate(tasks)}
    for item, group, keep in zip(items, groups, kept, strict=True):
        if keep:
            counts[group, [column[task] for task in item.labelled]] += 1
    return counts
