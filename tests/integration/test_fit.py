"""A fit from the command line: what it records, and what can be done with its checkpoint."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from hemenet_lab.cli import hemenet
from hemenet_lab.model import training_data_note
from hemenet_lab.store.reader import Store
from hemenet_lab.tracking import resolve_checkpoint
from tests.integration.run import SMALL, fit_args, only, run_apart, run_here

TASKS = ("lba", "ppa", "ec", "mf", "bp", "cc")


def runs_of(folder: Path) -> list[Run]:
    client = MlflowClient(f"sqlite:///{folder / 'runs' / 'mlruns.db'}")
    experiment = client.get_experiment_by_name("protein-mt")
    return client.search_runs([experiment.experiment_id])


@pytest.fixture(scope="module")
def fitted(tiny_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a small fit has ended."""
    folder = tmp_path_factory.mktemp("fit")
    with pytest.MonkeyPatch.context() as patch:
        more = ("--trainer.max_epochs=2", "--tracking.register=true")
        run_here(patch, folder, *fit_args(tiny_store, *SMALL, *more))
    return folder


def checkpoint_of(folder: Path) -> Path:
    return only(list(folder.glob("runs/*/checkpoints/epoch*.ckpt")))


def test_run_is_recorded_whole(fitted: Path, tiny_store: Path) -> None:
    run = only(runs_of(fitted))
    assert run.info.status == "FINISHED"
    for task in TASKS:
        metric = "rmse" if task in ("lba", "ppa") else "fmax"
        assert f"val/{task}/{metric}" in run.data.metrics
        assert f"test/{task}/{metric}" in run.data.metrics
        assert run.data.metrics[f"test/{task}/n"] > 0
    assert {"val/score", "val/loss"} <= set(run.data.metrics)
    assert int(run.data.params["parameters/total"]) > 0
    assert {"train/graphs_per_second", "train/lr"} <= set(run.data.metrics)
    assert run.data.tags["store_hash"] == Store(tiny_store).hash
    assert run.data.tags["synthetic_data"] == "True"
    assert run.data.tags["completed"] == "true"
    assert Path(run.data.tags["best_checkpoint"]) == checkpoint_of(fitted)


def test_the_best_checkpoint_is_registered_when_asked(fitted: Path) -> None:
    path = resolve_checkpoint("models:/hemenet-task_aware-all/1", fitted / "runs")
    assert path != checkpoint_of(fitted)
    assert path.read_bytes() == checkpoint_of(fitted).read_bytes()


def test_resolved_config_is_an_artifact(fitted: Path) -> None:
    config = yaml.safe_load(only(list(fitted.glob("runs/artifacts/*/*/config.yaml"))).read_text())
    arguments = config["model"]["encoder"]["init_args"]
    assert arguments["hidden_dim"] == 16
    assert arguments["view"]["k"] == 7
    assert config["trainer"]["gradient_clip_val"] == 10.0


def test_results_say_n_interval_and_constant(fitted: Path) -> None:
    text = only(list(fitted.glob("runs/artifacts/*/*/results.csv"))).read_text()
    rows = {(row["task"], row["metric"]): row for row in csv.DictReader(text.splitlines())}
    assert {row["data"] for row in rows.values()} == {"SYNTHETIC demo data"}
    row = rows["ec", "fmax"]
    assert int(row["n"]) > 0
    assert float(row["low"]) <= float(row["value"]) <= float(row["high"])
    assert float(row["constant"]) > 0


def test_predictions_agree_with_the_table(fitted: Path) -> None:
    arrays = np.load(only(list(fitted.glob("runs/artifacts/*/*/test_predictions.npz"))))
    difference = arrays["ppa/prediction"] - arrays["ppa/target"]
    rmse = only(runs_of(fitted)).data.metrics["test/ppa/rmse"]
    assert np.sqrt((difference**2).mean()) == pytest.approx(rmse, rel=1e-5)
    assert len(arrays["ppa/entry"]) == len(arrays["ppa/target"])
    assert set(arrays["ec/chain"]) != {""}


def test_checkpoint_is_plain_and_self_contained(fitted: Path) -> None:
    checkpoint = torch.load(checkpoint_of(fitted), weights_only=True)
    assert [task["name"] for task in checkpoint["tasks"]] == list(TASKS)
    assert checkpoint["hyper_parameters"]["encoder"]["init_args"]["hidden_dim"] == 16
    assert training_data_note(checkpoint) == "SYNTHETIC demo data"


