"""`hemenet predict` and `hemenet embed` on files, in this process."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet

from hemenet_lab import Predictor
from hemenet_lab.cli import hemenet
from hemenet_lab.prediction import COLUMNS
from hemenet_lab.store.reader import Store
from tests.prediction.small import checkpoint

Captured = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def ckpt(tiny_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoint(Store(tiny_store), tmp_path_factory.mktemp("model") / "model.ckpt")


@pytest.fixture(scope="module")
def pairs(tiny_store: Path) -> list[Path]:
    return sorted(tiny_store.parent.glob("**/*.ent.pdb"))[:3]


@pytest.fixture
def table(pairs: list[Path], tmp_path: Path) -> Path:
    path = tmp_path / "complexes.csv"
    lines = ["structure,partner_chains", *(f"{each},B" for each in pairs[:2]), "gone.pdb,B"]
    path.write_text("\n".join(lines))
    return path


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


def test_a_bad_row_is_told_and_the_others_are_predicted(
    ckpt: Path, table: Path, tmp_path: Path, capsys: Captured
) -> None:
    out = tmp_path / "new" / "p.csv"
    words = ["predict", str(table), "--ckpt", str(ckpt), "--out", str(out), "--top", "1"]
    assert hemenet(words) == 1
    assert f"{table} line 4: {tmp_path / 'gone.pdb'} is not there" in capsys.readouterr().err
    found = rows(out)
    assert tuple(found[0]) == COLUMNS
    assert len({row["entry"] for row in found if row["task"] == "ppa"}) == 2


def test_a_second_run_predicts_only_what_is_not_there(
    ckpt: Path,
    table: Path,
    pairs: list[Path],
    tmp_path: Path,
    capsys: Captured,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "p.csv"
    words = ["--ckpt", str(ckpt), "--out", str(out)]
    assert hemenet(["predict", str(table), *words]) == 1
    before = out.read_text()
    asked: list[object] = []
    answers = Predictor.answers
    monkeypatch.setattr(
        Predictor,
        "answers",
        lambda self, waiting, **more: answers(self, asked.extend(waiting) or waiting, **more),
    )
    table.write_text(table.read_text().replace("gone.pdb", str(pairs[2])))
    assert hemenet(["predict", str(table), *words]) == 0
    assert [Path(each.path) for each in asked] == [pairs[2]]  # type: ignore[attr-defined]
    assert out.read_text().startswith(before)
    assert len({row["entry"] for row in rows(out)}) == 3
    assert "2 of 3 are in" in capsys.readouterr().err
    assert hemenet(["predict", str(table), *words, "--contact", "9"]) == 2
    assert "begun with another contact" in capsys.readouterr().err


def test_all_formats_say_the_same(
    ckpt: Path, pairs: list[Path], tmp_path: Path, capsys: Captured
) -> None:
    words = ["predict", str(pairs[0]), "--ckpt", str(ckpt), "--min-probability", "0.4"]
    assert hemenet([*words, "--format", "json"]) == 0
    [record] = json.loads(capsys.readouterr().out)
    assert hemenet([*words, "--format", "jsonl"]) == 0
    assert json.loads(capsys.readouterr().out) == record
    assert hemenet([*words, "--out", str(tmp_path / "p.parquet")]) == 0
    typed = parquet.read_table(tmp_path / "p.parquet").to_pylist()
    assert hemenet(words) == 0
    plain = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert [row["value"] for row in record["predictions"]] == [row["value"] for row in typed]
    assert [float(row["value"]) for row in plain] == [row["value"] for row in typed]
    assert [row["term"] for row in plain] == [row["term"] for row in typed]
    assert hemenet([*words, "--format", "parquet"]) == 2
    assert "parquet needs a file" in capsys.readouterr().err


def test_labels_meet_their_predictions(
    ckpt: Path, table: Path, pairs: list[Path], tmp_path: Path, capsys: Captured
) -> None:
    first, second = (each.name.split(".")[0] for each in pairs[:2])
    labels = tmp_path / "labels.csv"
    predictor = Predictor(ckpt, device="cpu")
    term = next(task for task in predictor.tasks if task.name == "mf").terms[0]
    labels.write_text(
        "id,chain,ppa,mf,note\n"
        f"{first.upper()},,5,,x\n"
        f"{second},,6,,x\n"
        f"{first},A,,{term};GO:7,x\n"
        f"{first},Z,,{term},x\n"
        "none,,4,,x\n"
        f"{first},B,high,,x\n"
    )
    out = tmp_path / "p.csv"
    words = ["predict", str(table), "--ckpt", str(ckpt), "--against", str(labels)]
    assert hemenet([*words, "--out", str(out)]) == 1
    told = capsys.readouterr()
    assert "3 of 5 labels met a prediction" in told.err
    assert (
        "1 terms that the model does not have, in 1 labels, are not counted: GO:7 (mf)" in told.err
    )
    assert "1 labelled ids without a prediction: none" in told.err
    assert f"{first} Z mf" in told.err
    assert "labels.csv line 7: ppa: 'high' is not a number" in told.err
    scores = {(row["task"], row["metric"]): row for row in rows(tmp_path / "p.metrics.csv")}
    ppa = scores["ppa", "mae"]
    values = [predictor.predict(each, partner_chains=["B"]).affinity["ppa"].value for each in pairs]
    assert float(ppa["value"]) == pytest.approx((abs(values[0] - 5) + abs(values[1] - 6)) / 2, 1e-5)
    assert (ppa["n"], scores["mf", "fmax"]["n"], scores["lba", "-"]["n"]) == ("2", "1", "0")
    assert ppa["low"] != ""
    # what an earlier run has predicted counts the same
    again = (tmp_path / "p.metrics.csv").read_text()
    assert hemenet([*words, "--out", str(out)]) == 1
    assert (tmp_path / "p.metrics.csv").read_text() == again
    assert "2 of 3 are in" in capsys.readouterr().err


def test_labels_of_nothing_are_refused(
    ckpt: Path, pairs: list[Path], tmp_path: Path, capsys: Captured
) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("id,tm\nx,1\n")
    words = ["predict", str(pairs[0]), "--ckpt", str(ckpt), "--against", str(labels)]
    assert hemenet(words) == 2
    assert "has no label that this model predicts" in capsys.readouterr().err


@pytest.mark.parametrize("level", ["residue", "chain", "complex"])
def test_embeddings_are_those_of_the_predictor(
    level: str, ckpt: Path, pairs: list[Path], tmp_path: Path
) -> None:
    words = ["embed", *map(str, pairs), "--ckpt", str(ckpt), "--level", level]
    ahead = ["--workers", "1"] if level == "chain" else []
    assert hemenet([*words, "--out", str(tmp_path / "e.npz")]) == 0
    assert hemenet([*words, "--out", str(tmp_path / "e.parquet"), *ahead]) == 0
    found = np.load(tmp_path / "e.npz", allow_pickle=False)
    frame = parquet.read_table(tmp_path / "e.parquet")
    results = [Predictor(ckpt, device="cpu").predict(each) for each in pairs]
    expected = np.concatenate(
        [np.atleast_2d(each.embedding(level)) for each in results]  # type: ignore[arg-type]
    )
    assert found["embedding"].dtype == np.float32
    assert found["embedding"] == pytest.approx(expected, abs=1e-5)
    assert np.array(frame["embedding"].to_pylist()) == pytest.approx(expected, abs=1e-5)
    for name in frame.column_names[:-1]:
        assert found[name].tolist() == frame[name].to_pylist(), name
    assert json.loads(str(found["about"]))["level"] == level
    if level == "residue":
        numbers = np.concatenate([each.entry.residue_number for each in results])
        assert found["residue_number"].tolist() == numbers.tolist()
        assert {*found["residue"]} <= {*"ARNDCQEGHILKMFPSTWYVX"}


def test_embeddings_of_nothing_leave_no_file(ckpt: Path, tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "broken.pdb").write_text("no structure")
    words = ["embed", str(tmp_path / "broken.pdb"), "--ckpt", str(ckpt)]
    assert hemenet([*words, "--out", str(tmp_path / "e.npz")]) == 2
    assert "there is no embedding" in capsys.readouterr().err
    assert hemenet([*words, "--out", str(tmp_path / "e.npz"), "--level", "atom"]) == 2
    assert [each.name for each in tmp_path.iterdir()] == ["broken.pdb"]


def test_hdf5_without_its_library_is_an_error_that_says_what_to_do(
    ckpt: Path, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    words = ["embed", "a.pdb", "--ckpt", str(ckpt), "--out", str(tmp_path / "e.h5")]
    assert hemenet(words) == 2
    assert "pip install 'hemenet-lab[h5]'" in capsys.readouterr().err


def test_hdf5_holds_the_same(ckpt: Path, pairs: list[Path], tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    words = ["embed", *map(str, pairs), "--ckpt", str(ckpt), "--level", "residue"]
    assert hemenet([*words, "--out", str(tmp_path / "e.h5")]) == 0
    assert hemenet([*words, "--out", str(tmp_path / "e.npz")]) == 0
    plain = np.load(tmp_path / "e.npz")
    with h5py.File(tmp_path / "e.h5") as found:
        assert {*found} == {*plain} - {"about"}
        for name in found:
            values = found[name].asstr()[:] if found[name].dtype == object else found[name][:]
            assert values.tolist() == plain[name].tolist()
