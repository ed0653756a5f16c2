"""Graphs of a store by index, as the loaders read them."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from hemenet_lab.data.build_graph import build_graph
from hemenet_lab.data.edge_cache import EdgeCache
from hemenet_lab.data.graph import ProteinGraph
from hemenet_lab.data.store import Store
from hemenet_lab.tasks import Task


class GraphDataset(Dataset[ProteinGraph]):
    """Graphs of a store's entries with the labels of some tasks.

    Graphs have two attributes more than `build_graph` gives: ``entry_index``, int64 [1], and
    ``counted``, bool [1]. The latter is False, and so are all label masks, for an entry asked for
    by its negative index ``~index``: such copies fill up evaluation batches, so that sums over
    labelled items stay exact.

    Args:
        store: The entries.
        edges: Their edges in the view of the graphs.
        tasks: Tasks whose labels the graphs carry.
        hidden: [n, T] for all T tasks of the store, True where a label is masked; none if None.
    """

    def __init__(
        self,
        store: Store,
        edges: EdgeCache,
        tasks: tuple[Task, ...],
        hidden: NDArray[np.bool_] | None = None,
    ) -> None:
        self.store = store
        self.edges = edges
        self.tasks = tasks
        columns = [column for column, task in enumerate(store.tasks) if task in tasks]
        self._hidden = None if hidden is None else hidden[:, columns]

    def __len__(self) -> int:
        return len(self.store)

    def __getitem__(self, index: int) -> ProteinGraph:
        counted = index >= 0
        entry = index if counted else ~index
        graph = build_graph(self.store[entry], self.edges.view, self.tasks, edges=self.edges[entry])
        graph.entry_index = torch.tensor([entry])
        graph.counted = torch.tensor([counted])
        for column, task in enumerate(self.tasks):
            if not counted or (self._hidden is not None and self._hidden[entry, column]):
                graph[f"mask_{task.name}"][:] = False
        return graph
