"""Structures some of whose residues are masked: which, what they lose, and batches of them."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from hemenet_lab.graphs import ProteinGraph, build_graph
from hemenet_lab.loading import GraphDataset, Indices, Items, Plan, ProteinMTDataModule
from hemenet_lab.store import ATOM_FIELDS, SPLIT_NAMES, Entry
from hemenet_lab.structures import CA_SLOT, UNKNOWN_RESIDUE
from hemenet_lab.tasks import Task

FIRST_SIDE_CHAIN_SLOT = 4
"""Slots 0 to 3 are N, CA, C and O."""
LABELS_ONLY = ("tasks", "balanced", "label_share")
"""Settings of `ProteinMTDataModule` that mean nothing without labels."""


def mask_residues(
    entry: Entry, share: float, seed: int, epoch: int
) -> tuple[Entry, NDArray[np.int64]]:
    """Hide the types of some residues of an entry, and all atoms that would tell them.

    The residues are drawn from (seed, epoch, id of the entry) alone, among those of a known type
    with an alpha carbon. They become unknown residues with no atoms but N, CA, C and O. CB goes as
    well: glycine alone has none, and the other three say where it lies.

    Args:
        entry: Stays as it is.
        share: Share of these residues, 0 to 1; at least one is masked.
        seed: Base of the draw.
        epoch: Another one gives another draw.

    Returns:
        The masked entry, and [N] the type (0 to 19) of each masked residue, -1 for other nodes.
    """
    node = entry.atom_node
    residue = (entry.node_chain >= 0) & (entry.node_type < UNKNOWN_RESIDUE)
    residue &= np.bincount(node[entry.atom_slot == CA_SLOT], minlength=entry.num_nodes) > 0
    known = np.flatnonzero(residue)
    count = min(len(known), max(1, round(share * len(known))))
    rng = np.random.default_rng([seed, epoch, zlib.crc32(entry.id.encode())])
    masked = np.zeros(entry.num_nodes, dtype=np.bool_)
    masked[rng.permutation(known)[:count]] = True

    kept = ~masked[node] | (entry.atom_slot < FIRST_SIDE_CHAIN_SLOT)
    atoms = np.bincount(node[kept], minlength=entry.num_nodes)
    without = replace(
        entry,
        node_type=np.where(masked, UNKNOWN_RESIDUE, entry.node_type).astype(entry.node_type.dtype),
        node_atoms=atoms.astype(entry.node_atoms.dtype),
        chain_sequence=(),
        **{field.name: getattr(entry, field.name)[kept] for field in ATOM_FIELDS},
    )
    return without, np.where(masked, entry.node_type, -1).astype(np.int64)


class MaskedGraphs(GraphDataset):
    """Graphs of a store's entries with masked residues, and their types in ``hidden_type``.

    Index ``i + epoch * len(self)`` is entry ``i`` as it is masked in that epoch. A negative index
    ``~i`` gives a copy that does not count, in which no type is asked for.

    Args:
        graphs: The whole graphs.
        share: Share of the residues that are masked.
        seed: Base of the draws.
    """

    def __init__(self, graphs: GraphDataset, share: float, seed: int) -> None:
        super().__init__(graphs.store, graphs.edges, ())
        self.share, self.seed = share, seed

    def __getitem__(self, index: int) -> ProteinGraph:
        counted = bool(index >= 0)
        epoch, number = divmod(int(index) if counted else ~int(index), len(self))
        entry, hidden = mask_residues(self.store[number], self.share, self.seed, epoch)
        view = self.edges.view
        # edges from atom to atom, and the binding site, change with the atoms that are left out;
        # alpha carbons are all there
        known = self.edges[number] if view.nodes == "alpha" and not view.crop else None
        asked = hidden if counted else np.full_like(hidden, -1)
        graph = build_graph(entry, view, edges=known, hidden_type=asked)
        graph.entry_index = torch.tensor([number])
        graph.counted = torch.tensor([counted])
        return graph


@dataclass(frozen=True)
class MaskedPlan:
    """Batches of a plan, as indices of `MaskedGraphs` that tell the epoch."""

    plan: Plan
    entries: int
    """Entries of the store."""

    @property
    def num_batches(self) -> int:
        """Batches of all ranks."""
        return self.plan.num_batches

    def batches(self, epoch: int) -> Sequence[Indices]:
        """Indices of each batch of an epoch."""
        return [np.asarray(batch) + epoch * self.entries for batch in self.plan.batches(epoch)]


class PretrainingDataModule(ProteinMTDataModule):
    """Batches of a store's structures, labelled or not, with masked residues.

    Training takes all entries of the training part, masked anew in each epoch; validation takes
    those of the validation part, always masked alike. Labels are not read, and neither are the
    entries of the test part.

    Args:
        root: Folder of a store, or the name of an installed one: ``demo``.
        split: Name of one of the store's splits.
        masked_share: Share of the residues of each structure that are masked, above 0 and below 1.
        batch_graphs: Most structures per batch and process.
        max_atoms_per_batch: Most heavy atoms per batch and process.
        max_edges_per_batch: Most edges per batch and process.
        num_workers: Processes that load ahead, per process and loader.
        pin_memory: Faster copies to a GPU; where one is used if None.
        seed: Base of the order of batches, and of the choice of residues.

    Raises:
        ValueError: A share that is not between 0 and 1, no store at ``root``, no such split, or an
            empty training part (the last three when the data are used).
    """

    def __init__(
        self,
        root: str = "demo",
        split: str = "default",
        masked_share: float = 0.15,
        batch_graphs: int = 8,
        max_atoms_per_batch: int = 60_000,
        max_edges_per_batch: int = 2_000_000,
        num_workers: int = 0,
        pin_memory: bool | None = None,
        seed: int = 0,
    ) -> None:
        if not 0 < masked_share < 1:
            raise ValueError(
                f"data.masked_share is {masked_share}; give a share above 0 and below 1, such as "
                "0.15"
            )
        super().__init__(
            root,
            split=split,
            batch_graphs=batch_graphs,
            max_atoms_per_batch=max_atoms_per_batch,
            max_edges_per_batch=max_edges_per_batch,
            balanced=False,
            num_workers=num_workers,
            pin_memory=pin_memory,
            seed=seed,
        )
        for name in LABELS_ONLY:
            self.hparams.pop(name, None)
        self.masked_share = masked_share

    @property
    def tasks(self) -> tuple[Task, ...]:
        """No tasks: no label is read."""
        return ()

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """Structures by part of the split."""
        codes = self.store.split(self.split_name)
        return {
            part: {"structures": int((codes == code).sum())}
            for code, part in enumerate(SPLIT_NAMES)
        }

    def setup(self, stage: str | None = None) -> None:
        """Opens the store and computes the edges of the view if they are not there yet."""
        super().setup(stage)
        if not isinstance(self._dataset, MaskedGraphs):
            assert self._dataset is not None
            self._dataset = MaskedGraphs(self._dataset, self.masked_share, self.seed)

    def _plan(self, items: Items, world_size: int) -> Plan:
        return MaskedPlan(super()._plan(items, world_size), len(self.store))

    def _items(self, part: str, labelled_only: bool = False) -> Items:
        items = super()._items(part, labelled_only=False)
        if part == "train" and not len(items):
            raise ValueError(
                f"split {self.split_name!r} of {self.store.path} has no training entry; it has "
                f"{self.counts}: choose another split ({', '.join(self.store.split_names)})"
            )
        return items

    def _print_summary(self) -> None:
        counts = {part: count["structures"] for part, count in self.counts.items()}
        synthetic = " (SYNTHETIC demo data)" if self.store.manifest.get("synthetic") else ""
        print(
            f"Store: {self.store.path} (hash {self.store.hash[:12]}, split {self.split_name})"
            f"{synthetic}\nStructures: {counts['train']} to learn from, {counts['val']} to "
            f"validate; {counts['test'] + counts['unused']} others are not used"
        )
