"""Every encoder keeps to the device of its input, and waits for it a fixed number of times."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from torch_geometric.data import Batch

from baselines import GearNet
from hemenet_lab.encoders.base import Encoder
from hemenet_lab.graphs.graph import ProteinGraph
from hemenet_lab.testing.random_graphs import random_graphs
from tests.baselines.pretend_device import DEVICE, There, move, pretended
from tests.baselines.small import SMALL, small


def waits_of_a_step(encoder: Encoder, copies: int) -> Counter[str]:
    """Forward and backward pass on the pretended device: operations that the host waited for."""
    graphs = random_graphs(encoder.view, dtype=torch.float32) * copies
    batch = encoder.prepare(Batch.from_data_list(graphs))
    with torch.no_grad():
        want = encoder.eval()(batch.clone())
    with pretended() as device:
        move(encoder)
        there: ProteinGraph = batch.to(DEVICE)
        got = encoder(there)
        assert isinstance(got, There)
        torch.testing.assert_close(got.here, want)
        encoder.train()
        device.waits.clear()
        encoder(there).square().mean().backward()
    grads = [parameter.grad for parameter in encoder.parameters()]
    assert all(isinstance(grad, There) for grad in grads)
    return device.waits


@pytest.mark.parametrize("name", [*SMALL, "gearnet_edge"])
def test_stays_on_the_device(name: str) -> None:
    def encoder() -> Encoder:
        return GearNet(8, 2, edge_messages=True) if name == "gearnet_edge" else small(name)

    torch.manual_seed(0)
    assert not waits_of_a_step(encoder(), copies=1), "prepared batches are waited for"


class Misplaced(Encoder):
    """Makes a tensor where it should not be."""

    def __init__(self) -> None:
        super().__init__(small("gcn").view, 1)
        self.scale = torch.nn.Parameter(torch.ones(1))

    def forward(self, graph: ProteinGraph) -> torch.Tensor:
        return torch.arange(len(graph.pos)).unsqueeze(1) * self.scale


class Looping(Misplaced):
    """Goes through the structures one by one."""

    def forward(self, graph: ProteinGraph) -> torch.Tensor:
        parts = [graph.pos[graph.batch == i, :1] for i in range(graph.num_graphs)]
        return torch.cat(parts) * self.scale


def test_a_tensor_on_the_wrong_device_is_noticed() -> None:
    with pytest.raises(RuntimeError, match=r"tensors on both devices, \(\d+, 1\) here"):
        waits_of_a_step(Misplaced(), copies=1)


def test_a_loop_over_structures_is_noticed() -> None:
    assert waits_of_a_step(Looping(), copies=1) != waits_of_a_step(Looping(), copies=2)
