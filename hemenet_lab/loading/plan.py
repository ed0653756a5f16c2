"""Plans of batches: pure functions of (seed, epoch), alike on all ranks.

A training plan is made in two steps. Once, items are packed into batches that respect every bound
and hold a labelled item of every task (`hemenet_lab.loading.packing`). In each epoch, items then
change places with items that have the same set of labels, as far as each place has room for. All
bounds hold in every epoch by construction, and the number of batches never varies (Lightning reads
it once).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from hemenet_lab.loading.packing import Items, Limits, Packing, pack

Ints = NDArray[np.int64]
T = TypeVar("T")

ORDER_GROUP = 8
"""Batches of similar cost stay together in groups of this many, so that ranks wait little."""
MOST_ATOMS, MOST_GRAPHS = 60_000, 16
"""Of a group of `groups_within`."""


@dataclass(frozen=True)
class _Class:
    """Items with the same set of labels and the slots that they share, both by falling size."""

    items: Ints
    size: NDArray[np.float64]
    """Share of a batch's budget that each item takes."""
    slots: Ints
    room: NDArray[np.float64]


class TrainingPlan:
    """Batches of every epoch.

    - At most ``limits.graphs`` items, ``limits.atoms`` atoms and ``limits.edges`` edges each.
    - If ``balanced``: each has a labelled item of every task that any item has; items of rare tasks
      repeat where needed, complex-level tasks are spread evenly.
    - Every item is in every epoch; those not needed to cover a rare task are there once.
    - ``num_batches`` is the same in all epochs and a multiple of ``world_size``. From 80 batches on
      it is a multiple of 8 as well, so that 1, 2, 4 and 8 processes share one plan.

    Args:
        items: What is to be planned.
        limits: Bounds of a batch.
        seed: Base of all random choices.
        world_size: Number of processes.
        balanced: Ask for all tasks in each batch.

    Raises:
        ValueError: An item that is too large for a batch, or tasks that cannot all be in one.
    """

    def __init__(
        self,
        items: Items,
        limits: Limits,
        seed: int = 0,
        world_size: int = 1,
        balanced: bool = True,
    ) -> None:
        self.items = items
        self.seed = seed
        packing = pack(items, limits, seed, world_size, balanced)
        self._num_batches = packing.num_batches
        self._batch_end = np.cumsum([len(batch) for batch in packing.batches])
        self._batch_of_slot = np.repeat(
            np.arange(self._num_batches), [len(batch) for batch in packing.batches]
        )
        self._classes = _classes(items, packing)

    @property
    def num_batches(self) -> int:
        """Batches of all ranks, in every epoch."""
        return self._num_batches

    def batches(self, epoch: int) -> list[Ints]:
        """Entry indices of each batch of an epoch."""
        rng = np.random.default_rng([self.seed, epoch])
        chosen = np.full(len(self._batch_of_slot), -1)
        for group in self._classes:
            _fill(group, chosen, self._batch_of_slot, rng)
        cost = np.bincount(self._batch_of_slot, weights=self.items.atoms[chosen])
        batches = np.split(self.items.index[chosen], self._batch_end[:-1])
        return [batches[position] for position in _order(cost, rng)]


@dataclass(frozen=True)
class FirstEpochOnly:
    """The same batches in the same order in every epoch, for overfitting on purpose."""

    plan: TrainingPlan

    @property
    def num_batches(self) -> int:
        """Batches of all ranks."""
        return self.plan.num_batches

    def batches(self, epoch: int) -> list[Ints]:
        """Entry indices of each batch."""
        return self.plan.batches(0)


def evaluation_batches(items: Items, limits: Limits, world_size: int = 1) -> list[list[int]]:
    """Batches that hold every item once, largest first; the same number for each rank.

    An item larger than the budgets is a batch of its own. Where the number of batches is no
    multiple of ``world_size``, single items fill it up; they are given as ``~index`` (negative) and
    must not be counted.
    """
    batches: list[list[int]] = []
    atoms = edges = 0
    for position in np.lexsort((items.index, -items.atoms)).tolist():
        more_atoms, more_edges = int(items.atoms[position]), int(items.edges[position])
        full = (
            not batches
            or len(batches[-1]) == limits.graphs
            or atoms + more_atoms > limits.atoms
            or edges + more_edges > limits.edges
        )
        if full:
            batches.append([])
            atoms = edges = 0
        batches[-1].append(int(items.index[position]))
        atoms, edges = atoms + more_atoms, edges + more_edges
    if batches:
        padding = ~batches[-1][-1]  # the smallest item
        batches += [[padding]] * (-len(batches) % world_size)
    return batches


