"""Joining graphs to a batch: what `torch_geometric.data.Batch.from_data_list` gives, but faster."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Batch

from hemenet_lab.data.graph import ProteinGraph


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
    batch = Batch(_base_cls=ProteinGraph)
    for key in rows[0]:
        batch[key] = _joined(key, [row[key] for row in rows], shifts.get(key))
    batch.batch = torch.repeat_interleave(torch.arange(len(rows)), torch.tensor(sizes))
    batch.ptr = torch.tensor(nodes)
    batch._num_graphs = len(rows)
    return batch


def _joined(key: str, values: list[Any], shift: list[int] | None) -> Tensor | list[Any]:
    """Tensors end to end, numbers as a tensor, everything else as a list."""
    if isinstance(values[0], Tensor):
        if shift is not None:
            values = [value + start for value, start in zip(values, shift, strict=False)]
        return torch.cat(values, dim=1 if key == "edge_index" else 0)
    if isinstance(values[0], int):
        return torch.tensor(values)
    return values
