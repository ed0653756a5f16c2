"""No encoder makes a tensor that grows with the square of the nodes or of the channels."""

from __future__ import annotations

import pytest
import torch
from torch_geometric.data import Batch

from hemenet_lab.data.graph import ProteinGraph
from hemenet_lab.encoders.base import Encoder
from hemenet_lab.structures.vocabulary import NUM_CHANNELS
from hemenet_lab.testing.largest_tensor import LargestTensor
from hemenet_lab.testing.random_graphs import random_graph
from tests.baselines.small import SMALL, small

COPIES = {"residue": 20, "alpha": 20, "atom": 4}
"""Copies of a graph of 300 residues in a batch: squares stand out then."""


def large_batch(encoder: Encoder) -> ProteinGraph:
    """6,020 residues and ligand atoms, or about 10,000 atoms."""
    graph = random_graph(encoder.view, 0, dtype=torch.float32, residues=(200, 100), ligand_atoms=1)
    return Batch.from_data_list([graph] * COPIES[encoder.view.nodes])


def largest_of_a_step(encoder: Encoder, graph: ProteinGraph) -> LargestTensor:
    with LargestTensor() as largest:
        encoder.train()(graph).square().mean().backward()
    return largest


@pytest.mark.parametrize("name", SMALL)
def test_nothing_is_quadratic(name: str) -> None:
    encoder = small(name)
    graph = large_batch(encoder)
    nodes, edges = len(graph.pos), graph.edge_index.shape[1]
    largest = largest_of_a_step(encoder, graph)
    # the cheapest of its kind, one byte per pair of nodes
    assert largest.bytes < nodes**2, (largest.shape, largest.operation)
    if encoder.view.nodes == "residue":
        # distances of all channels in float32, without features
        assert largest.bytes < edges * NUM_CHANNELS**2 * 4, (largest.shape, largest.operation)


class AllPairs(Encoder):
    """Sees every other node, in half precision."""

    def __init__(self) -> None:
        super().__init__(small("gearnet").view, 1)
        self.scale = torch.nn.Parameter(torch.ones(1))

    def forward(self, graph: ProteinGraph) -> torch.Tensor:
        pairs = graph.pos.half() @ graph.pos.half().t()
        return pairs.float().mean(1, keepdim=True) * self.scale


def test_all_pairs_are_noticed() -> None:
    encoder = AllPairs()
    graph = large_batch(encoder)
    assert largest_of_a_step(encoder, graph).bytes >= len(graph.pos) ** 2
