"""What a finished run leaves in MLflow beside its metrics: read back into plain objects."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar
from urllib.parse import unquote, urlparse

import numpy as np
from numpy.typing import NDArray

from hemenet_lab.training import Result

RESULTS = "results.csv"
PREDICTIONS = "test_predictions.npz"
CONFIG = "config.yaml"
T = TypeVar("T")


@dataclass(frozen=True)
class Predictions:
    """Predictions of one run for the labelled test items of one task."""

    prediction: NDArray[np.float64]
    """[n, out]"""
    target: NDArray[np.float64]
    """[n, out]"""
    items: tuple[tuple[str, str], ...]
    """(entry, chain) of each item; no chain at the complex level."""
    cluster: NDArray[np.int64]
    """[n], -1 where unknown."""


def with_artifact(client: Any, run_id: str, root: str, name: str, read: Callable[[Path], T]) -> T:
    """Calls ``read`` with a local copy of an artifact, or with the file itself if it is local.

    Raises:
        ValueError: The run has no such artifact.
    """
    problem = f"run {run_id} is marked as completed but has no readable {name}"
    advice = f"delete it (mlflow runs delete --run-id {run_id}) and run its grid again"
    parsed = urlparse(root)
    if parsed.scheme in ("", "file"):
        path = Path(unquote(parsed.path)) / name
        if not path.is_file():
            raise ValueError(f"{problem} ({path} is missing); {advice}")
        return read(path)
    with TemporaryDirectory() as folder:
        try:
            path = Path(client.download_artifacts(run_id, name, folder))
        except Exception as error:
            raise ValueError(f"{problem} ({error}); {advice}") from error
        return read(path)


def read_results(path: Path) -> tuple[Result, ...]:
    """Lines of ``results.csv``.

    Raises:
        ValueError: Columns or numbers that are not those of `hemenet_lab.training.results`.
    """
    text = path.read_text(encoding="utf-8")
    try:
        return tuple(_result(row) for row in csv.DictReader(io.StringIO(text)))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is not a table of test results ({error!r})") from error


def _result(row: dict[str, str]) -> Result:
    def number(name: str) -> float | None:
        return float(row[name]) if row[name] != "" else None

    return Result(
        row["task"],
        row["metric"],
        number("value"),
        number("low"),
        number("high"),
        int(row["n"]),
        number("constant"),
    )


def read_predictions(path: Path, task: str) -> Predictions:
    """Predictions of one task.

    Raises:
        ValueError: The file holds none for this task, or arrays of different lengths.
    """
    with np.load(path) as arrays:
        names = ("prediction", "target", "entry", "chain", "cluster")
        missing = [name for name in names if f"{task}/{name}" not in arrays]
        if missing:
            raise ValueError(f"{path} has no {', '.join(missing)} of task {task}")
        prediction, target, entry, chain, cluster = (arrays[f"{task}/{name}"] for name in names)
    if not len(prediction) == len(target) == len(entry) == len(chain) == len(cluster):
        raise ValueError(f"{path}: arrays of task {task} have different lengths")
    return Predictions(
        prediction.astype(np.float64),
        target.astype(np.float64),
        tuple(zip(entry.tolist(), chain.tolist(), strict=True)),
        cluster.astype(np.int64),
    )


def number_or_none(text: str) -> float | None:
    """The number that ``text`` spells; None for any other text."""
    with suppress(ValueError):
        return float(text)
    return None
