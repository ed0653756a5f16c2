"""Ridge regression on pretrained features predicts each item from the other folds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from hemenet_lab.benchmark.references.items import items_of
from hemenet_lab.store import Store
from tests.bench_script import bench_script
from tests.store.small_store import small_store


@pytest.fixture(scope="module")
def script() -> Iterator[ModuleType]:
    with bench_script("pretrained_features") as module:
        yield module


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return small_store(tmp_path_factory.mktemp("features") / "store", 40)


def test_features_that_tell_the_terms_reach_them(script: ModuleType, store: Store) -> None:
    items = items_of(store, next(task for task in store.tasks if task.name == "ec"))
    told = script.predicted(store, items, items.target * 1e3)
    noise = np.random.default_rng(0).normal(size=items.target.shape)
    untold = script.predicted(store, items, noise)
    assert sorted(told.tested.tolist()) == list(range(len(items.entry)))
    assert told.score("fmax")[0] > untold.score("fmax")[0] + 0.1


def test_kept_features_of_another_store_are_refused(
    script: ModuleType, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = {(0, 0): np.arange(3, dtype=np.float32)}
    monkeypatch.setattr(script, "features", lambda *_: made)
    file = tmp_path / "kept.npz"
    script.kept_features(store, {0}, file)
    monkeypatch.delattr(script, "features")
    [(place, values)] = script.kept_features(store, {0}, file).items()
    assert place == (0, 0)
    assert values.tolist() == [0, 1, 2]
    other = type("Other", (), {"hash": "another"})()
    with pytest.raises(SystemExit, match="another store"):
        script.kept_features(other, {0}, file)
