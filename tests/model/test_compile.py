"""The whole module, losses included, compiles as one graph for batches of all sizes."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from hemenet_lab.encoders import HeMeNet
from hemenet_lab.graphs import ProteinGraph, build_graph, count_chains
from hemenet_lab.loading import collate
from hemenet_lab.model import MultiTaskModule
from hemenet_lab.model import module as module_file
from hemenet_lab.testing import assert_module_compiles, random_entry
from tests.store.entries import TASKS

SMALL: dict[str, Any] = {"hidden_dim": 16, "num_layers": 1, "channel_dim": 8, "relation_dim": 8}


def made(**options: Any) -> MultiTaskModule:
    torch.manual_seed(0)
    module = MultiTaskModule(HeMeNet(**SMALL, dropout=0.0), **options)
    module.build(TASKS)
    return module


def batch_of(module: MultiTaskModule, graphs: int) -> ProteinGraph:
    entries = [random_entry(seed, residues=(9 + graphs, 5 + seed)) for seed in range(graphs)]
    batch = collate([build_graph(entry, module.encoder.view, TASKS) for entry in entries])
    return module.encoder.prepare(batch)


class TotalLoss(nn.Module):
    """Outputs and losses, as a training step makes them."""

    def __init__(self, module: MultiTaskModule) -> None:
        super().__init__()
        self.module = module

    def forward(self, batch: ProteinGraph) -> Tensor:
        outputs = self.module._outputs(batch)
        losses = self.module.losses(batch, outputs)
        return torch.stack(
            [
                *(x.square().sum() for x in outputs.values()),
                *next(zip(*losses.values(), strict=True)),
            ]
        )


def test_outputs_and_losses_are_one_graph() -> None:
    module = made()
    assert_module_compiles(TotalLoss(module), [(batch_of(module, n),) for n in (2, 3, 5)], 1e-4)


def test_chains_are_counted_without_reading_a_tensor() -> None:
    batch = batch_of(made(), 3)
    assert count_chains(batch) == int(batch.num_chains.sum()) == 6
    assert batch.chain_graph.tolist() == [0, 0, 1, 1, 2, 2]
    del batch.chain_graph
    assert count_chains(batch) == 6


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The setting with a quick backend; holds the number of graphs that it made."""
    made = [0]

    def backend(graph: torch.fx.GraphModule, inputs: list[Tensor]) -> Any:
        made[0] += 1
        return graph.forward

    compiled = torch.compile(
        MultiTaskModule._outputs, dynamic=True, fullgraph=True, backend=backend
    )
    monkeypatch.setattr(module_file, "_compiled", lambda: compiled)
    return made


def test_compile_is_a_setting_that_changes_no_number_and_no_key(eager: list[int]) -> None:
    plain, compiled = made(), made(compile=True)
    assert list(compiled.state_dict()) == list(plain.state_dict())
    for graphs in (2, 3, 4, 6):
        batch = batch_of(plain, graphs)
        for name, output in plain(batch).items():
            torch.testing.assert_close(compiled(batch)[name], output)
    assert 1 <= eager[0] <= 2


def test_a_copy_runs_its_own_weights(eager: list[int]) -> None:
    """Callbacks that average weights copy the module."""
    module = made(compile=True)
    batch = batch_of(module, 2)
    before = module(batch)
    twin = copy.deepcopy(module)
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.add_(0.1)
    assert not torch.allclose(twin(batch)["ppa"], before["ppa"])
    torch.testing.assert_close(module(batch)["ppa"], before["ppa"])
