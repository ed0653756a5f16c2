"""Packing of items into batches: bounds on graphs, atoms and edges, and all tasks in each."""

from __future__ import annotations

import heapq
import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hemenet_lab.tasks import Task

Ints = NDArray[np.int64]


TOLERANCE = 1e-9
"""Room for rounding in sums of sizes; far below one atom or edge of a budget."""


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


SHARED_MULTIPLE = 8
SHARED_FROM = 80
"""From this many batches on, their number is a multiple of `SHARED_MULTIPLE`."""
SIZE_STEP = 1.1
"""Sizes are rounded up to powers of this, so that items of similar size can change places."""


@dataclass(frozen=True)
class Packing:
    """Batches of item positions; every item is in one, some are in several."""

    batches: list[list[int]]
    size: NDArray[np.float64]
    """[n], share of a batch's budget that each item takes."""
    capacity: float = 1.0 + TOLERANCE

    @property
    def num_batches(self) -> int:
        return len(self.batches)


def pack(items: Items, limits: Limits, seed: int, world_size: int, balanced: bool) -> Packing:
    """Few batches that respect all bounds; see `TrainingPlan` for the rules."""
    if not len(items):
        raise ValueError("there is no training item to make batches of")
    size = np.maximum(items.atoms / limits.atoms, items.edges / limits.edges)
    _require_items_fit(items, limits, size)
    rounded = np.minimum(SIZE_STEP ** np.ceil(np.log(size) / np.log(SIZE_STEP)), 1.0)
    signature = items.signature()
    wanted = int(np.bitwise_or.reduce(signature)) if balanced else 0
    for sizes, share in ((np.maximum(rounded, size), 0.2), (size, 0.0)):
        cover = Cover(signature, sizes, wanted, share)
        batches = _fewest(items, limits, sizes, cover, seed, world_size)
        if batches is not None:
            return Packing(batches, sizes)
    raise ValueError(_cannot_pack(items, limits))


