"""Training order with a real trainer: epochs, and exact resumption from any checkpoint."""

from __future__ import annotations

from pathlib import Path

import pytest
from lightning.pytorch.callbacks import ModelCheckpoint

from hemenet_lab.loading.datamodule import ProteinMTDataModule
from hemenet_lab.loading.loader import TrainLoader
from tests.store.small_store import Recorder, read, small_store, trainer

EPOCHS = 3


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return small_store(tmp_path_factory.mktemp("loader") / "store")


def data(store, workers=0, **options):
    return ProteinMTDataModule(str(store.path), batch_graphs=6, num_workers=workers, **options)


def fit(store, folder: Path, workers=0, ckpt_path=None, **options):
    folder.mkdir(exist_ok=True)
    options = {"max_epochs": EPOCHS, "limit_val_batches": 1, **options}
    runner = trainer(folder, **options)
    runner.fit(Recorder(str(folder)), datamodule=data(store, workers), ckpt_path=ckpt_path)
    return runner


@pytest.fixture(scope="module")
def straight(store, tmp_path_factory):
    folder = tmp_path_factory.mktemp("straight")
    fit(store, folder)
    return read(folder, "train")


def test_each_epoch_has_its_own_order_and_all_items(store, straight):
    per_epoch = len(straight) // EPOCHS
    epochs = [straight[start : start + per_epoch] for start in range(0, len(straight), per_epoch)]
    assert [epoch for epoch, _, _ in straight] == [
        epoch for epoch in range(EPOCHS) for _ in range(per_epoch)
    ]
    training = {store.ids[index] for index in range(len(store)) if store.split()[index] == 0}
    for epoch in epochs:
        assert {name for _, _, ids in epoch for name in ids} == training
    assert len({str([ids for _, _, ids in epoch]) for epoch in epochs}) == EPOCHS


def saver(folder, **options):
    return ModelCheckpoint(dirpath=folder, filename="{step}", save_top_k=-1, **options)


CHECKPOINTS = {
    "in the middle": ({"every_n_train_steps": 2}, {}),
    "at the end of an epoch": ({"save_on_train_epoch_end": True}, {}),
    "after validation": ({"save_on_train_epoch_end": False}, {}),
    "within an epoch with validation in between": (
        {"every_n_train_steps": 2},
        {"val_check_interval": 0.5},
    ),
}


@pytest.mark.parametrize("kind", CHECKPOINTS)
def test_resumed_run_sees_the_same_batches(store, straight, tmp_path, kind):
    when, options = CHECKPOINTS[kind]
    checkpoints = tmp_path / "checkpoints"
    fit(
        *(store, tmp_path / "first"),
        callbacks=[saver(checkpoints, **when)],
        enable_checkpointing=True,
        **options,
    )
    assert read(tmp_path / "first", "train") == straight
    steps = sorted(int(path.stem.split("=")[1]) for path in checkpoints.glob("*.ckpt"))
    assert len(steps) >= EPOCHS
    for step in steps:
        folder = tmp_path / f"resumed-{step}"
        fit(store, folder, ckpt_path=checkpoints / f"step={step}.ckpt", **options)
        assert read(folder, "train") == straight[step:], step


@pytest.mark.parametrize("step", [4, 5, 9])
def test_resumed_run_with_workers(store, straight, tmp_path, step):
    """Workers load ahead: what they loaded but the run did not take must not be lost."""
    checkpoints = tmp_path / "checkpoints"
    callback = saver(checkpoints, every_n_train_steps=1)
    fit(
        *(store, tmp_path / "first"),
        workers=2,
        callbacks=[callback],
        enable_checkpointing=True,
        max_steps=step,
    )
    assert read(tmp_path / "first", "train") == straight[:step]
    path = checkpoints / f"step={step}.ckpt"
    fit(store, tmp_path / "resumed", workers=2, ckpt_path=path)
    assert read(tmp_path / "resumed", "train") == straight[step:]


def loader(store, plan_seed=0, rank=0, world_size=1):
    module = data(store, seed=plan_seed)
    module.setup()
    plan = module.train_dataloader()._plan
    return TrainLoader(module.dataset, plan, rank, world_size)


def ids(batches):
    return [batch.entry_id for batch in batches]


def test_plain_iteration(store):
    batches = loader(store)
    first = ids(batches)
    assert len(first) == len(batches)
    assert ids(batches) == first  # the epoch changes by set_epoch only
    next(iter(batches))
    assert ids(batches) == first  # a glance at a batch changes nothing
    batches.set_epoch(1)
    assert ids(batches) != first
    assert len(batches) == len(first)


def test_state_counts_what_was_consumed(store):
    whole = loader(store)
    whole.set_epoch(2)
    expected = ids(whole)
    stopped = loader(store)
    stopped.set_epoch(2)
    running = iter(stopped)
    for _ in range(3):
        next(running)
    state = stopped.state_dict()
    assert state == {"epoch": 2, "consumed": 3, "planned": len(expected)}
    resumed = loader(store)
    resumed.load_state_dict(state)
    resumed.set_epoch(2)  # Lightning announces the epoch again
    assert len(resumed) == len(expected)
    assert ids(resumed) == expected[3:]
    assert ids(resumed) == expected  # only once


def test_state_at_the_end_of_an_epoch(store):
    done = loader(store)
    running = iter(done)
    for _ in range(len(done)):  # as Lightning does: it never asks for one more
        next(running)
    resumed = loader(store)
    resumed.load_state_dict(done.state_dict())
    assert ids(resumed) == []
    resumed.load_state_dict(done.state_dict())
    resumed.set_epoch(1)
    assert len(ids(resumed)) == len(done)


def test_ranks_share_an_epoch(store):
    whole = ids(loader(store))
    assert len(whole) % 2 == 0
    shares = [ids(loader(store, rank=rank, world_size=2)) for rank in (0, 1)]
    assert shares == [whole[0::2], whole[1::2]]


def test_other_settings_are_noticed(store):
    resumed = loader(store)
    with pytest.warns(UserWarning, match=r"made with 999 batches per epoch, now there are \d+"):
        resumed.load_state_dict({"epoch": 0, "consumed": 1, "planned": 999})
