"""Recorded runs of a grid beside the reference methods, on the same test items, pair by pair."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from hemenet_lab.benchmark.grids import RUNS, load_grid
from hemenet_lab.benchmark.references.items import item_names
from hemenet_lab.benchmark.references.outside import read_predictions, rows_of_another
from hemenet_lab.benchmark.references.rows import (
    Predicted,
    ReferenceRow,
    best_scores,
    by_task,
    differences_text,
    reference_predictions,
    rows_csv,
    rows_less_best,
    rows_text,
    scored_rows,
)
from hemenet_lab.benchmark.results import GridResults, read_grid
from hemenet_lab.benchmark.tables import label_of, row_of, varying_axes
from hemenet_lab.store import Store, store_folder
from hemenet_lab.tracking import RecordedRun


def rows_beside(
    store: Store, references: Iterable[Predicted], results: GridResults, against: str = ""
) -> list[ReferenceRow]:
    """Scores of a grid's models on the items of the reference methods, and the best of these.

    Each configuration has a row with the mean over its seeds, and with two seeds or more one of
    the mean of their predictions (an ensemble). The interval of a difference draws whole groups of
    test items, the same for both sides, and the seeds.

    Args:
        store: The one that the runs and the references are of.
        references: Predictions of the plain methods.
        results: The grid's finished runs.
        against: Name of the method whose scores are subtracted; the best of each score if empty.

    Raises:
        ValueError: The runs are of another store, or were tested on other items.
    """
    if results.store_hash != store.hash:
        raise ValueError(
            f"the runs of grid {results.grid} are of the store {results.store_hash[:12]}, "
            f"{store.path} is {store.hash[:12]}: give the store that they learned from"
        )
    by_row: dict[tuple[tuple[str, str], ...], list[RecordedRun]] = {}
    for run in sorted(results.judged, key=lambda run: (run.seed or 0, run.id)):
        by_row.setdefault(row_of(run), []).append(run)
    axes = varying_axes(by_row)
    rows: list[ReferenceRow] = []
    for task, methods in by_task(references).items():
        best = best_scores(methods, against)
        for row, runs in by_row.items():
            mine = [run for run in runs if any(line.task == task for line in run.results)]
            if mine:
                label = label_of(row, axes)
                found = [_aligned(store, methods[0], run, task) for run in mine]
                rows += rows_less_best(f"{label}, {_seeds(len(found))}", found, best)
                if len(found) > 1:
                    mean = np.mean([each.values for each in found], axis=0)
                    one = [replace(found[0], values=mean)]
                    rows += rows_less_best(f"{label}, mean of {_seeds(len(found))}", one, best)
    return rows


def _seeds(number: int) -> str:
    return f"{number} seed" + "s" * (number > 1)


def _aligned(store: Store, like: Predicted, run: RecordedRun, task: str) -> Predicted:
    """A run's predictions in the order of a reference method's."""
    rows = run.predictions(task)
    place = {item: at for at, item in enumerate(rows.items)}
    wanted = item_names(store, like.items, like.tested)
    if place.keys() != set(wanted):
        raise ValueError(
            f"{task}: run {run.name} was tested on {len(place)} items, the plain methods on "
            f"{len(wanted)}, {len(place.keys() & set(wanted))} of them the same; give the split or "
            "the folds of the grid"
        )
    order = [place[name] for name in wanted]
    return replace(like, method=run.name, values=rows.prediction[order])


def run_baselines(
    store: str,
    split: str = "default",
    folds: int = 0,
    seed: int = 0,
    out: Path | None = None,
    grid: Path | None = None,
    folder: str = RUNS,
    predictions: Path | None = None,
    against: str = "",
) -> None:
    """Print `reference_rows` of a store, and beside them those of a grid and another program.

    Args:
        store: Folder of a store, or the name of an installed one such as ``demo``.
        split: See `reference_rows`.
        folds: See `reference_rows`.
        seed: See `reference_rows`.
        out: CSV file for the rows with all digits.
        grid: Grid file whose finished runs are judged on the same items.
        folder: Where the runs are recorded.
        predictions: Table of another program's predictions (`read_predictions`), judged on those of
            the items that it has.
        against: Name of the plain method that is subtracted from these; the best if empty.

    Raises:
        ValueError: There is no such method, or as for `rows_beside`.
    """
    opened = Store(store_folder(store))
    found = list(reference_predictions(opened, split, folds, seed))
    known = sorted({each.method for each in found})
    if against and against not in known:
        raise ValueError(f"--against {against!r}: no such plain method here; allowed: {known}")
    less = f"less {against or 'the best plain method'}"
    rows = scored_rows(found)
    chosen = f"{folds} folds of whole groups, seed {seed}" if folds else f"split {split}"
    synthetic = ", SYNTHETIC data" if opened.manifest.get("synthetic") else ""
    print(f"Store {opened.path} (hash {opened.hash[:12]}{synthetic}), {chosen}")
    print(rows_text(rows))
    print("In brackets: 95 % intervals when whole groups of test items are drawn again.")
    if grid is not None:
        results = read_grid(load_grid(grid).name, folder=folder, store=opened.hash)
        models = rows_beside(opened, found, results, against)
        rows += models
        print(f"\nModels of the grid {results.grid} on the same items")
        print(rows_text(models))
        print(f"\nModel {less}; the same groups are drawn for both, and the seeds")
        print(differences_text(models))
    if predictions is not None:
        table = read_predictions(predictions, opened)
        others, notes = rows_of_another(table, opened, found, against)
        rows += others
        print(f"\nPredictions of {predictions} on the items that it has")
        print("\n".join([rows_text(others), *notes]))
        print(f"\nThey {less} on the same items; the same groups are drawn")
        print(differences_text(others))
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(rows_csv(rows), encoding="utf-8")
