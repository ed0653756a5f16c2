"""Our split: whole groups, each put where a hash of its own sequences says.

A group's part is a function of the group alone, so that one chain more or less moves its own group
and no other. The price: shares are met on average, as by drawing lots, not exactly.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hemenet_lab.protein_mt.splits.clusters import Item
from hemenet_lab.protein_mt.splits.inputs import (
    Groups,
    Split,
    SplitInputs,
    count_labels,
    kept_copies,
)

SHARES = {"test": 0.15, "val": 0.10}
LARGE, LARGE_ENTRIES = 0.25, 64
"""Share of a task's items, and entries, above which a group trains."""
STEPS, MOST = 4, 2.0
"""The other groups of such a task have up to `MOST` times the chance, in steps of a quarter: one
chain more or less does not change it but at a step."""
RULE = (
    "whole groups of chains with similar sequences or one UniProt id; a hash of a group's "
    "sequences decides: 15 % test, 10 % val. A group of 64 entries or more with over a quarter of "
    "a task's items trains, and the task's other groups are held out the more often. A task of "
    "three groups or more has one in each part: if no hash says so, the nearest one stands in. Of "
    "near-copies (one kind, chains in the same sequence clusters, the same ligand if any) a "
    "held-out set keeps max_copies, fully labelled ones first, and the others are unused"
)
PARTS = ("train", "val", "test")
TRAIN, VAL, TEST = range(3)


def taskwise_split(inputs: SplitInputs, *, wide: bool = False) -> Split:
    """Splits by groups at the build's identity, or at 30 % (``wide``)."""
    groups = inputs.wide if wide and inputs.wide is not None else inputs.groups
    return split_by_hash(inputs, groups, group_keys(inputs.items, groups), RULE)


def group_keys(items: Sequence[Item], groups: Groups) -> list[str]:
    """[K], the sequence of each group whose digest is least.

    A chain that joins a group of n sequences changes it in one of n + 1 cases only.
    """
    members: dict[int, set[str]] = defaultdict(set)
    for item, group in zip(items, groups.tolist(), strict=True):
        members[group].update(item.sequences or (item.id,))
    return [min(members[group], key=_place) for group in range(len(members))]


def split_by_hash(inputs: SplitInputs, groups: Groups, keys: Sequence[str], rule: str) -> Split:
    """Splits whole groups by their keys.

    Args:
        inputs: Items, near-copies and settings.
        groups: [items], group of each item, 0 to K - 1.
        keys: [K], what each group is known by.
        rule: The rule in words, for the manifest.
    """
    items, most = inputs.items, inputs.settings.max_copies
    kept = kept_copies(inputs, np.array([_place(item.id) for item in items]))
    tasks = sorted({task for item in items for task in item.labelled})
    counts = count_labels(items, groups, tasks, kept)
    entries = np.bincount(groups, minlength=len(keys))
    draw = np.array([_place(f"{inputs.settings.seed}/{key}") for key in keys])
    part, large = _by_hash(draw, counts, entries)
    stand_ins = _stand_in(part, draw, counts > 0, large)
    parts, too_many = {}, 0
    for item, group, keep in zip(items, groups.tolist(), kept.tolist(), strict=True):
        unused = bool(part[group] != TRAIN) and not keep
        parts[item.id] = "unused" if unused else PARTS[part[group]]
        too_many += unused
    total = np.maximum(counts.sum(axis=0), 1)
    shares = {
        task: {
            name: round(float(counts[part == code, column].sum() / total[column]), 4)
            for code, name in enumerate(PARTS)
        }
        for column, task in enumerate(tasks)
    }
    about = {
        "rule": rule,
        "shares": shares,
        "large_groups": int(large.sum()),
        "stand_ins": stand_ins,
        "max_copies": most,
        "unused_near_copies": too_many,
    }
    return Split(parts, about)


def _place(text: str) -> float:
    """A number from 0 to 1 that looks random, the same on every machine."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6]) / 2**48


def _by_hash(
    draw: NDArray[np.float64], counts: NDArray[np.int64], entries: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """[K], part of each group, and whether it trains for its size."""
    share = counts / np.maximum(counts.sum(axis=0), 1)
    large = (entries >= LARGE_ENTRIES) & (share > LARGE).any(axis=1)
    rest = np.maximum(1 - share[large].sum(axis=0), 1 / MOST)
    chance = np.round(STEPS / rest) / STEPS
    has = counts > 0
    # a group with labels of several tasks has the mean of their chances
    mine = np.where(has.any(axis=1), (has * chance).sum(axis=1) / np.maximum(has.sum(axis=1), 1), 1)
    part = np.full(len(draw), TRAIN)
    part[draw < SHARES["test"] * mine] = TEST
    part[draw >= 1 - SHARES["val"] * mine] = VAL
    part[large] = TRAIN
    return part, large


def _stand_in(
    part: NDArray[np.int64],
    draw: NDArray[np.float64],
    has: NDArray[np.bool_],
    large: NDArray[np.bool_],
) -> int:
    """Gives each task a training group, and with three groups one in each part; counts moves."""
    moves = 0
    # how far a group is from where the hash would have put it there by itself
    distance = {TRAIN: np.abs(draw - 0.5), VAL: 1 - draw, TEST: draw}
    for code in (TRAIN, TEST, VAL):
        for task in range(has.shape[1]):
            mine = np.flatnonzero(has[:, task])
            if (part[mine] == code).any() or not len(mine) or (code != TRAIN and len(mine) < 3):
                continue
            spare = [g for g in mine if not large[g] and _can_leave(part, has, int(g))]
            free = spare or (mine if code == TRAIN else [])
            order = sorted(free, key=lambda g: (part[g] not in (TRAIN, code), distance[code][g]))
            if order:
                part[order[0]] = code
                moves += 1
    return moves


def _can_leave(part: NDArray[np.int64], has: NDArray[np.bool_], group: int) -> bool:
    """Check that each task of a group has another group in the same part."""
    return bool((has[part == part[group]].sum(axis=0)[has[group]] > 1).all())
