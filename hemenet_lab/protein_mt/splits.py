"""Seeded splits of whole groups: by task, or as published for the fully labelled complexes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hemenet_lab.protein_mt.clusters import Item

SCHEMES = ("taskwise", "published")
TASKWISE_SHARES = {"test": 0.15, "val": 0.10}
"""Shares of the groups that a task has labels in."""
PUBLISHED_SHARES = {"test": 0.35, "val": 0.40}
"""Shares of the fully labelled complexes; the rest of them trains (released code, method 1)."""
PUBLISHED_SLACK = 0.10
"""How far a part may exceed its share when a large group joins it (released code: 35 to 45 %)."""
MIN_FULL_LABEL = 50
"""Fewest fully labelled complexes, and a tenth as many groups, for the published scheme."""

Groups = NDArray[np.int64]
"""[items], group of each item, 0 to K - 1."""


def split_items(items: Sequence[Item], groups: Groups, *, scheme: str, seed: int) -> dict[str, str]:
    """Item id → ``train``, ``val``, ``test`` or ``unused``; groups are never torn apart.

    Raises:
        ValueError: An unknown scheme, or too few fully labelled complexes for ``published``.
    """
    if scheme == "taskwise":
        return taskwise_split(items, groups, seed=seed)
    if scheme == "published":
        return published_split(items, groups, seed=seed)
    raise ValueError(f"split scheme {scheme!r}; allowed: {', '.join(SCHEMES)}")


def taskwise_split(items: Sequence[Item], groups: Groups, *, seed: int) -> dict[str, str]:
    """Gives every task its own validation and test items.

    Tasks are served in the order of their number of groups, the rarest first. Each takes groups
    with its labels, in a seeded order, until its share is reached: at least one group for ``test``
    and one for ``val`` if it has three or more. Groups that no other task has enough of already,
    and that are not larger than the share itself, go first. Training keeps a group of each task.
    """
    tasks = sorted({task for item in items for task in item.labelled})
    counts = _count_labels(items, groups, tasks)
    labelled = counts > 0
    draw = np.random.default_rng(seed).permutation(len(counts))
    part = np.full(len(counts), "train", dtype="<U6")
    for task in sorted(range(len(tasks)), key=lambda column: (labelled[:, column].sum(), column)):
        for name, share in TASKWISE_SHARES.items():
            _fill(part, name, task, quota=_quota(labelled, share), counts=counts, draw=draw)
    return {item.id: str(part[group]) for item, group in zip(items, groups, strict=True)}


def published_split(items: Sequence[Item], groups: Groups, *, seed: int) -> dict[str, str]:
    """Splits as the paper does: validation and test hold fully labelled complexes only.

    Groups with such complexes are drawn in a seeded order: 35 % of the complexes for test, then
    40 % for validation; all else trains. The other members of held-out groups are unused.

    Raises:
        ValueError: Too few fully labelled complexes or groups of them.
    """
    full = np.array([item.full_label for item in items], dtype=bool)
    sizes = np.bincount(groups[full], minlength=int(groups.max(initial=-1)) + 1)
    if full.sum() < MIN_FULL_LABEL or (sizes > 0).sum() < MIN_FULL_LABEL // 10:
        raise ValueError(
            f"{full.sum()} fully labelled complexes in {(sizes > 0).sum()} groups are too few for "
            f"the published scheme (at least {MIN_FULL_LABEL} in {MIN_FULL_LABEL // 10}); "
            "use the scheme taskwise"
        )
    part = np.full(len(sizes), "train", dtype="<U6")
    order = [group for group in np.random.default_rng(seed).permutation(len(sizes)) if sizes[group]]
    for name, share in PUBLISHED_SHARES.items():
        held = 0
        for group in order:
            room = (share + PUBLISHED_SLACK) * full.sum() - held
            if part[group] == "train" and held < share * full.sum() and sizes[group] <= room:
                part[group] = name
                held += int(sizes[group])
    return {
        item.id: "unused" if part[group] != "train" and not item.full_label else str(part[group])
        for item, group in zip(items, groups, strict=True)
    }


def _count_labels(items: Sequence[Item], groups: Groups, tasks: list[str]) -> NDArray[np.int64]:
    """[K, T], labelled items of each group and task."""
    counts = np.zeros((int(groups.max(initial=-1)) + 1, len(tasks)), dtype=np.int64)
    for item, group in zip(items, groups, strict=True):
        for column, task in enumerate(tasks):
            counts[group, column] += task in item.labelled
    return counts


def _quota(labelled: NDArray[np.bool_], share: float) -> NDArray[np.int64]:
    """[T], groups that a part should hold of each task."""
    groups = labelled.sum(axis=0)
    wanted = np.maximum(1, np.round(share * groups)).astype(np.int64)
    return np.where(groups >= 3, wanted, 0)


def _fill(
    part: NDArray[np.str_],
    name: str,
    task: int,
    *,
    quota: NDArray[np.int64],
    counts: NDArray[np.int64],
    draw: NDArray[np.int64],
) -> None:
    """Moves groups from ``train`` to the part ``name`` until one task has its quota there."""
    labelled = counts > 0
    largest = TASKWISE_SHARES[name] * counts.sum(axis=0)
    too_large = ((counts > largest) & labelled).any(axis=1)
    while True:
        there = labelled[part == name].sum(axis=0)
        left = labelled[part == "train"].sum(axis=0)
        last = (labelled & (left <= 1)).any(axis=1)
        free = (part == "train") & labelled[:, task] & ~last
        if there[task] >= quota[task] or not free.any():
            return
        surplus = (labelled & (there >= quota)).sum(axis=1)
        cost = (surplus * 2 + too_large) * len(draw) + draw
        part[np.argmin(np.where(free, cost, np.iinfo(np.int64).max))] = name