def _fewest(
    items: Items, limits: Limits, size: NDArray[np.float64], cover: Cover, seed: int, world: int
) -> list[list[int]] | None:
    """The packing with about the fewest batches that the greedy method finds."""
    least = max(math.ceil(len(items) / limits.graphs), math.ceil(size.sum() - TOLERANCE), 1)
    most = _round_up(len(items), world)
    failed, step, best = least - 1, 1, None
    count = _round_up(least, world)
    while best is None:  # grow by larger and larger steps
        best = Packer(items, limits, size, cover, seed, count).run()
        if best is None:
            if count >= most:
                return None
            failed, step = count, 2 * step
            count = min(_round_up(count + max(step, count * step // 200), world), most)
    while len(best) - failed > max(world, len(best) // 100):  # then halve the gap
        count = _round_up((len(best) + failed) // 2, world)
        if not failed < count < len(best):
            break
        found = Packer(items, limits, size, cover, seed, count).run()
        best, failed = (found, failed) if found is not None else (best, count)
    return best


def _round_up(count: int, world_size: int) -> int:
    multiple = math.lcm(world_size, SHARED_MULTIPLE) if count >= SHARED_FROM else world_size
    return -(-count // multiple) * multiple


def _require_items_fit(items: Items, limits: Limits, size: NDArray[np.float64]) -> None:
    worst = int(np.argmax(size))
    if size[worst] <= 1:
        return
    by_atoms = items.atoms[worst] > limits.atoms
    what, amount, limit = (
        ("atoms", items.atoms[worst], limits.atoms)
        if by_atoms
        else ("edges", items.edges[worst], limits.edges)
    )
    raise ValueError(
        f"{int((size > 1).sum())} training entries are too large for a batch; the largest, "
        f"{items.names[worst]}, has {amount} {what}, max_{what}_per_batch is {limit}: raise it to "
        f"{amount} or more, or leave these entries out of the training split"
    )


def _cannot_pack(items: Items, limits: Limits) -> str:
    present = [
        task.name for column, task in enumerate(items.tasks) if items.labelled[:, column].any()
    ]
    largest = int(np.argmax(np.maximum(items.atoms / limits.atoms, items.edges / limits.edges)))
    return (
        f"no way to put a labelled item of each task ({', '.join(present)}) into every batch of "
        f"{limits.graphs} graphs, {limits.atoms} atoms and {limits.edges} edges, together with "
        f"large entries such as {items.names[largest]} ({items.atoms[largest]} atoms, "
        f"{items.edges[largest]} edges); raise batch_graphs, max_atoms_per_batch or "
        "max_edges_per_batch, or set balanced=false"
    )


LARGE = 0.25
"""Items above this share of a budget are placed before all others."""


class Cover:
    """Least cost of giving a batch the tasks that it still misses.

    Args:
        signature: [n], labelled tasks of each item as bits.
        size: [n], share of a batch's budget that each item takes.
        wanted: Tasks that every batch must have, as bits.
        share: 0 counts on the smallest item of each kind, 0.2 on its smallest fifth, which leaves
            a choice of items to repeat.
    """

    def __init__(
        self, signature: Ints, size: NDArray[np.float64], wanted: int, share: float
    ) -> None:
        self.wanted = wanted
        self._kinds = [
            (int(kind), float(np.quantile(size[signature == kind], share, method="lower")))
            for kind in np.unique(signature)
        ]
        self._known: dict[int, tuple[float, int]] = {0: (0.0, 0)}

    def needs(self, missing: int) -> tuple[float, int]:
        """Least share of the budget and least number of items that hold all missing tasks."""
        if missing not in self._known:
            options = [
                (size, self.needs(missing & ~kind)) for kind, size in self._kinds if kind & missing
            ]
            self._known[missing] = (
                min(size + rest[0] for size, rest in options),
                min(1 + rest[1] for _, rest in options),
            )
        return self._known[missing]


class Packer:
    """One attempt to pack all items into a given number of batches."""

    def __init__(
        self,
        items: Items,
        limits: Limits,
        size: NDArray[np.float64],
        cover: Cover,
        seed: int,
        num_batches: int,
    ) -> None:
        self.limit = limits.graphs
        self.size = size
        self.sizes: list[float] = size.tolist()
        self.signature: list[int] = items.signature().tolist()
        self.complex: list[bool] = items.complex_level().tolist()
        self.labelled = items.labelled
        self.rng = np.random.default_rng(seed)
        self.batches: list[list[int]] = [[] for _ in range(num_batches)]
        self.load = [0.0] * num_batches
        self.cover = cover
        self.missing = [cover.wanted] * num_batches
        self.unused = np.ones(len(items), dtype=bool)
        order = np.argsort(items.labelled.sum(axis=0), kind="stable")
        self.rarest_first = [task for task in order.tolist() if cover.wanted >> task & 1]
        # large items first; where places are few, items with many labels before them
        many = items.labelled.sum(axis=1) * (limits.graphs <= len(self.rarest_first))
        self.order = np.lexsort((-size, -many))

    def run(self) -> list[list[int]] | None:
        """The batches, or None where this attempt found no place for something."""
        self._place(self.size > LARGE)
        if not all(self._cover(task) for task in self.rarest_first):
            return None
        self._spread_complexes()
        self._place(self.unused)
        if self.unused.any():
            return None
        for batch in self.batches:  # more batches than items
            if not batch:
                batch.append(int(self.rng.integers(len(self.size))))
        return self.batches

    def _fits(self, item: int, batch: int) -> bool:
        """True if the item leaves room for all tasks that the batch still needs after it."""
        room, places = self.cover.needs(self.missing[batch] & ~self.signature[item])
        return (
            self.load[batch] + self.sizes[item] + room <= 1.0 + TOLERANCE
            and len(self.batches[batch]) + 1 + places <= self.limit
        )

    def _put(self, item: int, batch: int) -> None:
        self.batches[batch].append(item)
        self.load[batch] += self.sizes[item]
        self.missing[batch] &= ~self.signature[item]
        self.unused[item] = False

    def _open_batches(self, task: int) -> list[int]:
        """Batches without a labelled item of the task, the emptiest first."""
        found = [batch for batch, missing in enumerate(self.missing) if missing >> task & 1]
        return sorted(found, key=self.load.__getitem__)

    def _cover(self, task: int) -> bool:
        """Gives every batch a labelled item of the task: new ones, then repeated ones."""
        candidates = self.order[self.labelled[self.order, task] & self.unused[self.order]]
        batches = self._open_batches(task)
        position = 0
        for item in candidates.tolist():
            if position == len(batches):
                return True
            if self._fits(item, batches[position]):
                self._put(item, batches[position])
                position += 1
        return position == len(batches) or self._cover_again(task)

    def _cover_again(self, task: int) -> bool:
        members = np.flatnonzero(self.labelled[:, task])
        turns = itertools.cycle(self.rng.permutation(members).tolist())
        by_size = members[np.argsort(self.size[members], kind="stable")]
        for batch, item in zip(self._open_batches(task), turns, strict=False):
            if not self._fits(item, batch):
                fitting = self._fitting(by_size, batch)
                if not fitting:
                    return False
                item = int(self.rng.choice(fitting))
            self._put(item, batch)
        return True

    def _fitting(self, by_size: Ints, batch: int) -> list[int]:
        """Some of the items that fit: a random sample, or all of them where the sample fails."""
        room = 1.0 + TOLERANCE - self.load[batch]
        small = by_size[: np.searchsorted(self.size[by_size], room, side="right")]
        sample = self.rng.choice(small, size=8) if len(small) > 8 else small
        found = [item for item in sample.tolist() if self._fits(item, batch)]
        return found or [item for item in small.tolist() if self._fits(item, batch)]

    def _spread_complexes(self) -> None:
        """Places complexes where the fewest are; what does not fit there is left for later."""
        held = [sum(self.complex[item] for item in batch) for batch in self.batches]
        heap = [(held[batch], self.load[batch], batch) for batch in range(len(self.batches))]
        heapq.heapify(heap)
        rest = [item for item in self.order[self.unused[self.order]].tolist() if self.complex[item]]
        for item in rest:
            while heap and len(self.batches[heap[0][2]]) >= self.limit:
                heapq.heappop(heap)
            if heap and self._fits(item, heap[0][2]):
                count, _, batch = heap[0]
                self._put(item, batch)
                heapq.heapreplace(heap, (count + 1, self.load[batch], batch))

    def _place(self, chosen: NDArray[np.bool_]) -> None:
        """Places the chosen items, the largest first, where most room is, as far as they fit."""
        heap = [(self.load[batch], batch) for batch in range(len(self.batches))]
        heapq.heapify(heap)
        items = np.flatnonzero(chosen)
        for item in items[np.argsort(-self.size[items], kind="stable")].tolist():
            while heap and len(self.batches[heap[0][1]]) >= self.limit:
                heapq.heappop(heap)
            if heap and self._fits(item, heap[0][1]):
                batch = heap[0][1]
                self._put(item, batch)
                heapq.heapreplace(heap, (self.load[batch], batch))
