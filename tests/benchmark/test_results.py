from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from hemenet_lab.benchmark.results.grid import differing_settings, read_grid
from hemenet_lab.benchmark.tables import tabulate
from tests.tracking.fake_runs import FakeRuns, Scored

AXES = {"setting": "multi", "encoder": "gcn"}
TARGET = np.array([4.0, 6.0, 8.0])


def scored(shift: float = 1.0) -> dict[str, Scored]:
    return {"lba": Scored(TARGET + shift, TARGET)}


def test_reads_what_runs_left(fake_runs: FakeRuns) -> None:
    run_id = fake_runs.add(AXES, 2, scored(), history={"val/score": [0.1, 0.3]})
    fake_runs.add(AXES, 0, scored(), grid="another")
    results = read_grid("table1", folder=fake_runs.folder)
    (run,) = results.runs
    assert (run.id, run.seed, run.choices) == (run_id, 2, AXES)
    assert (run.tasks, run.synthetic, results.store_hash) == (("lba",), False, "5" * 64)
    assert [(r.metric, r.value, r.n) for r in run.results] == [("rmse", 1.0, 3), ("mae", 1.0, 3)]
    predictions = run.predictions("lba")
    assert predictions.prediction[:, 0].tolist() == [5.0, 7.0, 9.0]
    assert predictions.items == (("e000", ""), ("e001", ""), ("e002", ""))
    assert run.history("val/score") == [(1.0, 0.1), (2.0, 0.3)]
    assert "seed_everything: 2" in run.config


def test_unfinished_and_superseded_runs_are_listed(fake_runs: FakeRuns) -> None:
    fake_runs.add(AXES, 0, status="RUNNING")
    fake_runs.add(AXES, 1, status="FAILED")
    old = fake_runs.add(AXES, 2, scored(3.0))
    new = fake_runs.add(AXES, 2, scored(1.0))
    results = read_grid("table1", folder=fake_runs.folder)
    assert [run.status for run in results.unfinished] == ["RUNNING", "FAILED"]
    assert [run.id for run in results.runs] == [new]
    assert [run.id for run in results.superseded] == [old]


def test_runs_that_were_made_anew_are_not_missing(fake_runs: FakeRuns) -> None:
    """Cut off before the first checkpoint, or before the identity was written."""
    mark = {"benchmark_identity": "a"}
    first = fake_runs.add(AXES, 0, status="RUNNING", tags=mark)
    nameless = fake_runs.add(AXES, 0, status="RUNNING", tags={"benchmark_identity": ""})
    other = fake_runs.add({**AXES, "encoder": "gat"}, 0, status="RUNNING")
    fake_runs.add(AXES, 0, scored(), tags=mark)
    results = read_grid("table1", folder=fake_runs.folder)
    assert {run.id for run in results.superseded} == {first, nameless}
    assert [run.id for run in results.unfinished] == [other]


def test_completed_without_test_metrics_is_not_finished(fake_runs: FakeRuns) -> None:
    fake_runs.add(AXES, 0, scored())
    lost = fake_runs.add(AXES, 1, tags={"completed": "true"})
    results = read_grid("table1", folder=fake_runs.folder)
    assert [run.id for run in results.unfinished] == [lost]


def test_runs_made_for_another_grid_take_part(fake_runs: FakeRuns) -> None:
    shared = {"benchmark_grid.table3": json.dumps({"encoder": "hemenet", "readout": "sum"})}
    fake_runs.add({"variant": "no_tar"}, 0, scored(), grid="table4", tags=shared)
    (run,) = read_grid("table3", folder=fake_runs.folder).runs
    assert run.choices == {"encoder": "hemenet", "readout": "sum"}


def test_identities_choose_the_runs(fake_runs: FakeRuns) -> None:
    fake_runs.add(AXES, 0, scored(), tags={"benchmark_identity": "old", "store_hash": "9" * 64})
    wanted = fake_runs.add(AXES, 0, scored(), tags={"benchmark_identity": "new"})
    results = read_grid("table1", folder=fake_runs.folder, identities=["new", "not begun"])
    assert ([run.id for run in results.runs], results.planned) == ([wanted], 2)


