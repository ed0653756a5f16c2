"""Loaders of planned batches; training resumes in the middle of an epoch, exactly.

These are plain iterables around a torch `DataLoader`, not subclasses of it. Lightning rebuilds the
samplers of `DataLoader` objects (always in predict, and in training with several processes) and
would undo the plan; it leaves other iterables as they are.

`collate` joins graphs as `torch_geometric.data.Batch.from_data_list` does, but faster; worker
processes send a batch as one block of bytes instead of thirty tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Protocol

import numpy as np
import torch
from lightning.pytorch.utilities.rank_zero import rank_zero_warn
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from hemenet_lab.encoders import EntryVectors
from hemenet_lab.graphs import EdgeCache, ProteinGraph, build_graph, make_batch
from hemenet_lab.store import Store
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
        embeddings: Of the residues, for models that read them.
    """

    def __init__(
        self,
        store: Store,
        edges: EdgeCache,
        tasks: tuple[Task, ...],
        hidden: NDArray[np.bool_] | None = None,
        embeddings: EntryVectors | None = None,
    ) -> None:
        self.store = store
        self.embeddings = embeddings
        self.edges = edges
        self.tasks = tasks
        columns = [column for column, task in enumerate(store.tasks) if task in tasks]
        self._hidden = None if hidden is None else hidden[:, columns]

    def __len__(self) -> int:
        return len(self.store)

    def __getitem__(self, index: int) -> ProteinGraph:
        counted = bool(index >= 0)
        entry = index if counted else ~index
        content = self.store[entry]
        rows = None if self.embeddings is None else self.embeddings.of(content)
        graph = build_graph(content, self.edges.view, self.tasks, self.edges[entry], rows)
        graph.entry_index = torch.tensor([entry])
        graph.counted = torch.tensor([counted])
        for column, task in enumerate(self.tasks):
            if not counted or (self._hidden is not None and self._hidden[entry, column]):
                graph[f"mask_{task.name}"][:] = False
        return graph


def collate(graphs: Sequence[ProteinGraph]) -> ProteinGraph:
    """One batch with the attributes of PyG's own, ``batch`` and ``ptr`` included.

    PyG also keeps where each graph's part of each attribute lies, for ``Batch.to_data_list``. That
    is left out: it takes longer to make and to send between processes than the batch itself.
    """
    rows = [graph.to_dict() for graph in graphs]
    sizes = [len(row["pos"]) for row in rows]
    nodes = [0, *accumulate(sizes)]
    chains = [0, *accumulate(row["num_chains"] for row in rows)]
    shifts = {"edge_index": nodes, "polymer_node": nodes, "polymer_chain": chains}
    shifts["chain_graph"] = list(range(len(rows)))
    if "residue_embedding" in rows[0]:
        shifts["polymer_residue"] = [0, *accumulate(len(row["residue_embedding"]) for row in rows)]
    joined = {key: _joined(key, [row[key] for row in rows], shifts.get(key)) for key in rows[0]}
    joined["batch"] = torch.repeat_interleave(torch.arange(len(rows)), torch.tensor(sizes))
    joined["ptr"] = torch.tensor(nodes)
    return make_batch(joined, len(rows))


def _joined(key: str, values: list[Any], shift: list[int] | None) -> Tensor | list[Any]:
    """Tensors end to end, numbers as a tensor, everything else as a list."""
    if isinstance(values[0], Tensor):
        if shift is not None:
            values = [value + start for value, start in zip(values, shift, strict=False)]
        return torch.cat(values, dim=1 if key == "edge_index" else 0)
    if isinstance(values[0], int):
        return torch.tensor(values)
    return values


ALIGNMENT = 16
"""Bytes; every tensor starts at a multiple of this."""


