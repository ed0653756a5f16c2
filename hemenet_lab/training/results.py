"""Results of a test: the final table, and predictions kept so that runs can be compared."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from lightning.pytorch import Callback, LightningModule, Trainer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from hemenet_lab.metrics import METRICS, bootstrap
from hemenet_lab.model import SYNTHETIC_DATA, MultiTaskModule, TaskEvaluation
from hemenet_lab.store import Store
from hemenet_lab.tasks import PROTEIN_MT, Task
from hemenet_lab.tracking import Artifact, Result, Tag, results_csv, tracker_of
from hemenet_lab.training.files import write_whole
from hemenet_lab.training.record import run_folder

UNKNOWN_CLUSTER = -1


def labelled_predictions(module: MultiTaskModule, store: Store) -> dict[str, NDArray[Any]]:
    """Predictions of the labelled test items, in the order of the store.

    Returns:
        For every task with labelled items: ``<task>/prediction`` and ``<task>/target`` [m, out],
        ``<task>/entry`` and ``<task>/chain`` (ids, [m]; no chain at the complex level) and
        ``<task>/cluster`` [m], the sequence cluster of the chain, or the group of entries that the
        splits keep together for a complex; -1 where the store does not tell.
    """
    chain_cluster, entry_group = _clusters(store.path)
    arrays: dict[str, NDArray[Any]] = {}
    for task in module.tasks:
        rows = module.evaluation("test", task.name).rows
        assert rows is not None
        prediction, target, items = (part.numpy() for part in rows.gathered())
        if not len(items):
            continue
        entries = [store.ids[index] for index in items[:, 0]]
        chains = [
            store[entry].chain_names[chain] if chain >= 0 else "" for entry, chain in items.tolist()
        ]
        clusters = [
            chain_cluster.get((entry, chain), UNKNOWN_CLUSTER)
            if chain
            else entry_group.get(entry, UNKNOWN_CLUSTER)
            for entry, chain in zip(entries, chains, strict=True)
        ]
        arrays |= {
            f"{task.name}/prediction": prediction,
            f"{task.name}/target": target,
            f"{task.name}/entry": np.array(entries, np.str_),
            f"{task.name}/chain": np.array(chains, np.str_),
            f"{task.name}/cluster": np.array(clusters, np.int64),
        }
    return arrays


def _clusters(store: Path) -> tuple[dict[tuple[str, str], int], dict[str, int]]:
    """Cluster by (entry, chain), and group by entry, as far as the store tells."""
    chains = {
        (row["id"], row["chain"]): int(row["cluster"] or UNKNOWN_CLUSTER)
        for row in _rows(store / "chains.csv")
    }
    groups = {
        row["id"]: int(row["group"] or UNKNOWN_CLUSTER) for row in _rows(store / "entries.csv")
    }
    return chains, groups


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def task_results(task: Task, evaluation: TaskEvaluation | None, seed: int = 0) -> list[Result]:
    """Lines of one task; a single line with n = 0 for a task without labelled items."""
    scores = evaluation.scores() if evaluation is not None else {}
    if evaluation is None or evaluation.rows is None or not any(s.n for s in scores.values()):
        return [Result(task.name, "-", None, None, None, 0, None)]
    predictions, targets, _ = (part.numpy() for part in evaluation.rows.gathered())
    constants = evaluation.constant_scores()
    results = []
    for name, score in scores.items():
        low = high = None
        if score.value is not None and METRICS[name].has_interval:
            interval = bootstrap(name, predictions, targets, seed=seed)
            low, high = interval.low, interval.high
        constant = constants[name].value if name in constants else None
        results.append(Result(task.name, name, score.value, low, high, score.n, constant))
    return results


class ResultsTable(Callback):
    """Prints the table after every test; keeps it and the predictions in the run's folder.

    They are artifacts of the run in MLflow as well, where that is used.
    """

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, MultiTaskModule)
        predicted = {task.name for task in pl_module.tasks}
        data = trainer.datamodule  # type: ignore[attr-defined]  # set while running
        results = [
            line
            for task in data.tasks
            for line in task_results(
                task, pl_module.evaluation("test", task.name) if task.name in predicted else None
            )
        ]
        predictions = labelled_predictions(pl_module, data.store)
        if not trainer.is_global_zero:
            return
        synthetic = bool(data.store.manifest.get("synthetic"))
        Console().print(render(results, synthetic))
        text = results_csv(results, SYNTHETIC_DATA if synthetic else "")
        stream = io.BytesIO()
        np.savez_compressed(stream, **predictions)  # type: ignore[arg-type]  # numpy's stub
        tracker = tracker_of(trainer)
        names = [str(Artifact.PREDICTIONS), str(Artifact.RESULTS)]
        if tracker is not None:
            names = [tracker.own_name(name) for name in names]
        write_whole(run_folder(trainer) / names[0], stream.getvalue())
        write_whole(run_folder(trainer) / names[1], text.encode())
        if tracker is not None:
            tracker.log_text(text, names[1])
            tracker.log_arrays(predictions, names[0])
            if not tracker.joined:
                tracker.set_tags({Tag.OWN_TASKS: _own_tasks(data.tasks), Tag.COMPLETED: "true"})


def _own_tasks(tasks: Iterable[Task]) -> str:
    """Title and unit of each task that is none of the benchmark's, as JSON."""
    known = {task.name for task in PROTEIN_MT}
    own = {task.name: (task.title, task.unit) for task in tasks if task.name not in known}
    return json.dumps(own, ensure_ascii=False)


def render(results: list[Result], synthetic: bool = False) -> Table:
    """The table for a terminal."""
    title = "Test results" + (f" ({SYNTHETIC_DATA})" if synthetic else "")
    caption = "interval: 95 % bootstrap over the n labelled items"
    table = Table(title=title, caption=caption, min_width=len(caption) + 2)  # neither is wrapped
    for name in ("task", "metric"):
        table.add_column(name)
    for name in ("value", "interval", "n", "constant predictor"):
        table.add_column(name, justify="right")
    for line in results:
        interval = "" if line.low is None else f"{line.low:.3f} to {line.high:.3f}"
        numbers = (_number(line.value), interval, str(line.n), _number(line.constant))
        table.add_row(line.task, line.metric, *numbers)
    return table


def _number(value: float | None) -> str:
    return "absent" if value is None else f"{value:.3f}"
