"""A fit whose real MLflow server is killed, frozen and started again."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.demos.boring_classes import BoringModel
from mlflow.tracking import MlflowClient

from hemenet_lab.tracking import Tracker, outbox
from tests.tracking.mlflow_server import Gate, MlflowServer

STEPS = 40


class Logging(BoringModel):
    """Logs the number of each step, and has a setting."""

    def __init__(self) -> None:
        super().__init__()
        self.save_hyperparameters({"width": 2})

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        self.log("step_number", float(self.global_step))
        return super().training_step(batch, batch_idx)


class At(Callback):
    """Does something at some steps."""

    def __init__(self, **actions: Callable[[], None]) -> None:
        self.actions = {int(name.removeprefix("step")): do for name, do in actions.items()}

    def on_train_batch_end(self, trainer: Trainer, *args: Any) -> None:
        self.actions.get(trainer.global_step, lambda: None)()


def _fit(tracker: Tracker, folder: Path, at: Callback, steps: int = STEPS) -> float:
    """Seconds of a fit."""
    trainer = Trainer(
        default_root_dir=folder,
        accelerator="cpu",
        logger=tracker,
        callbacks=[at],
        max_steps=steps,
        log_every_n_steps=1,
        limit_val_batches=0,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    begun = time.monotonic()
    trainer.fit(Logging(), torch.utils.data.DataLoader(torch.randn(8, 32)))
    return time.monotonic() - begun


@pytest.fixture
def server(tmp_path: Path, empty_database: Path) -> Iterator[MlflowServer]:
    (tmp_path / "server").mkdir()
    try:
        made = MlflowServer(tmp_path / "server", empty_database)
    except OSError as error:
        pytest.skip(f"no port of loopback can be bound ({error})")
    try:
        yield made
    finally:
        made.kill()


def test_a_fit_outlives_its_server(
    server: MlflowServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setattr(outbox, "FIRST_PAUSE", 0.1)
    server.start()
    gate = Gate(server.uri, "ada", "secret")
    server.wait()
    runs = tmp_path / "runs"

    # no name and password: said before a training begins
    with pytest.raises(ValueError, match=r"no run can be recorded at .*401"):
        _ = Tracker(folder=str(runs), tracking_uri=gate.uri).run_id
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "ada")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "secret")

    killed = Tracker(folder=str(runs), tracking_uri=gate.uri)
    assert killed.run_id
    took = _fit(killed, tmp_path, At(step5=server.kill))
    killed.log_text("a: 1\n", "config.yaml")
    killed.suggest_name("a-name")
    killed.log_data("/data/demo", "5" * 64, synthetic=True)
    assert took < 15, "a dead server may cost seconds, not minutes"
    assert list((runs / "unsent").rglob("records.jsonl"))
    assert killed._outbox is not None
    killed._outbox.close()  # as the end of its process does

    server.start()
    server.wait()

    def freeze() -> None:
        server.signal(signal.SIGSTOP)

    def thaw() -> None:
        server.signal(signal.SIGCONT)

    frozen = Tracker(folder=str(runs), tracking_uri=gate.uri)
    assert frozen.run_id
    _fit(frozen, tmp_path, At(step5=freeze, step30=thaw))

    client = MlflowClient(gate.uri)
    for tracker in (killed, frozen):
        run_id = str(tracker.run_id)
        run = client.get_run(run_id)
        points = client.get_metric_history(run_id, "step_number")
        assert [point.value for point in points] == list(range(STEPS)), "in order, none lost"
        assert run.info.status == "FINISHED"
        assert run.data.params == {"width": "2"}
    run = client.get_run(str(killed.run_id))
    assert run.info.run_name == "a-name"
    assert [one.dataset.name for one in run.inputs.dataset_inputs] == ["demo (SYNTHETIC)"]
    assert [file.path for file in client.list_artifacts(run.info.run_id)] == ["config.yaml"]
    assert not list((runs / "unsent").rglob("records.jsonl"))
    gate.shutdown()
