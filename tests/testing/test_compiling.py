"""Readouts compile as one graph for all sizes, encoders with their gradients; faults are named.

That every encoder compiles is a test of `EncoderSuite`.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from hemenet_lab.encoders.base import Encoder
from hemenet_lab.graphs.graph import ProteinGraph
from hemenet_lab.model.readout import Mean, Readout, Sum, TaskAware, Weighted
from hemenet_lab.testing.compare import prepare
from hemenet_lab.testing.compiling import assert_compiles, assert_module_compiles
from hemenet_lab.testing.random_graphs import random_batch
from tests.baselines.small import small

SIZES = ((0, 1, 2), (1, 2), (3, 4, 5, 6))


def check(encoder: Encoder, backend: str = "eager") -> None:
    batches = [random_batch(encoder.view, seeds) for seeds in SIZES]
    assert_compiles(prepare(encoder), batches, backend=backend)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["hemenet", "gat", "cdconv"])
def test_encoder_compiles_with_its_backward_pass(name: str) -> None:
    check(small(name), "aot_eager")


@pytest.mark.parametrize("kind", [TaskAware, Sum, Mean, Weighted])
def test_readout_compiles(kind: type[Readout]) -> None:
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(1)
    inputs = []
    for nodes, groups in ((150, 4), (30, 3), (400, 7)):
        h = torch.randn(nodes, 16, generator=generator, dtype=torch.float64)
        inputs.append((h, torch.randint(0, groups, (nodes,), generator=generator), groups))
    assert_module_compiles(kind(16, 3).double(), inputs)


# --- encoders with a fault -----------------------------------------------------------------------


class Scaled(Encoder):
    """A linear map of the positions' lengths; the base of the wrong ones."""

    def __init__(self) -> None:
        super().__init__(small("gcn").view, 4)
        self.linear = nn.Linear(1, 4)

    def forward(self, graph: ProteinGraph) -> Tensor:
        return self.linear(self.scale(graph) * graph.edge_type.new_ones(len(graph.pos), 1).double())

    def scale(self, graph: ProteinGraph) -> Tensor | float:
        return 1.0


class Broken(Scaled):
    """Takes another way depending on a value."""

    def scale(self, graph: ProteinGraph) -> float:
        return 1.0 if graph.edge_type.sum() >= 0 else 2.0


class Reading(Scaled):
    """Reads a number from a tensor."""

    def scale(self, graph: ProteinGraph) -> float:
        return float(graph.edge_type.sum().item())


class Masking(Scaled):
    """Picks rows by a mask."""

    def scale(self, graph: ProteinGraph) -> Tensor:
        return graph.pos[graph.pos[:, 0] > 0].sum()


class Counting(Scaled):
    """Uses the number of nodes as a Python number."""

    def scale(self, graph: ProteinGraph) -> float:
        return float(sum(1 for _ in range(len(graph.pos))))


def test_a_sound_one_passes() -> None:
    check(Scaled())


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Broken, r"1 graph breaks.*\n.*test_compiling.py:\d+: .*if graph.edge_type.sum\(\) >= 0"),
        (Reading, r"(?s)read from tensors.*graph.edge_type.sum\(\).item\(\)"),
        (Masking, r"(?s)read from tensors.*graph.pos\[graph.pos\[:, 0\] > 0\]"),
        (Counting, "compiled 3 times"),
    ],
)
def test_a_fault_is_named(kind: type[Encoder], message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check(kind())
