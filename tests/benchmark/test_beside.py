"""Recorded runs beside the plain methods: the same items in any order, differences pair by pair."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hemenet_lab.benchmark.references import (
    ReferenceRow,
    affinity,
    reference_predictions,
    rows_beside,
    run_baselines,
)
from hemenet_lab.benchmark.results import read_grid
from hemenet_lab.store import Store
from tests.benchmark.test_references import ligand_store
from tests.tracking.fake_runs import FakeRuns, Scored


@pytest.fixture(autouse=True)
def small_forests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(affinity, "TREES", 3)


@dataclass
class Named(Scored):
    """Predictions of entries by name."""

    entries: tuple[str, ...] = ()

    def arrays(self, task: str) -> dict[str, NDArray[Any]]:
        return super().arrays(task) | {f"{task}/entry": np.array(self.entries, np.str_)}


def answers(store: Store) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """Ids and values of the test entries, last one first."""
    found = np.flatnonzero(store.split() == 2)[::-1].tolist()
    return tuple(store.ids[at] for at in found), np.array([store[at].values["lba"] for at in found])


def add(runs: FakeRuns, store: Store, encoder: str, seed: int, noise: float) -> None:
    ids, truth = answers(store)
    error = noise * np.random.default_rng(seed).normal(size=len(truth))
    scored = Named(truth + error, truth, entries=ids)
    runs.add({"encoder": encoder}, seed, {"lba": scored}, tags={"store_hash": store.hash})


def test_models_stand_beside_the_methods_on_the_same_items(
    tmp_path: Path, fake_runs: FakeRuns
) -> None:
    store = ligand_store(tmp_path / "s", systems=8)
    for seed in range(3):
        add(fake_runs, store, "gcn", seed, 1.0)
    add(fake_runs, store, "gat", 0, 0.5)
    plain = [each for each in reference_predictions(store) if each.method == "training mean"]
    rows = rows_beside(store, plain, read_grid("table1", folder=fake_runs.folder))
    found = {(row.method, row.metric): row for row in rows}
    assert {method for method, _ in found} == {
        "gcn, 3 seeds",
        "gcn, mean of 3 seeds",
        "gat, 1 seed",
    }
    ids, truth = answers(store)
    errors = np.array([np.random.default_rng(seed).normal(size=len(truth)) for seed in range(3)])
    rmse = found["gcn, 3 seeds", "rmse"]
    assert rmse.value == pytest.approx(np.sqrt((errors**2).mean(axis=1)).mean(), abs=1e-5)
    assert rmse.n == len(ids) == 16
    together = found["gcn, mean of 3 seeds", "rmse"].value
    assert together == pytest.approx(np.sqrt((errors.mean(axis=0) ** 2).mean()), abs=1e-5)
    constant = plain[0].score("rmse")[0]
    assert constant is not None
    assert rmse.against == "training mean"
    assert rmse.difference == pytest.approx(rmse.value - constant)
    assert_between(rmse)
    assert found["gat, 1 seed", "pearson_centred"].value > 0.9
    assert found["gat, 1 seed", "pearson_centred"].against == ""


def assert_between(row: ReferenceRow) -> None:
    assert row.difference_low is not None
    assert row.difference_high is not None
    assert row.difference_low < row.difference < row.difference_high < 0  # type: ignore[operator]


def test_runs_of_other_items_or_another_store_are_refused(
    tmp_path: Path, fake_runs: FakeRuns
) -> None:
    store = ligand_store(tmp_path / "s")
    add(fake_runs, store, "gcn", 0, 1.0)
    results = read_grid("table1", folder=fake_runs.folder)
    found = [each for each in reference_predictions(store, folds=3) if "mean" in each.method]
    with pytest.raises(ValueError, match="tested on 8 items, the plain methods on 48, 8 of them"):
        rows_beside(store, found, results)
    other = ligand_store(tmp_path / "t", ligands=7)
    with pytest.raises(ValueError, match="give the store that they learned from"):
        rows_beside(other, found, results)


@pytest.fixture
def of_one_run(tmp_path: Path, fake_runs: FakeRuns) -> tuple[Store, Path]:
    """A store, and a grid whose only run was tested on it."""
    store = ligand_store(tmp_path / "s", ligands=4)
    add(fake_runs, store, "gcn", 0, 1.0)
    grid = tmp_path / "table1.yaml"
    (tmp_path / "base.yaml").write_text("{}")
    grid.write_text("base: [base.yaml]\naxes:\n  encoder: {gcn: {}}\n")
    return store, grid


def test_the_command_prints_both(
    of_one_run: tuple[Store, Path],
    tmp_path: Path,
    fake_runs: FakeRuns,
    capsys: pytest.CaptureFixture[str],
) -> None:
    store, grid = of_one_run
    out, folder = tmp_path / "rows.csv", str(fake_runs.folder)
    run_baselines(str(store.path), grid=grid, folder=folder, out=out)
    said = capsys.readouterr().out
    assert "lba   training mean" in said
    assert "against heavy atoms of the ligand, linear" in said
    assert "gcn, 1 seed" in out.read_text()


def test_a_method_can_be_named_that_is_subtracted(
    of_one_run: tuple[Store, Path], fake_runs: FakeRuns, capsys: pytest.CaptureFixture[str]
) -> None:
    store, grid = of_one_run
    folder = str(fake_runs.folder)
    run_baselines(str(store.path), grid=grid, folder=folder, against="training mean")
    said = capsys.readouterr().out.partition("Model less training mean")[2]
    assert "gcn, 1 seed  rmse " in said
    assert {line.partition("against ")[2] for line in said.splitlines()[1:]} == {"training mean"}
    with pytest.raises(ValueError, match=r"--against 'mean': no such plain method here; allowed: "):
        run_baselines(str(store.path), against="mean")