@dataclass(frozen=True)
class PackedBatch:
    """All tensors of a batch in one, with what is needed to take them apart without a copy."""

    block: Tensor
    """uint8."""
    layout: tuple[tuple[str, torch.dtype, torch.Size, int], ...]
    """Name, type, shape and first byte of each tensor."""
    other: dict[str, Any]
    num_graphs: int

    @classmethod
    def of(cls, batch: ProteinGraph) -> PackedBatch:
        """Packs a batch."""
        layout, other, end = [], {}, 0
        for key, value in batch.to_dict().items():
            if isinstance(value, Tensor):
                layout.append((key, value.dtype, value.shape, end))
                end += -(-value.nbytes // ALIGNMENT) * ALIGNMENT
            else:
                other[key] = value
        packed = cls(torch.empty(end, dtype=torch.uint8), tuple(layout), other, batch.num_graphs)
        for name, view in packed.tensors().items():
            view.copy_(batch[name])
        return packed

    def tensors(self) -> dict[str, Tensor]:
        """The tensors by name, as views of the block."""
        found = {}
        for name, dtype, shape, start in self.layout:
            size = shape.numel() * dtype.itemsize
            found[name] = self.block[start : start + size].view(dtype).view(shape)
        return found

    def unpack(self) -> ProteinGraph:
        """The batch."""
        return make_batch(self.tensors() | self.other, self.num_graphs)

    def pin_memory(self) -> PackedBatch:
        """The same in pinned memory; called by torch's loader."""
        return PackedBatch(self.block.pin_memory(), self.layout, self.other, self.num_graphs)


Indices = Sequence[int] | NDArray[np.int64]
Prepare = Callable[[ProteinGraph], None]


class Plan(Protocol):
    """The training batches of all ranks; always the same number."""

    @property
    def num_batches(self) -> int: ...

    def batches(self, epoch: int) -> Sequence[Indices]: ...


class GraphLoader:
    """Batches of graphs of one rank, in the order of a list.

    Args:
        dataset: Where graphs come from.
        batches: Indices of each batch of this rank; ``~index`` for copies that do not count.
        num_workers: Processes that load ahead.
        pin_memory: Put tensors into pinned memory, for faster copies to a GPU.
        prepare: Adds to a new batch what the encoder computes from the graph alone.
    """

    def __init__(
        self,
        dataset: GraphDataset,
        batches: Sequence[Indices],
        num_workers: int = 0,
        pin_memory: bool = False,
        prepare: Prepare | None = None,
    ) -> None:
        self._upcoming = _Upcoming(batches)
        self._loader: DataLoader[Any] = DataLoader(
            dataset,
            batch_sampler=self._upcoming,
            num_workers=num_workers,
            pin_memory=pin_memory,
            persistent_workers=num_workers > 0,
            collate_fn=_Join(prepare, packed=num_workers > 0),
        )

    def __len__(self) -> int:
        return len(self._upcoming.batches)

    def __iter__(self) -> Iterator[ProteinGraph]:
        for batch in self._loader:
            yield batch.unpack() if isinstance(batch, PackedBatch) else batch

    @property
    def _iterator(self) -> Any:
        """By this attribute Lightning finds the worker processes that it ends after a run.

        Left to the garbage collector they take 5 s each.
        """
        return self._loader._iterator

    @_iterator.setter
    def _iterator(self, value: None) -> None:
        self._loader._iterator = value


class TrainLoader(GraphLoader):
    """The training batches of one rank, planned anew for each epoch.

    `state_dict` is the epoch and the number of batches that all ranks together have consumed: it
    is the same on all ranks. The length is always that of a whole epoch.

    Args:
        dataset: Where graphs come from.
        plan: The batches of all ranks.
        rank: This process.
        world_size: Number of processes.
        num_workers: Processes that load ahead.
        pin_memory: Put tensors into pinned memory.
        prepare: Adds to a new batch what the encoder computes from the graph alone.
    """

    def __init__(
        self,
        dataset: GraphDataset,
        plan: Plan,
        rank: int = 0,
        world_size: int = 1,
        num_workers: int = 0,
        pin_memory: bool = False,
        prepare: Prepare | None = None,
    ) -> None:
        super().__init__(dataset, (), num_workers, pin_memory, prepare)
        self._plan, self._rank, self._world_size = plan, rank, world_size
        self._epoch = 0
        self._start = 0
        """First batch of this rank's next iteration; 0 unless a state was loaded."""
        self._consumed = 0

    def __len__(self) -> int:
        return self._plan.num_batches // self._world_size

    @property
    def sampler(self) -> TrainLoader:
        """Lightning announces each epoch by ``loader.sampler.set_epoch``."""
        return self

    @property
    def batch_sampler(self) -> None:
        """Lightning looks for this attribute beside ``sampler``."""
        return None

    def set_epoch(self, epoch: int) -> None:
        """Starts at the first batch of the epoch, unless it is the one that was resumed."""
        if epoch != self._epoch:
            self._epoch, self._start, self._consumed = epoch, 0, 0

    def __iter__(self) -> Iterator[ProteinGraph]:
        # A generator: nothing is planned before the first batch is asked for. Lightning makes the
        # first iterator of a resumed run before it says which epoch it is.
        batches = self._plan.batches(self._epoch)[self._rank :: self._world_size]
        self._upcoming.batches = batches[self._start :]
        self._consumed, self._start = self._start, 0
        for batch in super().__iter__():
            self._consumed += 1  # what the training loop took, not what workers loaded ahead
            yield batch

    def state_dict(self) -> dict[str, int]:
        """Position in the plan: epoch and batches taken."""
        return {
            "epoch": self._epoch,
            "consumed": self._consumed * self._world_size,
            "planned": self._plan.num_batches,
        }

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Continues where `state_dict` was taken."""
        self._epoch = state["epoch"]
        self._start = self._consumed = min(state["consumed"] // self._world_size, len(self))
        if state["planned"] != self._plan.num_batches and self._start:
            rank_zero_warn(
                f"the checkpoint was made with {state['planned']} batches per epoch, now there are "
                f"{self._plan.num_batches}; the rest of this epoch repeats or leaves out some "
                "items. Resume with the same data settings to avoid this."
            )


@dataclass(frozen=True)
class _Join:
    """Graphs joined to a prepared batch, packed for the way from a worker process if asked."""

    prepare: Prepare | None
    packed: bool

    def __call__(self, graphs: Sequence[ProteinGraph]) -> ProteinGraph | PackedBatch:
        batch = collate(graphs)
        if self.prepare is not None:
            self.prepare(batch)
        return PackedBatch.of(batch) if self.packed else batch


class _Upcoming:
    """The batches that the inner loader reads next; its workers stay alive between epochs."""

    def __init__(self, batches: Sequence[Indices]) -> None:
        self.batches = batches

    def __iter__(self) -> Iterator[Any]:
        return iter(self.batches)

    def __len__(self) -> int:
        return len(self.batches)
