"""Features by a frozen network that are computed once for each structure of a store."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from hemenet_lab.encoders import Remembered, own_chain
from hemenet_lab.graphs import GraphView, ProteinGraph, build_graph
from hemenet_lab.loading.loader import collate
from hemenet_lab.testing.random_graphs import random_entry

VIEW = GraphView(k=0, sequence_offsets=(0,))


@dataclass(frozen=True)
class Sums(Remembered):
    """Sums of coordinates, times a factor that stands for weights."""

    factor: float = 1.0

    @property
    def name(self) -> str:
        return f"sums-{self.factor}"

    def seen(self, graph: ProteinGraph) -> tuple[Tensor, ...]:
        return own_chain(graph), graph.pos

    def compute(self, graph: ProteinGraph) -> Tensor:
        CALLS.append(len(graph.pos))
        return self.factor * torch.stack([graph.pos.sum(1), graph.pos.prod(1)], dim=1)


CALLS: list[int] = []


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HEMENET_CACHE", str(tmp_path))
    CALLS.clear()
    return tmp_path / "features"


def graph(seed: int, **settings: object) -> ProteinGraph:
    made = build_graph(random_entry(seed, **settings), VIEW)  # type: ignore[arg-type]  # of a test
    made.entry_index = torch.tensor([seed])
    return made


def test_each_structure_is_computed_once_in_whatever_batch() -> None:
    batch = collate([graph(0), graph(1, residues=(4,), ligand_atoms=0), graph(2)])
    first = Sums().tensors(batch)["features"]
    torch.testing.assert_close(first, Sums().compute(batch))
    assert len(CALLS) == 2
    torch.testing.assert_close(Sums().tensors(batch)["features"], first)
    other = Sums().tensors(collate([graph(2), graph(0)]))["features"]
    torch.testing.assert_close(other[-graph(0).num_nodes :], first[: graph(0).num_nodes])
    assert len(Sums().tensors(graph(1, residues=(4,), ligand_atoms=0))["features"]) == 4
    assert len(CALLS) == 2
    assert Sums().tensors(collate([graph(3), graph(0)]))["features"].isfinite().all()
    assert len(CALLS) == 3


def test_another_structure_or_network_has_features_of_its_own() -> None:
    first = Sums().tensors(graph(0))["features"]
    moved = graph(0)
    moved.pos = moved.pos + 1.0
    assert not torch.allclose(Sums().tensors(moved)["features"], first)
    torch.testing.assert_close(Sums(2.0).tensors(graph(0))["features"], 2 * first)
    split = graph(0)
    split.polymer_chain = torch.zeros_like(split.polymer_chain)
    Sums().tensors(split)
    assert len(CALLS) == 4


def test_graphs_of_no_store_are_left_alone(cache: Path) -> None:
    assert Sums().tensors(build_graph(random_entry(0), VIEW)) == {}
    assert not CALLS
    assert not cache.exists()


def test_a_damaged_file_is_made_anew(cache: Path) -> None:
    first = Sums().tensors(graph(0))["features"]
    (file,) = cache.rglob("*.npy")
    for damaged in (b"", file.read_bytes()[:-9], b"nothing"):
        file.write_bytes(damaged)
        torch.testing.assert_close(Sums().tensors(graph(0))["features"], first)
    np.save(file, np.zeros((2, 2), dtype=np.float32))  # of another size
    torch.testing.assert_close(Sums().tensors(graph(0))["features"], first)
    assert [each.name for each in cache.rglob("*.*") if each.is_file()] == [file.name]
    assert len(CALLS) == 5


def test_chains_are_counted_in_each_structure() -> None:
    graphs = [graph(0), graph(1, residues=(4,)), graph(2, residues=(3, 2, 5), ligand_atoms=0)]
    alone = [own_chain(each) for each in graphs]
    assert [each.max().item() for each in alone] == [1, 0, 2]
    assert (alone[0] == -1).sum() == 5  # ligand atoms
    torch.testing.assert_close(own_chain(collate(graphs)), torch.cat(alone))