def groups_within(items: Iterable[T], atoms: Callable[[T], int]) -> Iterator[list[T]]:
    """Items in their order, in groups that a model takes at once without training.

    A group has at most `MOST_GRAPHS` items and `MOST_ATOMS` atoms, unless one item has more.

    Args:
        items: They are taken as they are needed.
        atoms: Number of atoms of an item.
    """
    waiting: list[T] = []
    held = 0
    for item in items:
        size = atoms(item)
        if waiting and (held + size > MOST_ATOMS or len(waiting) == MOST_GRAPHS):
            yield waiting
            waiting, held = [], 0
        waiting.append(item)
        held += size
    if waiting:
        yield waiting


def _classes(items: Items, packing: Packing) -> list[_Class]:
    signature = items.signature()
    slot_item = np.concatenate([np.asarray(batch) for batch in packing.batches])
    free = [
        np.full(len(batch), (packing.capacity - packing.size[batch].sum()) / len(batch))
        for batch in packing.batches
    ]
    room = packing.size[slot_item] + np.concatenate(free)
    classes = []
    for value in np.unique(signature):
        members = np.flatnonzero(signature == value)
        members = members[np.argsort(-packing.size[members], kind="stable")]
        slots = np.flatnonzero(signature[slot_item] == value)
        slots = slots[np.argsort(-room[slots], kind="stable")]
        classes.append(_Class(members, packing.size[members], slots, room[slots]))
    return classes


def _fill(group: _Class, chosen: Ints, batch_of_slot: Ints, rng: np.random.Generator) -> None:
    """Puts each item of a class into a random slot with room for it, then repeats some.

    Larger items choose first. The slots open to an item contain those open to any larger one, and
    the packing itself is one valid choice, so an item always finds a free slot.
    """
    draws = rng.random(len(group.slots))
    # equal sizes come in random order
    order = np.lexsort((rng.random(len(group.items)), -group.size))
    opened = np.searchsorted(-group.room, -group.size[order], side="right")
    free: list[int] = []
    known = 0
    slots = group.slots.tolist()
    pairs = zip(group.items[order].tolist(), opened.tolist(), draws.tolist(), strict=False)
    for item, reach, draw in pairs:
        free += slots[known:reach]
        known = max(known, reach)
        place = int(draw * len(free))
        free[place], free[-1] = free[-1], free[place]
        chosen[free.pop()] = item
    _repeat(group, np.array(free + slots[known:], dtype=np.int64), chosen, batch_of_slot, rng)


def _repeat(
    group: _Class, empty: Ints, chosen: Ints, batch_of_slot: Ints, rng: np.random.Generator
) -> None:
    """Fills the empty slots with random items of the class that fit and are not there already."""
    if not len(empty):
        return
    slot_room = np.empty(len(batch_of_slot))
    slot_room[group.slots] = group.room
    first = np.searchsorted(-group.size, -slot_room[empty], side="left")
    order = rng.permutation(len(empty))
    for slot, start in zip(empty[order].tolist(), first[order].tolist(), strict=True):
        batch = batch_of_slot[slot]
        low, high = np.searchsorted(batch_of_slot, [batch, batch + 1])
        present = chosen[low:high]
        fitting = group.items[start:]
        absent = fitting[~np.isin(fitting, present)]
        chosen[slot] = rng.choice(absent if len(absent) else fitting)


def _order(cost: NDArray[Any], rng: np.random.Generator) -> list[int]:
    """Batches in random order, those of similar cost close to each other."""
    ranked = np.argsort(cost, kind="stable")
    whole = len(ranked) // ORDER_GROUP * ORDER_GROUP
    groups = ranked[:whole].reshape(-1, ORDER_GROUP)
    groups = rng.permuted(groups[rng.permutation(len(groups))], axis=1)
    return [*groups.ravel().tolist(), *rng.permutation(ranked[whole:]).tolist()]
