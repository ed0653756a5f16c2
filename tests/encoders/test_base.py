"""Preparation of batches: stored once, found by its encoder, and never mistaken for another's."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from hemenet_lab.encoders.base import Encoder, Preparation
from hemenet_lab.graphs.graph import ProteinGraph
from hemenet_lab.graphs.view import GraphView
from hemenet_lab.loading.loader import GraphLoader, PackedBatch
from hemenet_lab.testing.random_graphs import random_batch, random_graphs

VIEW = GraphView(nodes="alpha", k=4)


@dataclass(frozen=True)
class LongEdges(Preparation):
    """Edges longer than ``limit``, Å."""

    limit: float

    def tensors(self, graph: ProteinGraph) -> dict[str, Tensor]:
        source, target = graph.edge_index
        length = (graph.pos[source] - graph.pos[target]).norm(dim=1)
        return {"long": (length > self.limit).nonzero().squeeze(1)}


class Long(Encoder):
    """Counts the long edges that end at a node."""

    def __init__(self, limit: float = 6.0, preparation: Any = None) -> None:
        super().__init__(VIEW, 1, preparation or LongEdges(limit))
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, graph: ProteinGraph) -> Tensor:
        long = self.prepared(graph)["long"]
        ones = graph.pos.new_ones(len(long))
        count = graph.pos.new_zeros(len(graph.pos)).index_add(0, graph.edge_index[1][long], ones)
        return self.scale * count.unsqueeze(1)


def test_prepared_and_unprepared_batches_give_the_same() -> None:
    encoder, batch = Long(), random_batch(VIEW)
    want = encoder(batch)
    assert 0 < want.sum() < batch.edge_index.shape[1]
    ready = encoder.prepare(batch.clone())
    assert torch.equal(encoder(ready), want)
    # what is stored is what is used
    ready[f"{encoder.preparation.key}_long"] = torch.zeros(0, dtype=torch.long)
    assert encoder(ready).eq(0).all()


def test_another_encoder_s_tensors_are_not_taken() -> None:
    short, long = Long(2.0), Long(12.0)
    batch = random_batch(VIEW)
    want = long(batch), short(batch)
    ready = long.prepare(short.prepare(batch.clone()))
    assert not torch.equal(*want)
    assert torch.equal(long(ready), want[0])
    assert torch.equal(short(ready), want[1])
    assert torch.equal(Long(3.0)(short.prepare(batch.clone())), Long(3.0)(batch))


def test_tensors_travel_with_the_batch() -> None:
    encoder = Long()
    ready = encoder.prepare(random_batch(VIEW))
    name = f"{encoder.preparation.key}_long"
    travelled = pickle.loads(pickle.dumps(PackedBatch.of(ready))).unpack().to("cpu")
    assert torch.equal(travelled[name], ready[name])
    travelled[name] = travelled[name][:0]
    assert encoder(travelled).eq(0).all(), "the stored tensors are not found after the travel"
    store = pickle.loads(pickle.dumps(encoder.preparation.store))
    again = random_batch(VIEW)
    store(again)
    assert torch.equal(again[name], ready[name])


@pytest.mark.parametrize("workers", [0, 1])
def test_loaders_prepare(workers: int) -> None:
    encoder, graphs = Long(), random_graphs(VIEW)
    loader = GraphLoader(graphs, [[0, 1], [2]], workers, prepare=encoder.preparation.store)
    for batch in loader:
        assert f"{encoder.preparation.key}_long" in batch
        plain = encoder.preparation.tensors(batch)["long"]
        assert torch.equal(batch[f"{encoder.preparation.key}_long"], plain)


def test_a_single_graph_is_refused() -> None:
    with pytest.raises(ValueError, match="only batches are prepared, this is a single graph"):
        Long().prepare(random_graphs(VIEW)[0])


def test_a_preparation_without_settings_that_can_be_named_is_refused() -> None:
    class Plain(Preparation):
        def tensors(self, graph: ProteinGraph) -> dict[str, Tensor]:
            return {}

    with pytest.raises(ValueError, match="Plain, the preparation of Long, is not a dataclass"):
        Long(preparation=Plain())
