"""The list of runs."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest

from hemenet_lab.cli import hemenet
from tests.tracking.fake_runs import FakeRuns, Scored, empty_database, fake_runs

__all__ = ["empty_database", "fake_runs"]
TARGET = np.array([4.0, 6.0, 8.0])
TAGS = {"encoder": "HeMeNet", "readout": "task_aware", "tasks": "all", "synthetic_data": "True"}


@pytest.fixture
def folder(fake_runs: FakeRuns) -> str:
    worse = dict.fromkeys(("test/lba/rmse", "test/ec/fmax", "test/ec/loss"), 0.25)
    first = fake_runs.add({"encoder": "gcn"}, 0, {"lba": Scored(TARGET, TARGET)}, metrics=worse)
    checkpoint = fake_runs.folder / first / "checkpoints" / "epoch003.ckpt"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_bytes(b"weights")
    many = {f"val/{task}/fmax": 0.5 for task in ("ec", "mf", "bp", "cc", "a", "b", "c")}
    fake_runs.add({"encoder": "=x"}, 1, tags=TAGS, metrics=many, status="RUNNING")
    fake_runs.add({"encoder": "gcn"}, 2, metrics={"test/lba/rmse": 0.125})
    return str(fake_runs.folder)


def test_table_of_runs_fits_a_terminal(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert hemenet(["models", "--folder", folder]) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    newest, middle, oldest = text.split("\n\n")[:3]
    assert "gcn-seed2" in newest
    assert "checkpoint: none on this machine" in newest
    assert "HeMeNet, task_aware, a+b+bp+c+cc+ec+mf\n  SYNTHETIC demo data\n  val: " in middle
    assert "RUNNING" in middle
    assert "test: ec/fmax 0.250, lba/rmse 0.250\n  checkpoint: epoch003.ckpt" in oldest


def test_runs_as_data(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert hemenet(["models", "--folder", folder, "--format", "json", "--best", "lba/rmse"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["seed"] for row in rows] == ["2", "0", "1"]
    assert rows[1]["checkpoint"].endswith(f"{rows[1]['id']}/checkpoints/epoch003.ckpt")
    assert hemenet(["models", "--folder", folder, "--format", "csv"]) == 0
    table = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["lba/rmse"] for row in table] == ["0.125", "", "0.25"]
    assert table[1]["name"] == "'=x-seed1", "a spreadsheet runs nothing"
    assert table[1]["data"] == "SYNTHETIC demo data"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--format", "xml"], "--format xml: allowed are table, csv and json"),
        (["--best", "lba/mae"], "--best lba/mae: no run has it; there are a/fmax,"),
        (["--folder", "/nowhere"], "no MLflow database at /nowhere/mlruns.db"),
    ],
)
def test_what_cannot_be_listed(
    folder: str, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hemenet(["models", "--folder", folder, *words]) == 2
    assert message in capsys.readouterr().err
