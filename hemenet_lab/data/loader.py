"""Loaders of planned batches; training resumes in the middle of an epoch, exactly.

These are plain iterables around a torch `DataLoader`, not subclasses of it. Lightning rebuilds the
samplers of `DataLoader` objects (always in predict, and in training with several processes) and
would undo the plan; it leaves other iterables as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from lightning.pytorch.utilities.rank_zero import rank_zero_warn
from numpy.typing import NDArray
from torch.utils.data import DataLoader

from hemenet_lab.data.graph import ProteinGraph
from hemenet_lab.data.loader_collate import collate
from hemenet_lab.data.loader_dataset import GraphDataset
from hemenet_lab.data.loader_packed import PackedBatch

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
        """Where training stands."""
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
