"""Two CPU processes: one plan, equal shares, exact resumption, every item counted once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hemenet_lab.loading.datamodule import ProteinMTDataModule
from tests.store.small_store import TASKS, read, small_store

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return small_store(tmp_path_factory.mktemp("ddp") / "store")


@pytest.fixture(scope="module")
def folder(store, tmp_path_factory):
    place = tmp_path_factory.mktemp("ddp_run")
    script = Path(__file__).with_name("ddp_run.py")
    done = subprocess.run(
        [sys.executable, str(script), str(store.path), str(place)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=place,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return place


@pytest.mark.slow
def test_both_ranks_take_turns_in_one_plan(store, folder):
    module = ProteinMTDataModule(str(store.path), batch_graphs=3)
    module.setup()
    loader = module.train_dataloader()
    shares = [read(folder / "straight", "train", rank) for rank in (0, 1)]
    assert len(shares[0]) == len(shares[1])
    per_epoch = len(shares[0]) // 2
    training = {store.ids[i] for i in range(len(store)) if store.split()[i] == 0}
    for epoch in (0, 1):
        mine, other = ([ids for number, _, ids in share if number == epoch] for share in shares)
        assert len(mine) == len(other) == per_epoch
        seen = [name for ids in (*mine, *other) for name in ids]
        assert set(seen) == training
        if len(loader) == 2 * per_epoch:  # an even number: the same plan as for one process
            loader.set_epoch(epoch)
            alone = [batch.entry_id for batch in loader]
            assert (mine, other) == (alone[0::2], alone[1::2])


@pytest.mark.slow
def test_resumed_ranks_see_the_same_batches(folder):
    for rank in (0, 1):
        straight = read(folder / "straight", "train", rank)
        assert read(folder / "resumed", "train", rank) == straight[3:]


@pytest.mark.slow
@pytest.mark.parametrize(("stage", "part"), [("val", 1), ("test", 2), ("predict", 2)])
def test_evaluation_counts_each_item_once(store, folder, stage, part):
    shares = [read(folder / "evaluated", stage, rank) for rank in (0, 1)]
    assert len(shares[0]) == len(shares[1]) >= 1
    counted = [
        name
        for ids, count, _ in (*shares[0], *shares[1])
        for name, once in zip(ids, count, strict=True)
        if once
    ]
    assert sorted(counted) == [store.ids[i] for i in range(len(store)) if store.split()[i] == part]


@pytest.mark.slow
def test_sums_over_labelled_items_are_exact(store, folder):
    records = [record for rank in (0, 1) for record in read(folder / "evaluated", "val", rank)]
    sums = [sum(column) for column in zip(*(labels for _, _, labels in records), strict=True)]
    assert sums == [store.counts()["val"][task.name] for task in TASKS]
