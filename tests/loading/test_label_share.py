"""Training with a share of a task's labels."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from hemenet_lab.loading.datamodule import ProteinMTDataModule
from hemenet_lab.loading.label_share import hidden_labels, share_lines
from hemenet_lab.tasks import BP, PPA
from tests.store.entries import TASKS
from tests.store.small_store import small_store

COLUMN = [task.name for task in TASKS].index("ppa")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return small_store(tmp_path_factory.mktemp("label_share") / "store", count=130)


def labelled(store, part):
    return (store.split() == part) & store.labelled[:, COLUMN]


def visible(store, share, seed=0):
    hidden = hidden_labels(store, store.split(), {"ppa": share}, seed)
    return set(np.flatnonzero(labelled(store, 0) & ~hidden[:, COLUMN]).tolist())


def test_number_of_labels_kept_is_the_share_rounded(store):
    n = int(labelled(store, 0).sum())
    assert n > 10
    for share in (0.0, 0.0833, 1 / 6, 1 / 3, 1.0):
        assert len(visible(store, share)) == round(share * n)


def test_smaller_shares_are_nested_in_larger_ones(store):
    kept = [visible(store, share) for share in (0.1, 0.3, 0.5, 0.9)]
    assert all(small < large for small, large in pairwise(kept))


def test_the_seed_decides_which(store):
    assert visible(store, 0.5, seed=1) == visible(store, 0.5, seed=1)
    assert visible(store, 0.5, seed=1) != visible(store, 0.5, seed=2)


def test_only_training_labels_of_the_named_task_are_hidden(store):
    hidden = hidden_labels(store, store.split(), {"ppa": 0.0}, seed=0)
    assert (hidden[:, COLUMN] == labelled(store, 0)).all()
    assert not np.delete(hidden, COLUMN, axis=1).any()


def test_lines_count_what_is_kept(store):
    hidden = hidden_labels(store, store.split(), {"ppa": 0.5}, seed=0)
    n = int(labelled(store, 0).sum())
    (line,) = share_lines(store, store.split(), hidden, {"ppa": 0.5})
    assert line.startswith(f"ppa: {round(n / 2)} of {n} labelled training entries keep")


@pytest.mark.parametrize(
    ("shares", "message"),
    [({"ppa": 1.5}, "ppa is 1.5; give a share from 0 to 1"), ({"pap": 0.5}, "names task 'pap'")],
)
def test_wrong_shares_are_refused(store, shares, message):
    with pytest.raises(ValueError, match=message):
        hidden_labels(store, store.split(), shares, seed=0)


def data(store, **options):
    return ProteinMTDataModule(str(store.path), batch_graphs=4, **options)


def labels_seen(loader):
    """Ids of entries that come with a label of PPA."""
    return {
        name
        for batch in loader
        for name, mask in zip(batch.entry_id, batch.mask_ppa.tolist(), strict=True)
        if mask
    }


def test_training_batches_carry_the_kept_labels_and_all_entries(store):
    whole, part = data(store), data(store, label_share={"ppa": 0.3}, seed=5)
    expected = {store.ids[index] for index in visible(store, 0.3, seed=5)}
    assert labels_seen(part.train_dataloader()) == expected
    assert labels_seen(whole.train_dataloader()) > expected
    ids = [{name for b in m.train_dataloader() for name in b.entry_id} for m in (whole, part)]
    assert ids[0] == ids[1], "an entry stays for its other labels"


def test_entries_without_any_other_label_leave_training(store):
    part = data(store, label_share={"ppa": 0.3}, seed=5, tasks=["ppa"])
    expected = {store.ids[index] for index in visible(store, 0.3, seed=5)}
    assert {name for batch in part.train_dataloader() for name in batch.entry_id} == expected


def test_validation_is_whole(store):
    expected = {store.ids[index] for index in np.flatnonzero(labelled(store, 1))}
    assert expected
    assert labels_seen(data(store, label_share={"ppa": 0.0}).val_dataloader()) == expected


def test_constant_predictor_knows_only_what_is_kept(store):
    assert data(store, label_share={"ppa": 0.0}).constant_predictor(PPA) is None
    assert data(store, label_share={"ppa": 0.5}).constant_predictor(PPA) is not None
    task = next(task for task in TASKS if task.name == BP.name)
    kept = data(store, label_share={"ppa": 0.0}).constant_predictor(task)
    assert (kept == data(store).constant_predictor(task)).all()
