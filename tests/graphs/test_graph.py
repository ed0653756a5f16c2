"""Batches made of joined attributes are PyG's own."""

from __future__ import annotations

import torch
from torch_geometric.data import Batch

from hemenet_lab.graphs import GraphView, ProteinGraph, make_batch
from hemenet_lab.loading import collate
from hemenet_lab.testing import random_graphs


def test_make_batch_is_a_batch_of_protein_graphs() -> None:
    """Canary of PyG's private names that `make_batch` uses."""
    graphs = random_graphs(GraphView())
    ours, theirs = collate(graphs), Batch.from_data_list(graphs)
    assert type(ours) is type(theirs)
    assert isinstance(ours, ProteinGraph)
    assert ours.num_graphs == theirs.num_graphs == 3
    again = make_batch(theirs.to_dict(), 3)
    assert set(again.keys()) == set(theirs.keys())
    for name, value in theirs.to_dict().items():
        if isinstance(value, torch.Tensor):
            assert all(torch.equal(each[name], value) for each in (again, ours)), name
    assert torch.equal(again.to("cpu").batch, theirs.batch)
