"""What batches are planned from: items with their cost and labels, and the bounds of a batch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hemenet_lab.tasks import Task

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Limits:
    """Bounds of a batch of one process."""

    graphs: int
    atoms: int
    edges: int

    def __post_init__(self) -> None:
        for name in ("graphs", "atoms", "edges"):
            if getattr(self, name) < 1:
                raise ValueError(f"a batch of {getattr(self, name)} {name}; it must be 1 or more")


@dataclass(frozen=True)
class Items:
    """n items to make batches of.

    Args:
        index: [n], entry of each item in the store.
        names: Ids of the items, for messages.
        atoms: [n].
        edges: [n], edges of the item's graph.
        labelled: [n, T], True where the item has a label of the task.
        tasks: The T tasks.
    """

    index: Ints
    names: tuple[str, ...]
    atoms: Ints
    edges: Ints
    labelled: NDArray[np.bool_]
    tasks: tuple[Task, ...]

    def __len__(self) -> int:
        return len(self.index)

    def signature(self) -> Ints:
        """[n], the set of labelled tasks as bits."""
        bits = 1 << np.arange(len(self.tasks), dtype=np.int64)
        return np.asarray((self.labelled * bits).sum(axis=1))

    def complex_level(self) -> NDArray[np.bool_]:
        """[n], True for items with a label of a complex-level task."""
        columns = [task.level == "complex" for task in self.tasks]
        return np.asarray(self.labelled[:, columns].any(axis=1))