def test_test_command_needs_the_checkpoint_only(
    fitted: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    trained = only(runs_of(fitted)).data.metrics
    run_here(monkeypatch, tmp_path, "test", f"--ckpt_path={checkpoint_of(fitted)}")
    run = only(runs_of(tmp_path))
    tested = run.data.metrics
    assert run.data.tags["synthetic_data"] == "True"
    assert tested["test/score"] == pytest.approx(trained["test/score"], rel=1e-6)


def test_a_later_test_joins_the_run_of_its_checkpoint(
    fitted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = only(runs_of(fitted))
    run_here(monkeypatch, fitted, "test", f"--ckpt_path={checkpoint_of(fitted)}")
    run = only(runs_of(fitted))
    assert run.info.status == "FINISHED"
    assert run.info.end_time == before.info.end_time
    assert {name: run.data.metrics[name] for name in before.data.metrics} == before.data.metrics
    assert run.data.metrics["test-2/score"] == pytest.approx(before.data.metrics["test/score"])
    (folder,) = fitted.glob("runs/artifacts/*/*")
    assert {"results.csv", "test-2_results.csv", "test-2_config.yaml"} <= {
        path.name for path in folder.iterdir()
    }


def test_command_line_wins_over_the_checkpoint(
    fitted: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(RuntimeError, match="size mismatch"):
        run_here(
            monkeypatch,
            tmp_path,
            "test",
            f"--ckpt_path={checkpoint_of(fitted)}",
            "--model.encoder.hidden_dim=24",
        )


def test_predict_names_terms_and_chains(
    fitted: Path, tiny_store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = sorted(tiny_store.parent.glob("**/refined-set/*/*_protein.pdb"))[0]
    out = tmp_path / "predictions.csv"
    arguments = ["predict", str(raw), "--ckpt", str(checkpoint_of(fitted)), "--out", str(out)]
    assert hemenet([*arguments, "--min-probability", "0"]) == 0
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert {row["task"] for row in rows} == set(TASKS) - {"lba", "ppa"}  # there is no partner
    assert all(row["term"] and row["chain"] for row in rows if row["task"] == "ec")
    assert {row["trained_on"] for row in rows} == {"SYNTHETIC demo data"}
    assert "trained on SYNTHETIC demo data" in capsys.readouterr().err


def test_predict_reports_a_file_that_is_no_structure(
    fitted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken.pdb"
    broken.write_text("nothing\n")
    assert hemenet(["predict", str(broken), "--ckpt", str(checkpoint_of(fitted))]) == 1
    assert "broken" in capsys.readouterr().err


@pytest.fixture(scope="module")
def predicted(fitted: Path, tiny_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which `lightning predict` has run."""
    folder = tmp_path_factory.mktemp("predicted")
    with pytest.MonkeyPatch.context() as patch:
        run_here(patch, folder, "predict", f"--ckpt_path={checkpoint_of(fitted)}")
    return folder


def test_predict_command_leaves_a_table_of_all_test_entries(
    predicted: Path, fitted: Path, tiny_store: Path
) -> None:
    text = only(list(predicted.glob("runs/*/predictions.csv"))).read_text()
    rows = list(csv.DictReader(text.splitlines()))
    store = Store(tiny_store)
    test = {store.ids[index] for index in np.flatnonzero(store.split() == 2)}
    affinities = [row["entry"] for row in rows if row["task"] == "lba"]
    assert {row["trained_on"] for row in rows} == {"SYNTHETIC demo data"}
    assert affinities == sorted(test)
    assert only(runs_of(predicted)).info.status == "FINISHED"
    # what was measured in the test of the fit is what is predicted here
    arrays = np.load(only(list(fitted.glob("runs/artifacts/*/*/test_predictions.npz"))))
    known = {row["entry"]: float(row["value"]) for row in rows if row["task"] == "ppa"}
    for entry, value in zip(arrays["ppa/entry"], arrays["ppa/prediction"], strict=True):
        assert known[str(entry)] == pytest.approx(float(value[0]), rel=1e-4)


def test_two_processes_predict_what_one_does(predicted: Path, fitted: Path, tmp_path: Path) -> None:
    two = ("--trainer.devices=2", "--trainer.strategy=ddp", "--data.batch_graphs=2")
    checkpoint = f"--ckpt_path={checkpoint_of(fitted)}"
    done = run_apart(tmp_path, "predict", checkpoint, "--trainer.accelerator=cpu", *two)
    assert "Predictions: " in done.stdout + done.stderr
    tables = []
    for folder in (predicted, tmp_path):
        with only(list(folder.glob("runs/*/predictions.csv"))).open(newline="") as stream:
            tables.append(list(csv.DictReader(stream)))
    assert len(tables[0]) == len(tables[1])
    for one, other in zip(*tables, strict=True):
        assert float(one.pop("value")) == pytest.approx(float(other.pop("value")), rel=1e-4)
        assert one == other
