"""No encoder makes a tensor that grows with the square of the nodes or of the channels."""

from __future__ import annotations

import pytest
import torch
from torch_geometric.data import Batch
from torch_geometric.utils import to_dense_batch

from hemenet_lab.encoders.base import Encoder
from hemenet_lab.graphs.graph import ProteinGraph, node_batch
from hemenet_lab.structures import NUM_CHANNELS
from hemenet_lab.testing.largest_tensor import LargestTensor
from hemenet_lab.testing.random_graphs import random_graph
from tests.baselines.small import SMALL, small

COPIES = {"residue": 20, "alpha": 20, "atom": 5}
"""Copies of a graph of 300 residues: squares stand out then."""
APART = 500.0
"""Distance of the copies, Å."""


def large_graph(encoder: Encoder) -> ProteinGraph:
    """One structure of 6,020 residues and ligand atoms, or of about 10,000 atoms.

    A batch of small ones would hide a matrix per structure.
    """
    part = random_graph(encoder.view, 0, dtype=torch.float32, residues=(200, 100), ligand_atoms=1)
    copies = Batch.from_data_list([part] * COPIES[encoder.view.nodes])
    shift = APART * node_batch(copies).unsqueeze(1)
    graph = ProteinGraph(**{name: copies[name] for name in part.to_dict()})
    graph.num_chains = int(copies.num_chains.sum())
    graph.pos = copies.pos + shift
    graph.coords = (copies.coords + shift.unsqueeze(1)) * copies.channel_mask.unsqueeze(-1)
    return graph


def largest_of_a_step(encoder: Encoder, graph: ProteinGraph) -> LargestTensor:
    with LargestTensor() as largest:
        encoder.train()(graph).square().mean().backward()
    return largest


@pytest.mark.parametrize("name", SMALL)
def test_nothing_is_quadratic(name: str) -> None:
    encoder = small(name)
    graph = large_graph(encoder)
    nodes, edges = len(graph.pos), graph.edge_index.shape[1]
    largest = largest_of_a_step(encoder, graph)
    # the cheapest of its kind, one byte per pair of nodes
    assert largest.bytes < nodes**2, (largest.shape, largest.operation)
    if encoder.view.nodes == "residue":
        # distances of all channels in float32, without features
        assert largest.bytes < edges * NUM_CHANNELS**2 * 4, (largest.shape, largest.operation)


class AllPairs(Encoder):
    """Sees every other node of the same structure, in half precision."""

    def __init__(self) -> None:
        super().__init__(small("gearnet").view, 1)
        self.scale = torch.nn.Parameter(torch.ones(1))

    def forward(self, graph: ProteinGraph) -> torch.Tensor:
        pos, real = to_dense_batch(graph.pos.half(), node_batch(graph))
        pairs = pos @ pos.transpose(1, 2)
        return pairs.float().mean(2)[real].unsqueeze(1) * self.scale


def test_all_pairs_are_noticed() -> None:
    encoder = AllPairs()
    graph = large_graph(encoder)
    assert node_batch(graph).amax() == 0
    assert largest_of_a_step(encoder, graph).bytes >= len(graph.pos) ** 2
