"""Splits of whole groups: shares, seeds, and what happens when a task has few labels."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from hemenet_lab.protein_mt.clusters import Item
from hemenet_lab.protein_mt.splits import split_items

TASKS = ("lba", "ppa", "ec", "mf", "bp", "cc")


def item(name: str, *tasks: str, full: bool = False) -> Item:
    return Item(name, ("A",), ("AAA",), ((),), frozenset(tasks), full)


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


def parts_of(items: list[Item], groups: np.ndarray, seed: int = 0) -> dict[str, str]:
    return split_items(items, groups, scheme="taskwise", seed=seed)


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
    parts = parts_of(items, groups, seed)
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


def test_unknown_scheme_is_refused() -> None:
    with pytest.raises(ValueError, match="allowed: taskwise, published"):
        split_items([item("a", "ec")], np.array([0]), scheme="random", seed=0)


def full_label_items() -> tuple[list[Item], np.ndarray]:
    """200 fully labelled complexes in 100 groups, each with one more item; 50 items besides."""
    items = [item(f"f{n}", *TASKS, full=True) for n in range(200)]
    items += [item(f"m{n}", "ec") for n in range(100)] + [item(f"r{n}", "mf") for n in range(50)]
    groups = np.concatenate([np.arange(200) // 2, np.arange(100), 100 + np.arange(50)])
    return items, groups


def test_published_scheme() -> None:
    items, groups = full_label_items()
    parts = split_items(items, groups, scheme="published", seed=3)
    full = Counter(parts[i.id] for i in items if i.full_label)
    assert full == {"test": 70, "val": 80, "train": 50}
    # held-out groups hold fully labelled complexes only, the other members are not used
    assert Counter(parts[f"m{n}"] for n in range(100)) == {"unused": 75, "train": 25}
    assert {parts[f"r{n}"] for n in range(50)} == {"train"}
    for n in range(100):
        assert parts[f"f{2 * n}"] == parts[f"f{2 * n + 1}"]
        assert (parts[f"m{n}"] == "train") == (parts[f"f{2 * n}"] == "train")
    assert parts == split_items(items, groups, scheme="published", seed=3)
    assert parts != split_items(items, groups, scheme="published", seed=4)


def test_published_scheme_keeps_too_large_groups_for_training() -> None:
    items, groups = full_label_items()
    groups[:120] = 0  # 60 % of the complexes are one protein
    parts = split_items(items, groups, scheme="published", seed=0)
    assert parts["f0"] == "train"


def test_published_scheme_needs_enough_complexes() -> None:
    items = [item(f"f{n}", *TASKS, full=True) for n in range(20)]
    with pytest.raises(ValueError, match="20 fully labelled complexes in 20 groups are too few"):
        split_items(items, np.arange(20), scheme="published", seed=0)
