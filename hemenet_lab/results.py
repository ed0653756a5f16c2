"""The table at the end of a test: metrics with interval, n and the constant predictor's value."""

from __future__ import annotations

from lightning.pytorch import Callback, LightningModule, Trainer
from rich.console import Console
from rich.table import Table

from hemenet_lab.evaluation import TaskEvaluation
from hemenet_lab.metrics import METRICS, bootstrap
from hemenet_lab.module import MultiTaskModule
from hemenet_lab.predictions import labelled_predictions
from hemenet_lab.tasks import Task
from hemenet_lab.tracking import Artifact, Result, Tag, results_csv, tracker_of


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
    """Prints the table after every test; keeps it and the predictions as artifacts of the run."""

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
        Console().print(render(results, synthetic=bool(data.store.manifest.get("synthetic"))))
        tracker = tracker_of(trainer)
        if tracker is not None:
            tracker.log_text(results_csv(results), Artifact.RESULTS)
            tracker.log_arrays(predictions, Artifact.PREDICTIONS)
            tracker.set_tags({Tag.COMPLETED: "true"})


def render(results: list[Result], synthetic: bool = False) -> Table:
    """The table for a terminal."""
    title = "Test results" + (" (SYNTHETIC demo data)" if synthetic else "")
    table = Table(title=title, caption="interval: 95 % bootstrap over the n labelled items")
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
