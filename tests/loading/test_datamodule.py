"""The data module: what it selects, what it counts, and what it refuses."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from lightning.pytorch import LightningModule
from torch_geometric.data import Batch

from hemenet_lab.graphs.build import build_graph
from hemenet_lab.graphs.view import GraphView
from hemenet_lab.loading.datamodule import ProteinMTDataModule
from hemenet_lab.store.reader import StoreError
from tests.store.entries import TASKS
from tests.store.small_store import Recorder, read, small_store, trainer


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return small_store(tmp_path_factory.mktemp("datamodule") / "store")


def data(store, **options):
    return ProteinMTDataModule(str(store.path), **options)


class Encoder(torch.nn.Module):
    def __init__(self, view):
        super().__init__()
        self.view = view


def run_with(module, model, folder):
    """Attaches a trainer, as Lightning does before `setup`."""
    module.trainer = trainer(folder)
    module.trainer.strategy.connect(model)
    return module


def model_with(view=None, task_names=None):
    model = LightningModule()
    if view:
        model.encoder = Encoder(view)
    model.task_names = task_names
    return model


def test_every_part_has_its_labelled_entries(store):
    module = data(store, batch_graphs=4)
    module.setup()
    split = store.split()
    for part, loader in {
        0: module.train_dataloader(),
        1: module.val_dataloader(),
        2: module.test_dataloader(),
    }.items():
        seen = {name for batch in loader for name in batch.entry_id}
        assert seen == {store.ids[i] for i in np.flatnonzero(split == part)}


def test_training_leaves_out_what_has_no_label_of_the_tasks(store):
    module = data(store, tasks=["ppa", "cc"])
    assert [task.name for task in module.tasks] == ["ppa", "cc"]
    batches = list(module.train_dataloader())
    column = [task.name for task in TASKS].index("ppa")
    labelled = (store.split() == 0) & store.labelled[:, column]
    assert {name for batch in batches for name in batch.entry_id} == {
        store.ids[i] for i in np.flatnonzero(labelled)
    }
    assert all(batch.mask_ppa.any() and not batch.mask_cc.any() for batch in batches)
    assert "y_ec" not in batches[0]


def test_batches_equal_those_made_by_hand(store):
    module = data(store, batch_graphs=5, num_workers=2)
    loader = module.val_dataloader()
    for batch in loader:
        graphs = [
            build_graph(store[store.index(name)], GraphView(), TASKS) for name in batch.entry_id
        ]
        expected = Batch.from_data_list(graphs)
        assert set(batch.keys()) == {*expected.keys(), "counted", "entry_index"}
        assert batch.entry_index.tolist() == [store.index(name) for name in batch.entry_id]
        for key in expected.keys():  # noqa: SIM118  # a Batch is no mapping
            value = expected[key]
            same = torch.equal(batch[key], value) if torch.is_tensor(value) else batch[key] == value
            assert same, key
    loader._iterator._shutdown_workers()


def test_budgets_hold(store):
    module = data(store, batch_graphs=8, max_atoms_per_batch=400, max_edges_per_batch=500)
    for loader in (module.train_dataloader(), module.val_dataloader()):
        for batch in loader:
            assert int(batch.channel_mask.sum()) <= 400
            assert batch.num_edges <= 500
    with pytest.raises(ValueError, match="max_edges_per_batch is 20: raise it to"):
        data(store, max_edges_per_batch=20).train_dataloader()


def test_view_comes_from_the_encoder(store, tmp_path):
    alpha = GraphView(nodes="alpha", k=3)
    module = run_with(data(store), model_with(alpha), tmp_path)
    module.setup()
    batch = next(iter(module.train_dataloader()))
    assert module.view == alpha
    assert batch.coords.shape[1] == 1
    given = run_with(data(store, view=alpha), model_with(alpha), tmp_path)
    assert given.view == alpha
    other = run_with(data(store, view=GraphView()), model_with(alpha), tmp_path)
    with pytest.raises(ValueError, match=r"encoder asks for .*'alpha'.* set to .*'residue'"):
        other.setup()
    assert data(store).view == GraphView()


def test_tasks_come_from_the_model(store, tmp_path):
    module = run_with(data(store), model_with(task_names=["bp"]), tmp_path)
    assert [task.name for task in module.tasks] == ["bp"]
    everything = run_with(data(store), model_with(), tmp_path)
    assert everything.tasks == TASKS
    own = run_with(data(store, tasks=["lba"]), model_with(task_names=["bp"]), tmp_path)
    assert [task.name for task in own.tasks] == ["lba"]


def test_counts_and_constant_predictors(store):
    module = data(store)
    training = [store[i] for i in np.flatnonzero(store.split() == 0)]
    values = [entry.values["lba"] for entry in training if "lba" in entry.values]
    assert module.counts["train"]["lba"] == len(values)
    assert module.counts["train"]["cc"] == 0
    lba, _, ec, _, _, cc = TASKS
    assert module.constant_predictor(lba).tolist() == pytest.approx([np.mean(values)])
    labelled = [terms for entry in training for terms in entry.terms.get("ec", {}).values()]
    frequency = np.bincount(np.concatenate(labelled), minlength=5) / len(labelled)
    assert module.constant_predictor(ec).tolist() == pytest.approx(frequency.tolist())
    assert module.constant_predictor(cc) is None


def test_summary_is_printed_once(store, capsys):
    module = data(store, tasks=["lba", "ec"])
    module.setup("fit")
    module.setup("test")
    text = capsys.readouterr().out
    assert text.count("Labelled items") == 1
    assert "Not used: 5 entries outside the split" in text
    assert f"hash {store.hash[:12]}" in text


def test_predict_gives_every_test_entry_once(store, tmp_path):
    predictions = trainer(tmp_path).predict(Recorder(str(tmp_path)), datamodule=data(store))
    assert sorted(name for batch in predictions for name in batch) == [
        store.ids[i] for i in np.flatnonzero(store.split() == 2)
    ]


def test_overfitting_repeats_the_same_batches(store, tmp_path):
    runner = trainer(tmp_path, overfit_batches=2, max_epochs=3, limit_val_batches=0)
    runner.fit(Recorder(str(tmp_path)), datamodule=data(store, batch_graphs=4))
    ids = [ids for _, _, ids in read(tmp_path, "train")]
    assert len(ids) == 6
    assert ids[:2] == ids[2:4] == ids[4:]


def test_wrong_settings(store, tmp_path):
    with pytest.raises(StoreError, match=r"is not a store .*hemenet data build"):
        ProteinMTDataModule(str(tmp_path)).setup()
    with pytest.raises(ValueError, match=r"tasks \['nope'\] are not in this store"):
        data(store, tasks=["nope"]).setup()
    with pytest.raises(StoreError, match="no split 'time'; it has default"):
        data(store, split="time").setup()
    with pytest.raises(ValueError, match=r"no training entry with a label of .'cc'.*choose other"):
        data(store, tasks=["cc"]).train_dataloader()
    with pytest.raises(ValueError, match="a batch of 0 graphs"):
        data(store, batch_graphs=0)


def test_memory_is_pinned_for_a_gpu_that_is_used(store):
    module = data(store)
    assert not module.train_dataloader()._loader.pin_memory
    for kind, pinned in (("cpu", False), ("mps", False), ("cuda", True)):
        module.trainer = SimpleNamespace(strategy=SimpleNamespace(root_device=torch.device(kind)))
        assert module._pinned() is pinned
        assert data(store, pin_memory=not pinned)._pinned() is not pinned


def test_empty_parts_give_no_loader(store):
    assert data(store, tasks=["cc"]).val_dataloader() == []


def test_settings_are_plain_in_checkpoints(store):
    assert dict(data(store, view=GraphView()).hparams)["root"] == str(store.path)
    assert all(
        value is None or isinstance(value, (str, int, bool, list))
        for value in data(store, view=GraphView()).hparams.values()
    )
