"""Recorded runs are found page by page, and their files are read as they were written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hemenet_lab.tracking import Result, RunDatabase, Tag, results_csv
from hemenet_lab.tracking.artifacts import read_predictions, read_results
from tests.tracking.fake_runs import FakeRuns, Scored

AXES = {"encoder": "gcn"}
TARGET = np.array([4.0, 6.0, 8.0])


def test_runs_of_all_pages_newest_first(
    fake_runs: FakeRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hemenet_lab.tracking.runs._PAGE", 2)
    ids = [fake_runs.add(AXES, seed) for seed in range(5)]
    database = RunDatabase.open(fake_runs.folder)
    found = list(database.runs())
    assert {run.id for run in found} == set(ids)
    assert [run.start for run in found] == sorted((run.start for run in found), reverse=True)
    assert [run.seed for run in database.of_grid("table1")] == [run.seed for run in found[::-1]]
    assert database.of_grid("table2") == []


def test_runs_of_one_identity(fake_runs: FakeRuns) -> None:
    wanted = fake_runs.add(AXES, 0, tags={Tag.IDENTITY: "a" * 64})
    fake_runs.add(AXES, 1, tags={Tag.IDENTITY: "b" * 64})
    database = RunDatabase.open(fake_runs.folder)
    assert [run.id for run in database.of_identity("a" * 64)] == [wanted]


def test_a_run_joins_another_grid(fake_runs: FakeRuns) -> None:
    fake_runs.add(AXES, 0, {"lba": Scored(TARGET, TARGET)})
    database = RunDatabase.open(fake_runs.folder)
    (run,) = database.runs()
    database.add_to_grid(run, "table1", AXES, "lightning fit 1")
    database.add_to_grid(run, "table4", {"variant": "full"}, "lightning fit 2")
    (run,) = database.runs()
    assert "benchmark_grid.table1" not in run.tags, "it is that grid's own"
    assert run.tags["benchmark_grid.table4"] == '{"variant": "full"}'
    (run,) = database.of_grid("table4")
    assert run.choices == {"variant": "full"}
    database.add_to_grid(run, "table4", {"variant": "full"}, "lightning fit 3")
    (run,) = database.runs()
    assert run.command == "lightning fit 2", "a command is not replaced"


def test_names_of_tags_are_those_of_runs_that_are_there() -> None:
    """Renaming one would hide every run that was recorded before."""
    assert {tag.name: tag.value for tag in Tag} == {
        "IDENTITY": "benchmark_identity",
        "SEED": "seed",
        "STORE": "store_hash",
        "SYNTHETIC": "synthetic_data",
        "REVISION": "git_revision",
        "TORCH": "torch",
        "DEVICES": "devices",
        "BEST_CHECKPOINT": "best_checkpoint",
        "COMPLETED": "completed",
        "IDLE": "idle_seconds",
        "GRID": "benchmark_grid",
        "AXIS": "axis.",
        "SETTINGS": "benchmark_settings",
        "COMMAND": "benchmark_command",
        "FURTHER": "benchmark_further",
        "OWN_TASKS": "own_tasks",
    }
    assert Tag.AXIS.of("encoder") == "axis.encoder"
    assert Tag.GRID.of("table4") == "benchmark_grid.table4"


def test_results_are_read_as_they_were_written(tmp_path: Path) -> None:
    results = (
        Result("lba", "rmse", -1.25, 0.1, 2.0, 12, 1 / 3),
        Result("cc", "-", None, None, None, 0, None),
        Result("=cmd", "@x", 1.0, None, None, 3, None),
    )
    text = results_csv(results)
    assert "\ncc,-,,,,0,\n" in text
    assert "\n'=cmd,'@x,1.0,,,3,\n" in text
    path = tmp_path / "results.csv"
    path.write_text(text)
    assert read_results(path) == results
    path.write_text(results_csv(results, "SYNTHETIC demo data"))
    assert path.read_text().count("SYNTHETIC demo data") == len(results)
    assert read_results(path) == results


def test_broken_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    path.write_text("task,metric\nlba,rmse\n")
    with pytest.raises(ValueError, match=r"results\.csv is not a table of test results"):
        read_results(path)
    arrays = {f"lba/{name}": np.zeros(2) for name in ("prediction", "target", "entry", "chain")}
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(ValueError, match=r"has no cluster of task lba"):
        read_predictions(tmp_path / "a.npz", "lba")
    np.savez(tmp_path / "b.npz", **arrays, **{"lba/cluster": np.zeros(3)})
    with pytest.raises(ValueError, match=r"arrays of task lba have different lengths"):
        read_predictions(tmp_path / "b.npz", "lba")
