"""Cross-validation as an axis: one run per fold, one score over the items of all folds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hemenet_lab.benchmark.grids import GridOptions, load_grid
from hemenet_lab.benchmark.results import read_grid
from hemenet_lab.benchmark.tables import overview, remarks, tabulate
from tests.benchmark.test_grid import GRID, write
from tests.tracking.fake_runs import FakeRuns, Scored

RNG = np.random.default_rng(0)
TARGET = RNG.normal(6.0, 2.0, 12)
PREDICTION = TARGET + RNG.normal(0.0, 1.0, 12)
SIZES = (2, 3, 7)


def add_folds(runs: FakeRuns, encoder: str, seed: int = 0, shift: float = 0.0) -> None:
    first = 0
    for fold, size in enumerate(SIZES):
        part = slice(first, first + size)
        scored = Scored(PREDICTION[part] + shift, TARGET[part], constant=1.0 + fold)
        scored.first_item = first
        runs.add({"encoder": encoder, "fold": str(fold)}, seed, {"lba": scored})
        first += size


def test_each_run_of_a_grid_is_made_once_per_fold(tmp_path: Path) -> None:
    grid = load_grid(write(tmp_path))
    runs = grid.runs(GridOptions(seeds=1, folds=3))
    assert [run.name for run in runs[:3]] == [f"one-all-{fold}-seed0" for fold in range(3)]
    assert len(runs) == 3 * len(grid.runs(GridOptions(seeds=1)))
    assert "--data.split=fold2of3" in runs[2].arguments
    only = grid.runs(GridOptions(seeds=1, folds=3, only=("fold=1",)))
    assert {run.axes["fold"] for run in only} == {"1"}


def test_a_grid_file_may_ask_for_folds(tmp_path: Path) -> None:
    grid = load_grid(write(tmp_path, GRID.replace("seeds: 2", "seeds: 1\nfolds: 4")))
    assert len(grid.runs()) == 4 * 3
    assert len(grid.runs(GridOptions(folds=0))) == 3
    with pytest.raises(ValueError, match="folds is 2; give 3 or more"):
        load_grid(write(tmp_path, GRID.replace("seeds: 2", "folds: 2")))
    with pytest.raises(ValueError, match="--folds 1; it must be 3 or more"):
        GridOptions(folds=1)
    own = GRID.replace("encoder:", "fold:").replace("exclude:\n  - {fold: two, task: [lba]}", "")
    with pytest.raises(ValueError, match="an axis 'fold' of its own"):
        load_grid(write(tmp_path, own.split("exclude")[0])).runs(GridOptions(folds=3))


def test_scores_are_over_the_items_of_all_folds(fake_runs: FakeRuns) -> None:
    add_folds(fake_runs, "gcn")
    (run,) = read_grid("table1", folder=fake_runs.folder).judged
    line = run.result("lba", "rmse")
    assert line is not None
    assert line.value == pytest.approx(np.sqrt(np.mean((PREDICTION - TARGET) ** 2)), abs=1e-6)
    assert line.n == 12
    # the constants of the folds are the RMSEs 1, 2 and 3 on 2, 3 and 7 items
    assert line.constant == pytest.approx(np.sqrt((2 * 1 + 3 * 4 + 7 * 9) / 12))
    mae = run.result("lba", "mae")
    assert mae is not None
    assert mae.constant == pytest.approx((2 * 1 + 3 * 2 + 7 * 3) / 12)
    assert run.choices == {"encoder": "gcn"}
    assert run.predictions("lba").target[:, 0] == pytest.approx(TARGET)


def test_a_table_has_a_row_per_configuration_and_seeds_beside_each_other(
    fake_runs: FakeRuns,
) -> None:
    for encoder, shift in (("gcn", 0.0), ("gvp", 5.0)):
        for seed in (0, 1, 2):
            add_folds(fake_runs, encoder, seed, shift + seed)
    table = tabulate(read_grid("table1", folder=fake_runs.folder))
    assert [dict(row) for row in table.rows] == [{"encoder": "gcn"}, {"encoder": "gvp"}]
    cell = table.cell(table.rows[0], "lba", "rmse")
    assert cell is not None
    assert (cell.seeds, cell.counts) == ((0, 1, 2), (12, 12, 12))
    assert table.leads[0].difference.established
    assert "Cross-validation over 3 folds" in " ".join(remarks(table))
    assert overview(table).rows[0][0].main == "gcn"


def test_a_configuration_that_lacks_a_fold_is_left_out_and_told(fake_runs: FakeRuns) -> None:
    add_folds(fake_runs, "gcn")
    fake_runs.add({"encoder": "gvp", "fold": "0"}, 0, {"lba": Scored(TARGET, TARGET)})
    table = tabulate(read_grid("table1", folder=fake_runs.folder))
    assert [dict(row)["encoder"] for row in table.rows] == ["gcn"]
    assert "LEFT OUT: gvp, seed 0: no finished run of fold ['1', '2']" in remarks(table)


def test_folds_that_share_items_are_refused(fake_runs: FakeRuns) -> None:
    for fold in "01":
        fake_runs.add({"encoder": "gcn", "fold": fold}, 0, {"lba": Scored(TARGET, TARGET)})
    with pytest.raises(ValueError, match="both tested e000"):
        tabulate(read_grid("table1", folder=fake_runs.folder))


def test_no_table_of_unfinished_folds(fake_runs: FakeRuns) -> None:
    for encoder, fold in (("gcn", "0"), ("gvp", "1")):
        fake_runs.add({"encoder": encoder, "fold": fold}, 0, {"lba": Scored(TARGET, TARGET)})
    with pytest.raises(ValueError, match="no configuration has finished all folds"):
        tabulate(read_grid("table1", folder=fake_runs.folder))
