"""Finished runs written into MLflow by hand, with any predictions."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
import yaml
from mlflow.entities import Metric
from mlflow.tracking import MlflowClient
from numpy.typing import NDArray

from hemenet_lab.metrics import bootstrap
from hemenet_lab.tracking import Result, Tracker, results_csv

METRICS = {1: ("rmse", "mae")}
"""By width of the prediction; (fmax,) for all others."""


@dataclass
class Scored:
    """Predictions of one task: everything has one line per labelled test item."""

    prediction: NDArray[Any]
    target: NDArray[Any]
    cluster: NDArray[Any] | None = None
    level: str = "complex"
    constant: float | None = 2.5
    first_item: int = 0

    def arrays(self, task: str) -> dict[str, NDArray[Any]]:
        n = len(self.target)
        cluster = np.arange(n) if self.cluster is None else self.cluster
        entries = [f"e{self.first_item + number:03d}" for number in range(n)]
        return {
            f"{task}/prediction": columns(self.prediction).astype(np.float32),
            f"{task}/target": columns(self.target).astype(np.float32),
            f"{task}/entry": np.array(entries, np.str_),
            f"{task}/chain": np.array(["" if self.level == "complex" else "A"] * n, np.str_),
            f"{task}/cluster": np.asarray(cluster, np.int64),
        }

    def results(self, task: str) -> list[Result]:
        if not len(self.target):
            return [Result(task, "-", None, None, None, 0, None)]
        made = self.arrays(task)
        prediction, target = made[f"{task}/prediction"], made[f"{task}/target"]
        lines = []
        for metric in METRICS.get(target.shape[1], ("fmax",)):
            value = bootstrap(metric, prediction, target, resamples=0).value
            lines.append(Result(task, metric, value, None, None, len(target), self.constant))
        return lines


def columns(values: Any) -> NDArray[Any]:
    array = np.asarray(values, dtype=float)
    return array[:, None] if array.ndim == 1 else array


@dataclass
class FakeRuns:
    """A tracking database in a folder."""

    folder: Path
    client: MlflowClient = field(init=False)
    experiment: str = field(init=False)

    def __post_init__(self) -> None:
        self.client = MlflowClient(f"sqlite:///{self.folder / 'mlruns.db'}")
        place = (self.folder / "artifacts").as_uri()
        self.experiment = self.client.create_experiment("fake", artifact_location=place)

    def add(
        self,
        axes: Mapping[str, str],
        seed: int = 0,
        tested: Mapping[str, Scored] | None = None,
        *,
        grid: str = "table1",
        tags: Mapping[str, str] | None = None,
        history: Mapping[str, list[float]] | None = None,
        metrics: Mapping[str, float] | None = None,
        config: Mapping[str, Any] | None = None,
        status: str = "FINISHED",
    ) -> str:
        """Writes a run and returns its id; an unfinished one unless ``tested`` is given."""
        tested = tested or {}
        words = {f"axis.{name}": choice for name, choice in axes.items()}
        name = "-".join([*axes.values(), f"seed{seed}"])
        all_tags = {
            "benchmark_grid": grid,
            "benchmark_identity": json.dumps([dict(axes), seed]),
            "seed": str(seed),
            "store_hash": "5" * 64,
            "synthetic_data": "False",
            "benchmark_settings": "",
            "git_revision": "0" * 40,
            **words,
            **({"completed": "true"} if tested else {}),
            **(tags or {}),
        }
        run = self.client.create_run(self.experiment, tags=all_tags, run_name=name)
        run_id: str = run.info.run_id
        self._log(run_id, tested, history or {}, metrics or {})
        if tested:
            settings = {"seed_everything": seed, "data": {"root": "demo"}, **(config or {})}
            self._artifacts(run_id, tested, settings)
        if status != "RUNNING":
            self.client.set_terminated(run_id, status)
        return run_id

    def _log(
        self,
        run_id: str,
        tested: Mapping[str, Scored],
        history: Mapping[str, list[float]],
        metrics: Mapping[str, float],
    ) -> None:
        values = dict(metrics)
        for task, rows in tested.items():
            values[f"test/{task}/n"] = len(rows.target)
        batch = [Metric(name, value, 0, 0) for name, value in values.items()]
        for name, points in history.items():
            for epoch, value in enumerate(points):
                batch.append(Metric(name, value, 0, 10 * epoch))
                batch.append(Metric("epoch", epoch, 0, 10 * epoch))
        self.client.log_batch(run_id, batch)

    def _artifacts(
        self, run_id: str, tested: Mapping[str, Scored], config: Mapping[str, Any]
    ) -> None:
        lines = [line for task, rows in tested.items() for line in rows.results(task)]
        arrays = {
            key: value
            for task, rows in tested.items()
            if len(rows.target)
            for key, value in rows.arrays(task).items()
        }
        self.client.log_text(run_id, results_csv(lines), "results.csv")
        self.client.log_text(run_id, yaml.safe_dump(dict(config)), "config.yaml")
        with TemporaryDirectory() as folder:
            path = Path(folder) / "test_predictions.npz"
            np.savez(path, **arrays)  # type: ignore[arg-type]  # numpy's stub
            self.client.log_artifact(run_id, str(path))


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow takes seconds to make one."""
    folder = tmp_path_factory.mktemp("empty")
    Tracker(folder=str(folder))
    return folder / "mlruns.db"


@pytest.fixture
def fake_runs(tmp_path: Path, empty_database: Path) -> FakeRuns:
    """An empty tracking database to write finished runs into."""
    folder = tmp_path / "fake"
    folder.mkdir()
    shutil.copy(empty_database, folder)
    return FakeRuns(folder)
