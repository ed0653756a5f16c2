"""Folds for cross-validation: splits that are computed, not stored, known by a name."""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ENTRIES_FILE = "entries.csv"
"""Table of a built store that names the group of each entry."""
_NAME = re.compile(r"fold(\d+)of(\d+)(?:seed(\d+))?")
TRAIN, VAL, TEST = 0, 1, 2


def parse_fold(name: str) -> tuple[int, int, int] | None:
    """(fold, folds, seed) of a name such as ``fold0of5`` or ``fold0of5seed3``; None for others.

    Raises:
        ValueError: Fewer than 3 folds (one each is for training, validation and test), or a fold
            that there is not.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    fold, folds, seed = (int(part or 0) for part in match.groups())
    if folds < 3 or fold >= folds:
        raise ValueError(
            f"split {name!r}: fold {fold} of {folds}; give 3 folds or more, counted from 0, such "
            "as fold0of5 to fold4of5"
        )
    return fold, folds, seed


def fold_names(folds: int, seed: int = 0) -> tuple[str, ...]:
    """Names of the splits that test each fold in turn."""
    suffix = f"seed{seed}" if seed else ""
    return tuple(f"fold{fold}of{folds}{suffix}" for fold in range(folds))


def read_groups(path: Path, ids: Sequence[str]) -> NDArray[np.int64]:
    """[n], group of each entry, as the build found it; entries without one are groups of their own.

    Args:
        path: Folder of the store.
        ids: Ids of its entries.
    """
    file = path / ENTRIES_FILE
    known: dict[str, int] = {}
    if file.is_file():
        with file.open(newline="", encoding="utf-8") as stream:
            known = {
                row["id"]: int(row["group"])
                for row in csv.DictReader(stream)
                if row.get("group", "") not in ("", "-1")
            }
    own = max(known.values(), default=-1) + 1
    return np.array([known.get(id, own + row) for row, id in enumerate(ids)], dtype=np.int64)


def fold_of(
    ids: Sequence[str], groups: NDArray[np.int64], labels: NDArray[Any], folds: int, seed: int
) -> NDArray[np.int64]:
    """[n], fold of each entry; groups stay whole, and folds have about as many labels of each task.

    Groups with many labels come first (largest first, more than half a fold of some task), the
    others in the order of a seeded hash. Each goes to the fold that has fewest of the labels that
    it adds. A group larger than a fold makes that fold larger than the others.

    Args:
        ids: Ids of the entries.
        groups: [n], group of each entry.
        labels: [n, T], labelled items of each entry and task.
        folds: Number of folds.
        seed: Of the order.
    """
    names, number = np.unique(groups, return_inverse=True)
    first: list[str] = [""] * len(names)
    for id, group in zip(ids, number.tolist(), strict=True):
        first[group] = min(first[group] or id, id)
    size = np.zeros((len(names), labels.shape[1]))
    np.add.at(size, number, labels)
    share = size / np.maximum(size.sum(axis=0), 1)
    large = np.where(share.max(axis=1, initial=0) > 0.5 / folds, share.sum(axis=1), 0)
    draw = [hashlib.sha256(f"{seed}/{id}".encode()).digest() for id in first]
    order = sorted(range(len(names)), key=lambda group: (-large[group], draw[group]))
    load, place = np.zeros((folds, labels.shape[1])), np.zeros(len(names), dtype=np.int64)
    turn = np.random.default_rng(seed).permutation(folds)
    for group in order:
        cost = load @ share[group]
        best = min(range(folds), key=lambda fold: (cost[fold], load[fold].sum(), turn[fold]))
        load[best] += share[group]
        place[group] = best
    return place[number]


def fold_split(where: NDArray[np.int64], fold: int, folds: int) -> NDArray[np.int8]:
    """[n], codes of a split that tests one fold and validates on the next one.

    Args:
        where: [n], fold of each entry.
        fold: The one that is tested.
        folds: Number of folds.
    """
    codes = np.full(len(where), TRAIN, dtype=np.int8)
    codes[where == (fold + 1) % folds] = VAL
    codes[where == fold] = TEST
    return codes
