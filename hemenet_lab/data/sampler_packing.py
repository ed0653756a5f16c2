"""Packing training items into batches: bounds on graphs, atoms and edges, and all tasks in each."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hemenet_lab.data.sampler_items import Items, Limits
from hemenet_lab.data.sampler_packer import TOLERANCE, Cover, Packer

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
