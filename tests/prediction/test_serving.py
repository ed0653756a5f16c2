"""A registered model: in this process, through MLflow's scoring server, and as a checkpoint."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mlflow
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException
from mlflow.pyfunc import scoring_server
from starlette.testclient import TestClient

from hemenet_lab import Predictor
from hemenet_lab.prediction import serving
from hemenet_lab.prediction.serving import (
    check_register,
    example_structure,
    register_fit,
)
from hemenet_lab.store.reader import Store
from hemenet_lab.tracking import Tracker, resolve_checkpoint
from tests.prediction.test_predictor import checkpoint

HELIX = example_structure()
BENZENE = """\
lig


  6  6  0  0  0  0  0  0  0  0999 V2000
    6.0000    1.0000    7.5000 C   0  0
    7.4000    1.0000    8.0000 C   0  0
    8.1000    2.2000    8.4000 C   0  0
    7.4000    3.4000    8.0000 C   0  0
    6.0000    3.4000    8.0000 C   0  0
    5.3000    2.2000    8.0000 C   0  0
  1  2  4  0
  2  3  4  0
  3  4  4  0
  4  5  4  0
  5  6  4  0
  6  1  4  0
M  END
$$$$
"""


@pytest.fixture(scope="module")
def registered(
    tiny_store: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str, Tracker]:
    """Folder of runs, the model's address, and the run's record."""
    folder = tmp_path_factory.mktemp("runs")
    tracker = Tracker(folder=str(folder))
    tracker.set_tags({"encoder": "HeMeNet", "tasks": "all", "synthetic_data": True})
    best = folder / str(tracker.run_id) / "checkpoints" / "epoch003.ckpt"
    best.parent.mkdir(parents=True)
    checkpoint(Store(tiny_store), best)
    trainer: Any = SimpleNamespace(
        loggers=[tracker],
        is_global_zero=True,
        interrupted=False,
        checkpoint_callback=SimpleNamespace(best_model_path=str(best)),
    )
    return folder, register_fit(trainer, True), tracker


@pytest.fixture
def model(registered: tuple[Path, str, Tracker], monkeypatch: pytest.MonkeyPatch) -> Any:
    _, address, tracker = registered
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracker.uri)
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", tracker.uri)
    return mlflow.pyfunc.load_model(address)


def test_a_registered_model_is_a_checkpoint_and_no_pickle(
    registered: tuple[Path, str, Tracker],
) -> None:
    folder, address, tracker = registered
    assert address == "models:/hemenet-all/1"
    path = resolve_checkpoint(address, folder)
    assert path.name == "epoch003.ckpt"
    files = {each.name for each in path.parents[1].rglob("*") if each.is_file()}
    assert "MLmodel" in files
    assert not [name for name in files if name.endswith((".pkl", ".py"))]
    version = tracker.experiment.get_model_version("hemenet-all", "1")
    assert "SYNTHETIC" in version.description
    again: Any = SimpleNamespace(
        loggers=[tracker],
        is_global_zero=True,
        interrupted=False,
        checkpoint_callback=SimpleNamespace(best_model_path=""),
    )
    assert register_fit(again, "my-model") == "models:/my-model/1"


def test_predictions_are_those_of_the_checkpoint(
    registered: tuple[Path, str, Tracker], model: Any
) -> None:
    folder, address, _ = registered
    packed = base64.b64encode(gzip.compress(HELIX.encode())).decode()
    asked = [{"structure": HELIX, "ligand": BENZENE, "id": "a"}, {"structure": HELIX}]
    found = model.predict(pd.DataFrame(asked), params={"min_probability": 0.0})
    predictor = Predictor(resolve_checkpoint(address, folder), device="cpu")
    for number, ligand in enumerate([BENZENE.encode(), None]):
        expected = predictor.predict(HELIX.encode(), ligand).table
        mine = found[found["row"] == number]
        assert mine["task"].tolist() == expected["task"].tolist()
        assert mine["value"].tolist() == pytest.approx(expected["value"].tolist(), abs=1e-6)
    assert {"lba", "ec"} <= {*found[found["row"] == 0]["task"]}
    assert "lba" not in {*found[found["row"] == 1]["task"]}
    as_file = model.predict(
        pd.DataFrame([{"structure": packed, "encoding": "base64"}]), params={"top": 1}
    )
    assert len(as_file) == len(as_file.drop_duplicates(["chain", "task"]))


def test_scoring_server(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "MOST_BYTES", 20_000)
    client = TestClient(scoring_server.init(model), raise_server_exceptions=False)

    def ask(content: Any) -> tuple[int, Any]:
        answer = client.post("/invocations", json=content)
        return answer.status_code, json.loads(answer.text)

    status, answer = ask(
        {"dataframe_records": [{"structure": HELIX}], "params": {"min_probability": 0.0, "top": 2}}
    )
    assert status == 200, answer
    rows = answer["predictions"]
    assert {row["task"] for row in rows} >= {"ec", "mf"}
    assert all(0 <= row["value"] <= 1 and row["chain"] == "A" for row in rows)
    assert all(row["low"] is None for row in rows)
    status, answer = ask({"inputs": [{"structure": HELIX}]})
    assert status == 200, answer
    for bad, message in {
        json.dumps([{"structure": "nonsense"}]): "row 0: ",
        json.dumps([{"structure": "/etc/passwd"}]): "row 0: ",
        json.dumps([{"structure": ""}]): "row 0: structure is empty",
        json.dumps([{"structure": "A" * 20_001}]): "has 20,001 characters; at most 20,000",
        json.dumps([{"structure": HELIX, "ligand": "x"}]): "row 0: ",
        json.dumps([{"structure": HELIX, "partner_chains": "Q"}]): "Q",
        json.dumps([{"structure": "%%", "encoding": "base64"}]): "is no base64",
        json.dumps([{"structure": HELIX, "encoding": "rot13"}]): "allowed: text, base64",
        json.dumps([{"ligand": "x"}]): "structure",
        json.dumps([{"structure": HELIX}] * 65): "65 complexes in one request; at most 64",
    }.items():
        status, answer = ask({"dataframe_records": json.loads(bad)})
        assert status == 400, answer
        assert message in answer["message"]
        assert "Traceback" not in json.dumps(answer)


def test_unknown_columns_are_named(model: Any) -> None:
    with pytest.raises(MlflowException, match=r"columns .*struct.*allowed are structure, ligand"):
        serving.ServedModel.predict(model._model_impl, pd.DataFrame([{"struct": HELIX}]))


def test_names_that_a_registry_does_not_take() -> None:
    tracked: Any = SimpleNamespace(loggers=[])
    with pytest.raises(ValueError, match=r"--tracking\.register needs MLflow"):
        check_register(tracked, True)
    check_register(tracked, False)
    recorded: Any = SimpleNamespace(loggers=[Tracker.__new__(Tracker)])
    check_register(recorded, "mine")
    for name in ("a/b", "models:/x", "../x", "a@b"):
        with pytest.raises(ValueError, match="the name of a model has no"):
            check_register(recorded, name)
