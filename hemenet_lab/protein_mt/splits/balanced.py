"""Split by quotas: every task reaches its shares of groups, whatever it takes.

Its shares come nearer to the wanted ones than those of `taskwise`, but one chain more or less may
move any group. The demo is split so.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hemenet_lab.protein_mt.splits.inputs import Split, SplitInputs, count_labels, kept_copies

SHARES = {"test": 0.15, "val": 0.10}
"""Shares of the groups that a task has labels in."""
LEAST = {"test": 200, "val": 100}
"""Items of each task, where there are enough: below this a score has wide confidence limits."""
MOST = {"test": 0.20, "val": 0.10}
"""Shares of a task's items above which `LEAST` is not pursued."""
RULE = (
    "whole groups of chains with similar sequences or one UniProt id; per task 15 % of the groups "
    "and 200 items or more for test, 10 % and 100 for val (never above 20 % and 10 % of the items "
    "for the sake of these numbers); of near-copies (one kind, chains in the same sequence "
    "clusters, the same ligand if any) a held-out set keeps max_copies, fully labelled ones first, "
    "and the others are unused"
)


@dataclass(frozen=True)
class _Quota:
    """Numbers of items of each task that a part should hold, [T] each."""

    groups: NDArray[np.int64]
    items: NDArray[np.int64]


def balanced_split(inputs: SplitInputs) -> Split:
    """Gives every task its own validation and test items.

    Tasks are served in the order of their number of groups, the rarest first. Each takes groups
    with its labels, in a seeded order, until its share is reached: at least one group for ``test``
    and one for ``val`` if it has three or more. Groups that no other task has enough of already,
    and that are not larger than the share itself, go first. Training keeps a group of each task.
    """
    items, groups = inputs.items, inputs.groups
    rng = np.random.default_rng(inputs.settings.seed)
    tasks = sorted({task for item in items for task in item.labelled})
    draw = rng.permutation(int(groups.max(initial=-1)) + 1)
    kept = kept_copies(inputs, rng.permutation(len(items)))
    counts = count_labels(items, groups, tasks, kept)
    labelled = counts > 0
    part = np.full(len(counts), "train", dtype="<U6")
    for task in sorted(range(len(tasks)), key=lambda column: (labelled[:, column].sum(), column)):
        for name in SHARES:
            _fill(part, name, task, quota=_quota(counts, name), counts=counts, draw=draw)
    parts, too_many = {}, 0
    for item, group, keep in zip(items, groups, kept, strict=True):
        parts[item.id] = str(part[group])
        if part[group] != "train" and not keep:
            parts[item.id] = "unused"
            too_many += 1
    return Split(
        parts,
        {
            "rule": RULE,
            "max_copies": inputs.settings.max_copies,
            "unused_near_copies": too_many,
        },
    )


def _quota(counts: NDArray[np.int64], name: str) -> _Quota:
    groups, items = (counts > 0).sum(axis=0), counts.sum(axis=0)
    wanted = np.maximum(1, np.round(SHARES[name] * groups)).astype(np.int64)
    enough = groups >= 3
    least = np.minimum(LEAST[name], np.floor(MOST[name] * items)).astype(np.int64)
    return _Quota(np.where(enough, wanted, 0), np.where(enough, least, 0))


def _fill(
    part: NDArray[np.str_],
    name: str,
    task: int,
    *,
    quota: _Quota,
    counts: NDArray[np.int64],
    draw: NDArray[np.int64],
) -> None:
    """Moves groups from ``train`` to the part ``name`` until one task has its quota there."""
    labelled = counts > 0
    too_large = ((counts > SHARES[name] * counts.sum(axis=0)) & labelled).any(axis=1)
    held, training = part == name, part == "train"
    there, left = labelled[held].sum(axis=0), labelled[training].sum(axis=0)
    items = counts[held].sum(axis=0)
    while there[task] < quota.groups[task] or items[task] < quota.items[task]:
        full = (there >= quota.groups) & (items >= quota.items)
        surplus = (labelled & full).sum(axis=1)
        cost = (surplus * 2 + too_large) * len(draw) + draw
        candidates = np.flatnonzero((part == "train") & labelled[:, task])
        for group in candidates[np.argsort(cost[candidates])]:
            if (labelled[group] & (left <= 1)).any():
                continue
            part[group] = name
            there, left = there + labelled[group], left - labelled[group]
            items = items + counts[group]
            if (full != ((there >= quota.groups) & (items >= quota.items))).any():
                break  # costs are others now, and perhaps the quota is reached
        else:
            return
