"""What a masked residue loses, which ones are masked, and that nothing else tells their type."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from baselines import GCN, GearNet, GearNetFullAtom
from hemenet_lab.encoders import Encoder, HeMeNet
from hemenet_lab.graphs import EdgeCache, GraphView, build_graph, view_edges
from hemenet_lab.loading import GraphDataset, ProteinMTDataModule
from hemenet_lab.pretraining import MaskedResidues, PretrainingDataModule, mask_residues
from hemenet_lab.pretraining.data import MaskedGraphs
from hemenet_lab.store.entry import Entry
from hemenet_lab.store.reader import Store, StoreWriter
from hemenet_lab.structures import RESIDUE_ATOMS, RESIDUE_INDEX, UNKNOWN_RESIDUE
from tests.store.entries import TASKS, make_entry, random_entry
from tests.store.small_store import small_store

ALA, GLY, TRP = (RESIDUE_INDEX[name] for name in ("ALA", "GLY", "TRP"))


def by_hand() -> Entry:
    """Glycine, tryptophan, an unknown residue, an alanine without CA, and a ligand atom."""
    kinds = [GLY, TRP, UNKNOWN_RESIDUE, ALA, 23]
    slots = [np.arange(4), np.arange(14), np.arange(5), np.array([0, 2, 3, 4]), np.array([0])]
    count = sum(map(len, slots))
    where = np.split(np.arange(3.0 * count).reshape(-1, 3), np.cumsum([len(s) for s in slots])[:-1])
    return make_entry(kinds, [0, 0, 0, 0, -1], [1, 2, 3, 4, 0], slots, where)


def test_a_masked_residue_keeps_its_backbone_alone() -> None:
    entry = by_hand()
    masked, hidden = mask_residues(entry, 0.9, seed=0, epoch=0)
    assert hidden.tolist() == [GLY, TRP, -1, -1, -1]  # a known type, and an alpha carbon
    assert masked.node_type.tolist() == [*[UNKNOWN_RESIDUE] * 3, ALA, 23]
    assert masked.node_atoms.tolist() == [4, 4, 5, 4, 1]
    assert masked.atom_slot.tolist() == [*range(4), *range(4), *range(5), 0, 2, 3, 4, 0]
    kept = [*range(8), *range(18, 28)]  # of the tryptophan's 14 atoms the first four
    assert np.array_equal(masked.coords, entry.coords[kept])
    assert np.array_equal(masked.atom_element, entry.atom_element[kept])
    assert entry.node_type.tolist() == by_hand().node_type.tolist()
    for name in ("entity", "node_chain", "sequence_index", "chain_names"):
        assert np.array_equal(getattr(masked, name), getattr(entry, name)), name


def test_the_draw_hangs_on_seed_epoch_and_entry_alone() -> None:
    def drawn(entry: Entry, seed: int = 0, epoch: int = 0) -> list[int]:
        return np.flatnonzero(mask_residues(entry, 0.15, seed, epoch)[1] >= 0).tolist()

    entry = random_entry(1, chains=(30, 10), missing=0.0)
    assert len(drawn(entry)) == 6
    other = random_entry(2, chains=(30, 10), missing=0.0, entry_id=entry.id)
    assert drawn(entry) == drawn(other)
    assert drawn(entry) != drawn(replace(entry, id="another"))
    draws = [drawn(entry, seed, epoch) for seed in (0, 1) for epoch in (0, 1)]
    assert len(set(map(tuple, draws))) == 4
    assert len({place for epoch in range(60) for place in drawn(entry, 0, epoch)}) == 40


def test_one_residue_is_masked_at_least_and_none_where_none_can_be() -> None:
    one = mask_residues(random_entry(3, chains=(3,), missing=0.0), 0.01, 0, 0)[1]
    assert (one >= 0).sum() == 1
    entry = random_entry(3, chains=(3,))
    unknown = replace(entry, node_type=np.full_like(entry.node_type, UNKNOWN_RESIDUE))
    same, none = mask_residues(unknown, 0.5, 0, 0)
    assert (none == -1).all()
    assert np.array_equal(same.coords, entry.coords)


VIEWS = {
    "residue": GraphView(),
    "alpha": GraphView(nodes="alpha"),
    "atom": GraphView(nodes="atom", k=0, radius=4.0),
    "residue, cropped": GraphView(crop=4.0),
    "alpha, cropped": GraphView(nodes="alpha", crop=4.0),
    "atom, cropped": GraphView(nodes="atom", crop=4.0),
}


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_the_type_is_asked_for_at_the_alpha_carbon(view: GraphView) -> None:
    entry, hidden = mask_residues(random_entry(4, chains=(25, 10)), 0.4, 0, 0)
    graph = build_graph(entry, view, hidden_type=hidden)
    asked = graph.hidden_type >= 0
    assert bool((graph.node_type[asked] == UNKNOWN_RESIDUE).all())
    alpha = entry.coords[entry.representative]
    types = {tuple(alpha[node].tolist()): hidden[node] for node in np.flatnonzero(hidden >= 0)}
    found = [tuple(place) for place in graph.pos[asked].tolist()]
    assert [types[place] for place in found] == graph.hidden_type[asked].tolist()
    assert 0 < len(found) <= len(types)
    assert view.crop or len(found) == len(types)


def masked_graphs(entry: Entry, view: GraphView, folder: Path) -> MaskedGraphs:
    with StoreWriter(folder, TASKS) as writer:
        writer.add(entry)
        writer.set_split("default", {entry.id: "train"})
        writer.close()
    store = Store(folder)
    return MaskedGraphs(GraphDataset(store, EdgeCache(store, view), ()), 0.2, seed=0)


ENCODERS: dict[str, Callable[[], Encoder]] = {
    "HeMeNet": lambda: HeMeNet(hidden_dim=8, num_layers=2, channel_dim=4, relation_dim=4),
    "HeMeNet of alpha carbons": lambda: HeMeNet(8, 2, 4, 4, view=GraphView(nodes="alpha")),
    "HeMeNet of a site": lambda: HeMeNet(8, 2, 4, 4, view=GraphView(crop=5.0)),
    "GCN of atoms": lambda: GCN(hidden_dim=8),
    "GearNet": lambda: GearNet(hidden_dim=8, num_layers=2, embedding_dim=8),
    "GearNet of atoms": lambda: GearNetFullAtom(hidden_dim=8, num_layers=2, embedding_dim=8),
}


def swapped(entry: Entry, nodes: list[int]) -> Entry:
    """The entry with other types, and other side chains, at some residues; the backbone stays."""
    slots, coords, kinds = [], [], entry.node_type.tolist()
    ends = np.cumsum(entry.node_atoms)
    rng = np.random.default_rng(9)
    for node, (start, end) in enumerate(zip([0, *ends[:-1]], ends, strict=True)):
        slot, where = entry.atom_slot[start:end].astype(int), entry.coords[start:end]
        if node in nodes:
            kinds[node] = GLY if kinds[node] != GLY else TRP
            backbone = slot < 4
            names = RESIDUE_ATOMS["GLY" if kinds[node] == GLY else "TRP"]
            side = np.arange(4, len(names))
            slot = np.concatenate([slot[backbone], side])
            more = where.mean(axis=0) + rng.normal(scale=3.0, size=(len(side), 3))
            where = np.concatenate([where[backbone], more])
        slots.append(slot)
        coords.append(where.astype(np.float64))
    lists = (kinds, entry.node_chain.tolist(), entry.sequence_index.tolist(), slots, coords)
    return make_entry(*lists, entry_id=entry.id)


@pytest.mark.parametrize("name", ENCODERS)
def test_nothing_tells_the_type_of_a_masked_residue(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = MaskedResidues(ENCODERS[name]()).eval()
    view = module.encoder.view
    entry = random_entry(5, chains=(16, 9), missing=0.0)
    first = masked_graphs(entry, view, tmp_path / "first")
    masked = np.flatnonzero(mask_residues(entry, 0.2, 0, 0)[1] >= 0).tolist()
    second = masked_graphs(swapped(entry, masked), view, tmp_path / "second")
    one, two = first[0], second[0]
    assert not torch.equal(one.hidden_type, two.hidden_type)
    assert torch.equal(one.hidden_type >= 0, two.hidden_type >= 0)
    with torch.no_grad():
        assert torch.equal(module(one), module(two))
        whole = [module(build_graph(each.store[0], view)) for each in (first, second)]
    # without the mask they differ, so the test would see a leak
    assert whole[0].shape != whole[1].shape or not torch.allclose(*whole)


def test_edges_of_alpha_carbons_are_those_of_the_whole_entry(tmp_path: Path) -> None:
    for number, view in enumerate(VIEWS.values()):
        graphs = masked_graphs(random_entry(6, chains=(20,)), view, tmp_path / str(number))
        graph = graphs[len(graphs)]  # the first entry in epoch 1
        entry, _ = mask_residues(graphs.store[0], 0.2, 0, epoch=1)
        index, kind = view_edges(entry, view)
        assert np.array_equal(graph.edge_index.numpy(), index)
        assert np.array_equal(graph.edge_type.numpy(), kind)


def test_batches_hold_every_entry_of_the_part_with_the_masks_of_its_epoch(tmp_path: Path) -> None:
    store = small_store(tmp_path / "store", count=20)
    data = PretrainingDataModule(str(store.path), batch_graphs=4)
    data.setup()
    loader = data.train_dataloader()
    epochs: list[dict[str, list[int]]] = []
    for epoch in (0, 1):
        loader.set_epoch(epoch)
        seen: dict[str, list[int]] = {}
        for batch in loader:
            for number, name in enumerate(batch.entry_id):
                hidden = batch.hidden_type[batch.batch == number]
                entry = store[int(batch.entry_index[number])]
                assert np.array_equal(hidden, mask_residues(entry, 0.15, 0, epoch)[1])
                seen[name] = hidden.tolist()
        epochs.append(seen)
    train = [name for name, code in zip(store.ids, store.split(), strict=True) if code == 0]
    assert [sorted(seen) for seen in epochs] == [sorted(train)] * 2
    assert sum(epochs[0][name] != epochs[1][name] for name in train) > len(train) / 2
    labelled = ProteinMTDataModule(str(store.path), tasks=["lba"])
    labelled.setup()
    assert len(labelled._items("train")) < len(train)


def test_copies_ask_for_nothing(tmp_path: Path) -> None:
    graphs = masked_graphs(random_entry(7, chains=(12,)), GraphView(), tmp_path / "store")
    copy = graphs[~0]
    assert not copy.counted
    assert bool((copy.hidden_type == -1).all())
    assert torch.equal(copy.node_type, graphs[0].node_type)


def test_a_store_without_tasks_serves(tmp_path: Path) -> None:
    with StoreWriter(tmp_path / "store", []) as writer:
        for seed in range(4):
            writer.add(random_entry(seed, chains=(8,)))
        writer.set_split("default", {f"e{seed:05d}": "train" for seed in range(4)})
        writer.close()
    data = PretrainingDataModule(str(tmp_path / "store"))
    data.setup()
    assert sorted(name for batch in data.train_dataloader() for name in batch.entry_id) == [
        f"e{seed:05d}" for seed in range(4)
    ]
    assert data.counts["train"] == {"structures": 4}


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, float("nan")])
def test_a_share_that_masks_nothing_or_all_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="above 0 and below 1"):
        PretrainingDataModule(masked_share=share)


def test_an_empty_training_part_is_refused(tmp_path: Path) -> None:
    with StoreWriter(tmp_path / "store", []) as writer:
        writer.add(random_entry(1))
        writer.set_split("default", {"e00001": "test"})
        writer.close()
    data = PretrainingDataModule(str(tmp_path / "store"))
    data.setup()
    with pytest.raises(ValueError, match="no training entry"):
        data.train_dataloader()
