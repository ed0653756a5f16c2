"""Encoder, readouts, heads, losses and metrics keep to the device of the batch."""

from __future__ import annotations

import pytest
import torch
from torch_geometric.data import Batch

from hemenet_lab.graphs.graph import count_graphs
from hemenet_lab.model.module import MultiTaskModule
from hemenet_lab.model.readout import Mean, Readout, Sum, TaskAware, Weighted
from hemenet_lab.store.reader import Store
from tests.baselines.pretend_device import DEVICE, There, move, pretended
from tests.model.test_module import data, small_module
from tests.store.small_store import small_store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return small_store(tmp_path_factory.mktemp("device") / "store")


def assert_scores(module: MultiTaskModule) -> None:
    """The evaluation of every task has numbers, those of the constant predictor included."""
    for task in module.tasks:
        evaluation = module.evaluation("test", task.name)
        n, constant = (
            {score.n for score in scores.values()}
            for scores in (evaluation.scores(), evaluation.constant_scores())
        )
        assert constant in (n, set())  # none for a task without labels in training
        assert evaluation.rows is not None
        assert {len(evaluation.rows.gathered()[0])} == n


@pytest.mark.parametrize("readout", [TaskAware, Sum, Mean, Weighted])
def test_stays_on_the_device(readout: type[Readout], store: Store) -> None:
    loaded = data(store)
    waits = []
    for size in (4, 12):
        module = small_module(readout=readout)
        module.build(loaded.tasks)
        for task in loaded.tasks:
            module.evaluation("test", task.name).set_constant(loaded.constant_predictor(task))
        graphs = [loaded.dataset[index] for index in range(size)]
        batch = Batch.from_data_list(graphs)
        with torch.no_grad():
            want = module.eval()(batch.clone())
        with pretended() as device:
            move(module)
            there = batch.to(DEVICE)
            outputs = module(there)
            for name, output in outputs.items():
                assert isinstance(output, There)
                torch.testing.assert_close(output.here, want[name])
            module.train()
            device.waits.clear()
            losses = module.losses(there, module(there))
            torch.stack([loss for loss, _ in losses.values()]).sum().backward()
            waits.append(device.waits.copy())
            module._evaluation_step(there, "test")
            assert_scores(module)
        assert all(isinstance(parameter.grad, There) for parameter in module.parameters())
        assert count_graphs(there) == size
    assert waits[0] == waits[1], "a loop over structures"
    assert waits[0].total() <= 12, waits[0]
