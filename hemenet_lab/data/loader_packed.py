"""A batch as one block of bytes: what a worker process sends, in one piece instead of thirty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Batch

from hemenet_lab.data.graph import ProteinGraph
from hemenet_lab.data.loader_collate import collate

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
        batch = Batch(_base_cls=ProteinGraph, **self.tensors(), **self.other)
        batch._num_graphs = self.num_graphs
        return batch

    def pin_memory(self) -> PackedBatch:
        """The same in pinned memory; called by torch's loader."""
        return PackedBatch(self.block.pin_memory(), self.layout, self.other, self.num_graphs)


def collate_packed(graphs: Sequence[ProteinGraph]) -> PackedBatch:
    """`collate`, packed for the way from a worker."""
    return PackedBatch.of(collate(graphs))
