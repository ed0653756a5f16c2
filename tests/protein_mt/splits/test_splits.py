"""Splits of whole groups: shares, seeds, and what happens when a task has few labels."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from hemenet_lab.protein_mt.labels.deepfri import DeepfriLists
from hemenet_lab.protein_mt.settings import BuildSettings
from hemenet_lab.protein_mt.splits.clusters import Item
from hemenet_lab.protein_mt.splits.inputs import Split, SplitInputs, copy_sets
from hemenet_lab.protein_mt.splits.schemes import make_splits

TASKS = ("lba", "ppa", "ec", "mf", "bp", "cc")


def item(
    name: str,
    *tasks: str,
    full: bool = False,
    kind: str = "chain",
    date: str = "",
    sequences: tuple[str, ...] = (),
) -> Item:
    sequences = sequences or (name,)
    ids = ((),) * len(sequences)
    return Item(name, tuple(sequences), sequences, ids, frozenset(tasks), full, kind, date)


def random_items(count: int, groups: int, seed: int = 0) -> tuple[list[Item], np.ndarray]:
    """Items with one or two tasks each, rarer ones last, in groups of uneven sizes."""
    rng = np.random.default_rng(seed)
    weights = np.array([0.3, 0.05, 0.3, 0.2, 0.1, 0.05])
    items = [
        item(f"i{n}", *rng.choice(TASKS, int(rng.integers(1, 3)), replace=False, p=weights))
        for n in range(count)
    ]
    group = np.unique((rng.random(count) ** 2 * groups).astype(int), return_inverse=True)[1]
    return items, group


def split(
    items: list[Item],
    groups: np.ndarray,
    scheme: str = "taskwise",
    seed: int = 0,
    copies: np.ndarray | None = None,
    **settings: int,
) -> Split:
    """The split of a scheme; every item is a protein of its own unless ``copies`` says else."""
    copies = np.arange(len(items)) if copies is None else copies
    chosen = BuildSettings(scheme=scheme, seed=seed, **settings)
    return make_splits(SplitInputs(items, groups, copies, chosen, {}))["default"]


def parts_of(
    items: list[Item], groups: np.ndarray, seed: int = 0, scheme: str = "taskwise"
) -> dict[str, str]:
    return split(items, groups, scheme, seed).parts


@pytest.mark.parametrize("seed", range(5))
def test_groups_are_never_torn_apart(seed: int) -> None:
    items, groups = random_items(300, 120, seed)
    parts = parts_of(items, groups, seed)
    assert parts.keys() == {item.id for item in items}
    for group in range(groups.max() + 1):
        assert len({parts[items[n].id] for n in np.flatnonzero(groups == group)}) == 1


@pytest.mark.parametrize("seed", range(5))
def test_every_task_reaches_its_share_of_groups(seed: int) -> None:
    items, groups = random_items(400, 200, seed)
    parts = parts_of(items, groups, seed, "balanced")
    for task in TASKS:
        with_task = {
            part: {
                g
                for i, g in zip(items, groups, strict=True)
                if task in i.labelled and parts[i.id] == part
            }
            for part in ("train", "val", "test")
        }
        total = sum(len(found) for found in with_task.values())
        assert len(with_task["test"]) >= round(0.15 * total)
        assert len(with_task["val"]) >= round(0.10 * total)
        assert len(with_task["train"]) >= 0.5 * total


def test_three_groups_are_enough_for_all_parts() -> None:
    items = [item(f"a{n}", "ppa") for n in range(3)] + [item(f"b{n}", "ec") for n in range(40)]
    parts = parts_of(items, np.arange(43))
    assert Counter(parts[f"a{n}"] for n in range(3)) == {"train": 1, "val": 1, "test": 1}


def test_two_groups_of_a_task_only_train() -> None:
    items = [item("a", "ppa"), item("b", "ppa")] + [item(f"c{n}", "ec") for n in range(10)]
    parts = parts_of(items, np.arange(12))
    assert (parts["a"], parts["b"]) == ("train", "train")


def test_training_keeps_a_group_of_each_task() -> None:
    # every group with the rare task also has the common one, and the other way round
    items = [item(f"i{n}", "ppa", "ec") for n in range(3)]
    assert sorted(parts_of(items, np.arange(3)).values()) == ["test", "train", "val"]


def test_large_groups_train() -> None:
    items = [item(f"i{n}", "ec") for n in range(100)]
    groups = np.maximum(np.arange(100) - 49, 0)
    for seed in range(5):
        assert parts_of(items, groups, seed)["i0"] == "train"


def test_seed_decides() -> None:
    items, groups = random_items(200, 100)
    assert parts_of(items, groups, 1) == parts_of(items, groups, 1)
    assert parts_of(items, groups, 1) != parts_of(items, groups, 2)


def full_label_items() -> tuple[list[Item], np.ndarray]:
    """200 fully labelled complexes in 100 groups, each with one more item; 50 items besides."""
    items = [item(f"f{n}", *TASKS, full=True) for n in range(200)]
    items += [item(f"m{n}", "ec") for n in range(100)] + [item(f"r{n}", "mf") for n in range(50)]
    groups = np.concatenate([np.arange(200) // 2, np.arange(100), 100 + np.arange(50)])
    return items, groups


def test_published_scheme() -> None:
    items, groups = full_label_items()
    parts = split(items, groups, "published", 3).parts
    full = Counter(parts[i.id] for i in items if i.full_label)
    assert full == {"test": 70, "val": 80, "train": 50}
    # held-out groups hold fully labelled complexes only, the other members are not used
    assert Counter(parts[f"m{n}"] for n in range(100)) == {"unused": 75, "train": 25}
    assert {parts[f"r{n}"] for n in range(50)} == {"train"}
    for n in range(100):
        assert parts[f"f{2 * n}"] == parts[f"f{2 * n + 1}"]
        assert (parts[f"m{n}"] == "train") == (parts[f"f{2 * n}"] == "train")
    assert parts == split(items, groups, "published", 3).parts
    assert parts != split(items, groups, "published", 4).parts


def test_published_scheme_keeps_too_large_groups_for_training() -> None:
    items, groups = full_label_items()
    groups[:120] = 0  # 60 % of the complexes are one protein
    parts = split(items, groups, "published").parts
    assert parts["f0"] == "train"


def test_published_scheme_needs_enough_complexes() -> None:
    items = [item(f"f{n}", *TASKS, full=True) for n in range(20)]
    with pytest.raises(ValueError, match="20 fully labelled complexes in 20 groups are too few"):
        split(items, np.arange(20), "published")


def test_each_task_has_enough_test_items_where_it_can() -> None:
    # 2,000 complexes in 1,000 groups: 15 % of the groups would be 150 complexes or so
    items = [item(f"p{n}", "ppa", kind="ppa") for n in range(1_500)]
    groups = np.concatenate([np.arange(1_000), np.zeros(500, int)])
    parts = parts_of(items, groups, scheme="balanced")
    count = Counter(parts.values())
    assert count["test"] == 200
    assert count["val"] == 100
    # 400 complexes: not more than 20 % and 10 %, or the shares of the groups
    count = Counter(parts_of(items[:400], np.arange(400), scheme="balanced").values())
    assert (count["test"], count["val"]) == (80, 40)


def test_near_copies_are_capped_in_held_out_sets() -> None:
    items = [item(f"c{n}", "lba", kind="lba", full=n >= 25) for n in range(30)]
    items += [item(f"x{n}", "lba", kind="lba") for n in range(200)]
    groups = np.concatenate([np.zeros(30, int), np.arange(1, 201)])
    seen = set()
    for seed in range(12):
        found = split(items, groups, seed=seed, copies=groups, max_copies=7)
        copies = Counter(found.parts[f"c{n}"] for n in range(30))
        assert copies in ({"train": 30}, {"test": 7, "unused": 23}, {"val": 7, "unused": 23})
        assert found.about["unused_near_copies"] == copies["unused"]
        seen |= set(copies)
        if copies["unused"]:
            # fully labelled copies are kept first
            assert all(found.parts[f"c{n}"] in ("test", "val") for n in range(25, 30))
    assert {"train", "unused"} < seen


def test_copies_are_of_one_kind_and_the_same_clusters() -> None:
    items = [
        item("a", "lba", kind="lba", sequences=("AAA", "CCC")),
        item("b", "lba", kind="lba", sequences=("DDD",)),
        item("c", "lba", kind="lba", sequences=("EEE",)),
        item("d", "ec", sequences=("EEE",)),
    ]
    found = copy_sets(items, {"AAA": 0, "CCC": 1, "DDD": 0, "EEE": 0}, {})
    assert found[1] == found[2]
    assert len({found[0], found[1], found[3]}) == 3


def dated(years: dict[int, int], undated: int = 0) -> list[Item]:
    dates = [str(year) for year, count in years.items() for _ in range(count)] + [""] * undated
    return [item(f"i{n}", "ec", date=date) for n, date in enumerate(dates)]


def test_time_scheme_cuts_between_years() -> None:
    items = dated({2010: 70, 2011: 6, 2012: 9, 2013: 5, 2014: 10}, undated=3)
    found = split(items, np.zeros(103, int), "time")
    # from 2013 on 15 %, from 2012 on 24 %: nearest to 15 and 25 %
    assert (found.about["val_year"], found.about["test_year"]) == (2012, 2013)
    assert Counter(found.parts.values()) == {"train": 76, "val": 9, "test": 15, "unused": 3}
    assert found.about["without_date"] == 3


def test_time_scheme_with_given_years() -> None:
    items = dated({2010: 1, 2011: 1, 2012: 1, 2013: 1})
    items.append(item("x", "ec", date="2012-12-31"))
    found = split(items, np.zeros(5, int), "time", val_year=2012, test_year=2013)
    assert found.parts == {"i0": "train", "i1": "train", "i2": "val", "x": "val", "i3": "test"}


def test_time_scheme_needs_dates() -> None:
    with pytest.raises(ValueError, match="2 of 3 entries have a date, in 2 years"):
        split(dated({2010: 1, 2011: 1}, undated=1), np.zeros(3, int), "time")


def test_deepfri_schemes() -> None:
    flags = {"B": {30: False, 95: True}, "C": {30: True, 95: True}, "gone": {30: True, 95: True}}
    parts = {"A": "train", "B": "test", "C": "test", "V": "val", "gone": "test"}
    lists = {"ec": DeepfriLists(parts, flags), "go": DeepfriLists({"B": "train"})}
    items = [item(name, "ec") for name in "ABCVX"]
    chosen = BuildSettings(scheme="deepfri_ec")
    found = make_splits(SplitInputs(items, np.arange(5), np.arange(5), chosen, lists))
    assert found["deepfri_ec"].parts == {
        "A": "train", "B": "test", "C": "test", "V": "val", "X": "unused"
    }  # fmt: skip
    assert found["default"] is found["deepfri_ec"]
    assert found["deepfri_ec_95"].parts == found["deepfri_ec"].parts
    assert found["deepfri_ec_30"].parts["B"] == "unused"
    assert found["deepfri_ec_30"].parts["C"] == "test"
    assert "30 % or more identity" in found["deepfri_ec_30"].about["rule"]
    assert found["deepfri_ec"].about["listed"] == 5
    assert found["deepfri_ec"].about["listed_and_stored"] == 4
    assert [name for name in found if name.startswith("deepfri_go")] == ["deepfri_go"]


def test_deepfri_scheme_without_lists_says_what_is_missing() -> None:
    with pytest.raises(ValueError, match="deepfri_go needs DeepFRI's split lists"):
        split([item("a", "ec")], np.array([0]), "deepfri_go")


def test_different_ligands_of_one_protein_are_no_copies() -> None:
    items = [
        Item(name, ("A",), ("AAA",), ((),), frozenset({"lba"}), kind="lba") for name in "abcdef"
    ]
    ligands = {"a": "01", "b": "02", "c": "01", "d": "", "e": ""}
    found = copy_sets(items, {"AAA": 0}, ligands).tolist()
    assert found[0] == found[2]
    # unreadable ligands count as one, as does no ligand
    assert found[3] == found[4] == found[5]
    assert len(set(found)) == 3
