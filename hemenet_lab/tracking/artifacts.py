"""Files that a tested run leaves in MLflow: written and read here, and nowhere else."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar
from urllib.parse import unquote, urlparse

import numpy as np
from numpy.typing import NDArray

from hemenet_lab.basics import plain_cell, write_csv

T = TypeVar("T")


class Artifact(StrEnum):
    """Names of a run's files in MLflow."""

    CONFIG = "config.yaml"
    """The whole resolved config."""
    RESULTS = "results.csv"
    """Test results, as `results_csv` writes them."""
    PREDICTIONS = "test_predictions.npz"
    """Predictions of the labelled test items, as `read_predictions` reads them."""


@dataclass(frozen=True)
class Result:
    """One line of a run's test results; None where there is no value."""

    task: str
    metric: str
    """``-`` for a task without labelled items."""
    value: float | None
    low: float | None
    """Ends of the 95 % bootstrap interval over the labelled items."""
    high: float | None
    n: int
    """Labelled items."""
    constant: float | None
    """Value of the constant predictor (training mean or term frequencies) on the same items."""


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


def results_csv(results: Iterable[Result], note: str = "") -> str:
    """Test results as CSV with full precision; empty cells where there is no value.

    Args:
        results: Its lines.
        note: What stands in a further column ``data``, such as that they are synthetic.
    """
    text = io.StringIO()
    names = [field.name for field in fields(Result)]
    more = {"data": note} if note else {}
    write_csv(text, [*names, *more], ({**asdict(line), **more} for line in results))
    return text.getvalue()


def read_results(path: Path) -> tuple[Result, ...]:
    """Lines of a file that `results_csv` made.

    Raises:
        ValueError: Other columns, or cells that are no numbers.
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
        plain_cell(row["task"]),
        plain_cell(row["metric"]),
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


def with_artifact(client: Any, run_id: str, root: str, name: str, read: Callable[[Path], T]) -> T:
    """Call ``read`` with a local copy of an artifact, or with the file itself if it is local.

    Args:
        client: An MLflow client.
        run_id: The run.
        root: Address of the run's artifacts.
        name: One of `Artifact`.
        read: Reads the file.

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
