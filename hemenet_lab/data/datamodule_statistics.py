"""What a predictor that sees no structure can know: label statistics of the training split."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hemenet_lab.data.store import Store
from hemenet_lab.tasks import Task


def label_means(store: Store, task: Task, chosen: NDArray[np.bool_]) -> Tensor | None:
    """Mean label over the labelled items of some entries.

    Args:
        store: The entries.
        task: One of the store's tasks.
        chosen: [n], entries that count.

    Returns:
        float32 [outputs]: the mean value of a regression task, the frequency of each term of a
        multi-label task (over labelled chains); None where no item is labelled.
    """
    column = [known.name for known in store.tasks].index(task.name)
    if task.kind == "regression":
        rows = (store.array("value_task") == column) & chosen[_entry_of(store, "value")]
        values = store.array("value")[rows]
        return torch.tensor([values.mean()], dtype=torch.float32) if len(values) else None
    rows = (store.array("term_row_task") == column) & chosen[_entry_of(store, "term_row")]
    if not rows.any():
        return None
    length = np.diff(store.array("term_row_end"), prepend=0)
    terms = store.array("term")[np.repeat(rows, length)]
    counts = np.bincount(terms, minlength=task.num_outputs)
    return torch.from_numpy((counts / rows.sum()).astype(np.float32))


def _entry_of(store: Store, level: str) -> NDArray[np.int64]:
    """Entry of each row of a level."""
    return np.repeat(np.arange(len(store)), np.diff(store.array(f"{level}_offset")))
