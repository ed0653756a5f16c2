"""Training with a share of a task's labels, to see how much the others make up for."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from hemenet_lab.store import Store

TRAIN = 0
"""Code of the training part of a split."""


def hidden_labels(
    store: Store, split: NDArray[np.int8], shares: Mapping[str, float], seed: int
) -> NDArray[np.bool_]:
    """Labels of training entries that are not to be seen.

    Of the n training entries with a label of a task, round(share · n) keep theirs. Entries come in
    an order drawn from the seed, the task and their ids, and the first ones keep it: what a smaller
    share keeps, a larger one keeps as well. Validation and test are left whole.

    Args:
        store: The entries.
        split: [n], part of each entry.
        shares: Share, 0 to 1, by task name; tasks that are not named keep all.
        seed: Of the order.

    Returns:
        [n, T] for the store's T tasks, True where a label is hidden.

    Raises:
        ValueError: A task that the store does not have, or a share outside 0 to 1.
    """
    names = [task.name for task in store.tasks]
    hidden = np.zeros((len(store), len(names)), dtype=np.bool_)
    for name, share in shares.items():
        if name not in names:
            raise ValueError(f"data.label_share names task {name!r}; the store has {names}")
        if not 0 <= share <= 1:
            raise ValueError(f"data.label_share of {name} is {share}; give a share from 0 to 1")
        column = names.index(name)
        labelled = np.flatnonzero((split == TRAIN) & store.labelled[:, column])
        order = sorted(labelled.tolist(), key=lambda entry: _draw(seed, name, store.ids[entry]))
        hidden[order[round(share * len(order)) :], column] = True
    return hidden


def share_lines(
    store: Store, split: NDArray[np.int8], hidden: NDArray[np.bool_], shares: Mapping[str, float]
) -> list[str]:
    """Lines for the summary: entries that keep their labels, by task."""
    lines = []
    for column, task in enumerate(store.tasks):
        if task.name in shares:
            labelled = store.labelled[:, column] & (split == TRAIN)
            kept = int((labelled & ~hidden[:, column]).sum())
            lines.append(
                f"{task.name}: {kept} of {int(labelled.sum())} labelled training entries keep "
                f"their labels (label_share {shares[task.name]:g})"
            )
    return lines


def _draw(seed: int, task: str, entry: str) -> bytes:
    return hashlib.sha256(f"{seed}/{task}/{entry}".encode()).digest()