def test_mixed_stores_are_refused(fake_runs: FakeRuns) -> None:
    fake_runs.add(AXES, 0, scored())
    fake_runs.add(AXES, 1, scored(), tags={"store_hash": "a" * 64})
    with pytest.raises(ValueError, match=r"different stores.*555555555555 \(1 runs.*aaaaaaaaaaaa"):
        read_grid("table1", folder=fake_runs.folder)
    (run,) = read_grid("table1", folder=fake_runs.folder, store="aa").runs
    assert run.seed == 1


def test_two_settings_for_one_place_are_refused(fake_runs: FakeRuns) -> None:
    smoke = {"benchmark_settings": "--set trainer.max_epochs=1"}
    fake_runs.add(AXES, 0, scored())
    fake_runs.add({**AXES, "encoder": "gat"}, 0, scored(), tags=smoke)
    assert len(read_grid("table1", folder=fake_runs.folder).runs) == 2
    fake_runs.add(AXES, 0, scored(), tags=smoke)
    with pytest.raises(ValueError, match=r"different further settings for .*encoder=gcn, .*seed 0"):
        read_grid("table1", folder=fake_runs.folder)


def test_seeds_of_different_configurations_are_refused(fake_runs: FakeRuns) -> None:
    fake_runs.add(AXES, 0, scored(), config={"trainer": {"max_epochs": 30}})
    fake_runs.add(AXES, 1, scored(), config={"trainer": {"max_epochs": 3}})
    with pytest.raises(ValueError, match=r"differ in trainer\.max_epochs"):
        read_grid("table1", folder=fake_runs.folder)


def test_seed_and_place_may_differ() -> None:
    first = "seed_everything: 0\ndata: {seed: 0, root: a}\ntrainer: {logger: {x: 1}, max_epochs: 3}"
    other = "seed_everything: 1\ndata: {seed: 1, root: b}\ntrainer: {logger: {x: 2}, max_epochs: 3}"
    assert differing_settings(first, other) == []
    assert differing_settings(first, other.replace("max", "enable_progress_bar: false, max")) == []
    assert differing_settings(first, "model: {tasks: [lba]}\n" + other) == ["model.tasks"]


def test_different_labels_or_terms_are_refused(fake_runs: FakeRuns) -> None:
    fake_runs.add(AXES, 0, scored())
    fake_runs.add(AXES, 1, {"lba": Scored(TARGET, TARGET + 1)})
    with pytest.raises(ValueError, match=r"task lba: .* different labels for e000"):
        tabulate(read_grid("table1", folder=fake_runs.folder))
    for seed, terms in enumerate((3, 4)):
        labels = np.eye(terms)[:3]
        fake_runs.add(AXES, seed, {"ec": Scored(labels, labels, level="chain")}, grid="other")
    with pytest.raises(ValueError, match=r"predicts 3 terms, run .* 4"):
        tabulate(read_grid("other", folder=fake_runs.folder))


def test_what_is_missing_is_said(fake_runs: FakeRuns, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no MLflow database at .*run a grid first"):
        read_grid("table1", folder=tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()
    fake_runs.add(AXES, 0, status="RUNNING")
    with pytest.raises(ValueError, match=r"no finished run .*; 1 unfinished: .*\(running\)"):
        read_grid("table1", folder=fake_runs.folder)
    run_id = fake_runs.add(AXES, 1, scored())
    (fake_runs.folder / "artifacts" / run_id / "artifacts" / "results.csv").unlink()
    with pytest.raises(ValueError, match=r"completed but has no readable results\.csv"):
        tabulate(read_grid("table1", folder=fake_runs.folder))


def test_finished_run_without_axes_is_refused(fake_runs: FakeRuns) -> None:
    fake_runs.add({}, 0, scored())
    with pytest.raises(ValueError, match=r"has no tags axis\.<name>; delete it"):
        read_grid("table1", folder=fake_runs.folder)
