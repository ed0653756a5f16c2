"""Folds of whole groups as computed splits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hemenet_lab.store import Store, StoreError, fold_names
from tests.store.small_store import small_store


def grouped(path: Path, group_of: list[int]) -> Store:
    """A small store whose entries have these groups."""
    store = small_store(path, count=len(group_of))
    rows = [f"{id},{group}" for id, group in zip(store.ids, group_of, strict=True)]
    (path / "entries.csv").write_text("\n".join(["id,group", *rows]) + "\n")
    return Store(path)


def test_each_entry_is_tested_once_and_groups_stay_whole(tmp_path: Path) -> None:
    store = grouped(tmp_path / "s", [index // 3 for index in range(45)])
    tested = np.array([store.split(name) == 2 for name in fold_names(4)])
    assert (tested.sum(axis=0) == 1).all()
    for group in np.unique(store.groups):
        assert len(np.unique(tested[:, store.groups == group], axis=1).T) == 1


def test_the_next_fold_validates(tmp_path: Path) -> None:
    store = grouped(tmp_path / "s", list(range(20)))
    assert ((store.split("fold3of4") == 1) == (store.split("fold0of4") == 2)).all()


def test_folds_have_about_as_many_labels_of_each_task(tmp_path: Path) -> None:
    store = grouped(tmp_path / "s", list(range(60)))
    counts = [store.counts(name)["test"] for name in fold_names(3)]
    for task in ("lba", "ppa", "bp"):
        assert max(c[task] for c in counts) - min(c[task] for c in counts) <= 4


def test_a_large_group_has_a_fold_for_itself_and_the_others_share_the_rest(tmp_path: Path) -> None:
    store = grouped(tmp_path / "s", [0] * 30 + list(range(1, 31)))
    sizes = sorted(int((store.split(name) == 2).sum()) for name in fold_names(4))
    assert sizes[-1] == 30
    assert sizes[0] >= 8


def test_seeds_give_other_folds_and_the_same_seed_the_same(tmp_path: Path) -> None:
    store = grouped(tmp_path / "s", list(range(40)))
    first, second = store.split("fold0of4"), store.split("fold0of4seed1")
    assert (first != second).any()
    assert (first == Store(store.path).split("fold0of4")).all()


def test_entries_without_a_group_are_their_own(tmp_path: Path) -> None:
    store = small_store(tmp_path / "s", count=12)
    assert len(set(store.groups.tolist())) == 12


@pytest.mark.parametrize("name", ["fold0of2", "fold5of5"])
def test_impossible_folds_are_told(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="3 folds or more"):
        small_store(tmp_path / "s", count=10).split(name)


def test_unknown_splits_name_folds_as_a_way(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="fold0of5"):
        small_store(tmp_path / "s", count=10).split("folds")
