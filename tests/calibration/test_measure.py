"""Calibration of a module on the validation items of a store."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from hemenet_lab.calibration import calibrate
from hemenet_lab.encoders import SequenceOnly
from hemenet_lab.graphs import ProteinGraph
from hemenet_lab.model import Mean, MultiTaskModule
from hemenet_lab.store import SPLIT_NAMES, Store


class Watched(SequenceOnly):
    """Notes which entries it sees."""

    def __init__(self) -> None:
        super().__init__(4)
        self.entries: list[int] = []

    def forward(self, graph: ProteinGraph) -> Tensor:
        self.entries += graph.entry_index.tolist()
        return super().forward(graph)


def test_its_graphs_are_those_of_a_store(tiny_store: Path) -> None:
    store, encoder = Store(tiny_store), Watched()
    torch.manual_seed(0)
    module = MultiTaskModule(encoder, Mean, tasks=["ec"])
    module.build(store.tasks)
    found = calibrate(module, store)
    ec = [task.name for task in store.tasks].index("ec")
    val = (store.split() == SPLIT_NAMES.index("val")) & store.labelled[:, ec]
    assert sorted(encoder.entries) == val.nonzero()[0].tolist() != []
    assert [*found.terms] == ["ec"]
