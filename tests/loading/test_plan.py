"""Batch plans: every promise of `TrainingPlan` as a property of random item sets."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from hemenet_lab.loading.packing import Items, Limits
from hemenet_lab.loading.plan import Ints, TrainingPlan, evaluation_batches
from tests.store.entries import TASKS

LOOSE = Limits(graphs=8, atoms=10**9, edges=10**9)


def plan_batches(
    items: Items, limits: Limits, seed: int, epoch: int, world_size: int = 1, balanced: bool = True
) -> list[Ints]:
    """The batches of one epoch for all ranks; rank r takes ``[r::world_size]``."""
    return TrainingPlan(items, limits, seed, world_size, balanced).batches(epoch)


def make_items(atoms, labels, edges=None):
    """Items from sizes and label sets such as {"lba", "ec"}."""
    atoms = np.asarray(atoms)
    return Items(
        index=np.arange(100, 100 + len(atoms)),
        names=tuple(f"item{i}" for i in range(len(atoms))),
        atoms=atoms,
        edges=np.asarray(edges) if edges is not None else atoms * 2,
        labelled=np.array([[task.name in held for task in TASKS] for held in labels]),
        tasks=TASKS,
    )


def random_items(seed, count, rare=0.1):
    """Mostly chains with some of EC, MF, BP, CC; a share ``rare`` of complexes."""
    rng = np.random.default_rng(seed)
    names = [task.name for task in TASKS[2:]]
    labels = []
    for _ in range(count):
        held = {name for name in names if rng.random() < 0.6}
        if rng.random() < 2 * rare:
            held = (held if rng.random() < 0.3 else set()) | {str(rng.choice(["lba", "ppa"]))}
        labels.append(held or {"ec"})
    return make_items(np.clip(rng.lognormal(7, 0.7, count), 50, 9000).astype(int), labels)


def check_plan(items, limits, plan, epochs=3, balanced=True):
    """Every bound and promise, in each of some epochs."""
    wanted = items.labelled.any(axis=0) if balanced else np.zeros(len(TASKS), dtype=bool)
    counts = []
    for epoch in range(epochs):
        batches = plan.batches(epoch)
        assert len(batches) == plan.num_batches
        for batch in batches:
            at = batch - 100
            assert 1 <= len(batch) <= limits.graphs
            assert items.atoms[at].sum() <= limits.atoms
            assert items.edges[at].sum() <= limits.edges
            assert items.labelled[at].any(axis=0)[wanted].all()
        seen = np.concatenate(batches)
        assert set(seen.tolist()) == set(items.index.tolist())
        counts.append(len(seen))
    assert len(set(counts)) == 1


@settings(max_examples=300, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    count=st.integers(1, 120),
    graphs=st.integers(1, 9),
    atoms=st.integers(9_000, 60_000),
    edge_factor=st.floats(1.0, 4.0),
    world=st.integers(1, 5),
    balanced=st.booleans(),
)
def test_all_promises_or_a_clear_error(seed, count, graphs, atoms, edge_factor, world, balanced):
    items = random_items(seed, count)
    limits = Limits(graphs, atoms, int(atoms * edge_factor))
    try:
        plan = TrainingPlan(items, limits, seed, world, balanced)
    except ValueError as error:
        message = str(error)
        too_large = items.atoms.max() > limits.atoms or items.edges.max() > limits.edges
        expected = "too large" if too_large else "no way to put"
        event("refused")
    else:
        message = expected = ""
    assert expected in message
    if message:
        return
    assert plan.num_batches % world == 0
    check_plan(items, limits, plan, balanced=balanced)


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 10**6), count=st.integers(6, 150), world=st.integers(1, 4))
def test_loose_budgets_always_work(seed, count, world):
    items = random_items(seed, count)
    plan = TrainingPlan(items, LOOSE, seed, world)
    check_plan(items, LOOSE, plan, epochs=2)


def test_plan_is_a_function_of_seed_and_epoch():
    items = random_items(0, 60)
    first = plan_batches(items, LOOSE, seed=1, epoch=4)
    again = plan_batches(items, LOOSE, seed=1, epoch=4)
    assert [batch.tolist() for batch in first] == [batch.tolist() for batch in again]
    for other in (plan_batches(items, LOOSE, 1, 5), plan_batches(items, LOOSE, 2, 4)):
        assert [batch.tolist() for batch in first] != [batch.tolist() for batch in other]


def test_many_batches_are_alike_for_1_2_4_and_8_processes():
    items = random_items(3, 800)
    plans = [plan_batches(items, LOOSE, 0, 1, world_size=world) for world in (1, 2, 4, 8)]
    for plan in plans[1:]:
        assert [batch.tolist() for batch in plan] == [batch.tolist() for batch in plans[0]]


def test_common_items_come_once_and_rare_ones_repeat_evenly():
    items = make_items([100] * 70, [{"lba"}] * 2 + [{"ec"}] * 68)
    counts = np.zeros(70, dtype=int)
    plan = TrainingPlan(items, LOOSE, seed=0)
    for epoch in range(20):
        seen = np.bincount(np.concatenate(plan.batches(epoch)) - 100, minlength=70)
        assert (seen[2:] == 1).all()
        assert seen[:2].sum() == plan.num_batches == 10  # 68 / 7
        counts += seen
    assert abs(counts[0] - counts[1]) < 60


def test_batches_mix_anew_in_each_epoch():
    items = random_items(5, 300)
    plan = TrainingPlan(items, Limits(8, 20_000, 10**9), seed=0)
    together = [
        {(a, b) for batch in plan.batches(epoch) for a in batch.tolist() for b in batch.tolist()}
        for epoch in (0, 1)
    ]
    shared = len(together[0] & together[1]) - 300  # every item is with itself
    assert shared < 0.2 * len(together[0])


def test_complexes_are_spread():
    items = make_items([100] * 64, [{"lba"}] * 16 + [{"ppa"}] * 16 + [{"ec", "mf"}] * 32)
    is_complex = items.complex_level()
    for batch in TrainingPlan(items, LOOSE, seed=0).batches(0):
        assert is_complex[batch - 100].sum() == 4


def test_batches_next_to_each_other_cost_alike():
    items = random_items(8, 800)
    batches = plan_batches(items, LOOSE, 0, 0)
    cost = np.array([items.atoms[batch - 100].sum() for batch in batches])
    in_groups = cost[: len(cost) // 8 * 8].reshape(-1, 8)
    assert np.ptp(in_groups, axis=1).mean() < 0.5 * np.ptp(cost)


def test_more_processes_than_items():
    items = make_items([10, 20], [{"ec"}, {"ec", "lba"}])
    plan = TrainingPlan(items, LOOSE, world_size=5)
    assert plan.num_batches == 5
    check_plan(items, LOOSE, plan)


def test_single_item_above_the_budget_is_named():
    items = make_items([10, 900, 30], [{"ec"}] * 3)
    with pytest.raises(
        ValueError, match=r"item1, has 900 atoms, max_atoms_per_batch is 500: raise"
    ):
        TrainingPlan(items, Limits(8, 500, 10**6))
    with pytest.raises(ValueError, match=r"item1, has 1800 edges, max_edges_per_batch is 900"):
        TrainingPlan(items, Limits(8, 10**6, 900))


def test_tasks_that_cannot_be_in_one_batch():
    items = make_items([10, 10], [{"lba"}, {"ec"}])
    with pytest.raises(ValueError, match=r"each task .lba, ec. into every batch of 1 graphs"):
        TrainingPlan(items, Limits(1, 100, 100))
    assert TrainingPlan(items, Limits(1, 100, 100), balanced=False).num_batches == 2


def test_full_budget_is_used_exactly():
    items = make_items([50, 50, 50, 50], [{"lba"}, {"ec"}, {"lba"}, {"ec"}])
    plan = TrainingPlan(items, Limits(8, 100, 200))
    check_plan(items, Limits(8, 100, 200), plan)
    assert plan.num_batches == 2


def test_small_batches_use_items_with_many_labels():
    everything = {"ec", "mf", "bp", "cc"}
    items = make_items([10] * 12, [everything] * 4 + [{"mf"}] * 4 + [{"ec", "cc"}] * 4)
    plan = TrainingPlan(items, Limits(2, 100, 100))
    check_plan(items, Limits(2, 100, 100), plan)


def test_checker_notices_a_broken_plan():
    items = random_items(0, 40)

    class Broken(TrainingPlan):
        def batches(self, epoch):
            return [*super().batches(epoch)[:-1], np.array([100])]

    with pytest.raises(AssertionError):
        check_plan(items, LOOSE, Broken(items, LOOSE))


def test_no_items_and_bad_limits():
    with pytest.raises(ValueError, match="no training item"):
        TrainingPlan(make_items([], np.zeros((0, 6))), LOOSE)
    with pytest.raises(ValueError, match="a batch of 0 graphs; it must be 1 or more"):
        Limits(0, 1, 1)


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    count=st.integers(1, 60),
    graphs=st.integers(1, 9),
    atoms=st.integers(100, 30_000),
    world=st.integers(1, 5),
)
def test_evaluation_counts_each_item_once(seed, count, graphs, atoms, world):
    items = random_items(seed, count)
    limits = Limits(graphs, atoms, 3 * atoms)
    batches = evaluation_batches(items, limits, world)
    assert len(batches) % world == 0
    assert len(batches) >= 1
    counted = [index for batch in batches for index in batch if index >= 0]
    assert sorted(counted) == items.index.tolist()
    assert batches == evaluation_batches(items, limits, world)
    for batch in batches:
        at = np.array([index if index >= 0 else ~index for index in batch]) - 100
        assert len(batch) <= graphs
        assert len(batch) == 1 or items.atoms[at].sum() <= atoms
        assert len(batch) == 1 or items.edges[at].sum() <= 3 * atoms
        assert all(index < 0 for index in batch) or all(index >= 0 for index in batch)


def test_evaluation_of_nothing():
    assert evaluation_batches(make_items([], np.zeros((0, 6))), LOOSE, 2) == []


@pytest.mark.parametrize("world_size", [2, 4, 8])
def test_ranks_have_the_same_work_and_wait_little(world_size):
    # sizes spread as widely as those of proteins: the largest has 36 times the smallest
    rng = np.random.default_rng(0)
    atoms = np.clip(2000 * rng.lognormal(0.0, 0.6, 1500), 333, 12_000).astype(int)
    items = make_items(atoms, [{"ec", "mf"} if number % 9 else {"lba"} for number in range(1500)])
    batches = plan_batches(items, Limits(8, 60_000, 10**9), 0, 1, world_size)
    work = np.array([items.atoms[batch - 100].sum() for batch in batches]).reshape(-1, world_size)
    ranks = work.sum(axis=0)
    assert ranks.max() < 1.1 * ranks.mean()
    assert work.max(axis=1).sum() < 1.1 * work.mean(axis=1).sum()  # the slowest of each step counts
