"""The finished runs of a grid: the one source of tables, figures and reports.

Runs that do not belong into one table are refused (`require_alike`, `same_items`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from hemenet_lab.benchmark.results.folds import pool_folds
from hemenet_lab.tasks import PROTEIN_MT
from hemenet_lab.tracking import VOLATILE, Predictions, RecordedRun, RunDatabase, Tag

SEEDS = ("seed_everything", "data.seed", "steps.seed")
IGNORED = (*SEEDS, *VOLATILE)
"""Settings in which the seeds of one configuration may differ: none of them decides what it is."""


@dataclass(frozen=True)
class GridResults:
    """Runs of a grid: the finished ones, and those that are not, each listed."""

    grid: str
    uri: str
    """Address of the MLflow database."""
    runs: tuple[RecordedRun, ...]
    """Finished; one per place of the table and seed, the latest."""
    unfinished: tuple[RecordedRun, ...]
    superseded: tuple[RecordedRun, ...]
    """Another run with the same axes, seed and settings finished later, or instead."""
    planned: int | None = None
    """Runs that the grid expands to, where known."""

    @cached_property
    def judged(self) -> tuple[RecordedRun, ...]:
        """The finished runs as tables take them: folds of one configuration and seed are one."""
        return tuple(self._pooled[0])

    @property
    def lacking(self) -> tuple[str, ...]:
        """A line for each configuration and seed that is left out for want of a fold."""
        return tuple(self._pooled[1])

    @cached_property
    def _pooled(self) -> tuple[list[RecordedRun], list[str]]:
        return pool_folds(self.runs)

    @property
    def synthetic(self) -> bool:
        """True if the data were made by a program."""
        return any(run.synthetic for run in self.runs)

    @cached_property
    def words(self) -> dict[str, tuple[str, str]]:
        """Title and unit of each task: the benchmark's, and own ones as the runs tell."""
        found = {task.name: (task.title, task.unit) for task in PROTEIN_MT}
        for run in self.runs:
            found |= run.own_tasks
        return found

    def unit(self, task: str) -> str:
        """Unit of a task; empty where it has none or nobody tells."""
        return self.words.get(task, ("", ""))[1]

    @property
    def store_hash(self) -> str:
        """Hash of the one store of all runs."""
        return self.runs[0].store_hash


def read_grid(
    grid: str,
    *,
    folder: str | Path = "runs",
    tracking_uri: str | None = None,
    identities: Collection[str] | None = None,
    store: str | None = None,
) -> GridResults:
    """Read the runs of a grid.

    Args:
        grid: Name of the grid.
        folder: Folder of ``mlruns.db``.
        tracking_uri: Address of another database or a server; the environment variable
            MLFLOW_TRACKING_URI counts as well.
        identities: Identities of the runs that the grid expands to: only these are read, and those
            that have not begun are counted.
        store: First characters of a store's hash: only runs on this store.

    Raises:
        ValueError: No database, no finished run, a finished run without seed or axes, or finished
            runs that cannot be compared (`require_alike`).
    """
    database = RunDatabase.open(folder, tracking_uri)
    found = database.of_grid(grid)
    for run in found:
        _require_place(run)
    if identities is not None:
        found = [run for run in found if run.identity in identities]
    finished: dict[tuple[Any, ...], RecordedRun] = {}
    unfinished, superseded = [], []
    for run in found:
        if not run.finished:
            unfinished.append(run)
        elif store is None or run.store_hash.startswith(store):
            key = (*sorted(run.choices.items()), run.store_hash, run.settings, run.seed)
            superseded += [finished[key]] if key in finished else []
            finished[key] = run
    runs = tuple(finished.values())
    superseded += [run for run in unfinished if _made_anew(run, runs)]
    unfinished = [run for run in unfinished if run not in superseded]
    if not runs:
        raise ValueError(_nothing_finished(grid, database.uri, unfinished, store))
    require_alike(grid, runs)
    planned = None if identities is None else len(set(identities))
    return GridResults(grid, database.uri, runs, tuple(unfinished), tuple(superseded), planned)


def _require_place(run: RecordedRun) -> None:
    """Refuse a tested run without the tags that give it a place in the table."""
    if run.tags.get(Tag.COMPLETED) == "true" and (run.seed is None or not run.choices):
        lacking = f"tag {Tag.SEED}" if run.choices else f"tags {Tag.AXIS}<name>"
        raise ValueError(
            f"run {run.id} belongs to grid {run.grid!r} but has no {lacking}; delete it or give it "
            "these tags"
        )


def _made_anew(run: RecordedRun, finished: Sequence[RecordedRun]) -> bool:
    """Return whether a run that was cut off without a checkpoint was finished as another one."""
    if not run.identity:  # cut off before it was written
        return run.name in {other.name for other in finished}
    return run.identity in {other.identity for other in finished}


def _nothing_finished(
    grid: str, uri: str, unfinished: Sequence[RecordedRun], store: str | None
) -> str:
    states = ", ".join(f"{run.name} ({run.status.lower()})" for run in unfinished[:5])
    return (
        f"grid {grid!r} has no finished run in {uri}; {len(unfinished)} unfinished"
        + (f": {states}" if states else "")
        + ("" if store is None else f"; only stores {store}… were asked for")
        + f". Start it with `hemenet benchmark run experiments/{grid}.yaml`"
    )


# --- runs that belong together --------------------------------------------------------------------


def require_alike(grid: str, runs: Sequence[RecordedRun]) -> None:
    """Refuse finished runs of one grid that cannot be compared.

    Raises:
        ValueError: The runs are on different stores, two of them are for the same place of the
            table but were started with different settings, or the seeds of one configuration
            differ in more than their seed.
    """
    _require_one(
        runs,
        lambda run: run.store_hash[:12],
        f"runs of grid {grid!r} are on different stores, which cannot be compared",
        "choose one by the first characters of its hash, or run the grid again on one store",
    )
    by_place: dict[tuple[Any, ...], list[RecordedRun]] = {}
    for run in runs:
        place = (*sorted(run.choices.items()), run.seed)
        by_place.setdefault(place, []).append(run)
    for same in by_place.values():
        _require_one(
            same,
            lambda run: run.settings or "none",
            f"grid {grid!r} was run with different further settings for {_shown(same[0])}",
            "choose with the --config and --set words of `run` (--seeds for none), or delete the "
            "runs that are not wanted",
        )
    by_row: dict[tuple[Any, ...], RecordedRun] = {}
    for run in runs:
        first = by_row.setdefault(tuple(sorted(run.choices.items())), run)
        changed = differing_settings(first.config, run.config)
        if changed:
            raise ValueError(
                f"runs {first.name} ({first.id}) and {run.name} ({run.id}) of grid {grid!r} are "
                f"seeds of one configuration but differ in {', '.join(changed[:5])}; delete the "
                "outdated ones and start them again"
            )


def _shown(run: RecordedRun) -> str:
    return (
        f"{', '.join(f'{axis}={choice}' for axis, choice in run.choices.items())}, seed {run.seed}"
    )


def _require_one(
    runs: Sequence[RecordedRun], key: Callable[[RecordedRun], str], problem: str, advice: str
) -> None:
    found: dict[str, list[RecordedRun]] = {}
    for run in runs:
        found.setdefault(key(run), []).append(run)
    if len(found) > 1:
        each = ", ".join(
            f"{name} ({len(some)} runs, such as {some[0].name})"
            for name, some in sorted(found.items())
        )
        raise ValueError(f"{problem}: {each}; {advice}")


def differing_settings(first: str, second: str) -> list[str]:
    """Dotted names of settings in which two configs (YAML) differ, those of `IGNORED` aside."""
    if first == second:
        return []
    values = [dict(_flat(yaml.load(text, _Loader) or {})) for text in (first, second)]
    names = sorted(set(values[0]) | set(values[1]))
    return [
        name
        for name in names
        if values[0].get(name) != values[1].get(name)
        and not any(name == known or name.startswith(f"{known}.") for known in IGNORED)
    ]


_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _flat(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in settings.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def same_items(task: str, first: tuple[str, Predictions], other: tuple[str, Predictions]) -> bool:
    """Return whether two runs were tested on the same labelled items of a task, in one order.

    Args:
        task: Name of the task.
        first: Name of a run, and its predictions.
        other: Those of another run.

    Raises:
        ValueError: The runs have different labels for an item that both have, or different terms.
    """
    (name, one), (other_name, two) = first, other
    if one.target.shape[1:] != two.target.shape[1:]:
        raise ValueError(
            f"task {task}: run {name} predicts {one.target.shape[1]} terms, run {other_name} "
            f"{two.target.shape[1]}; runs with different terms cannot be compared"
        )
    labels = dict(zip(one.items, one.target, strict=True))
    for item, target in zip(two.items, two.target, strict=True):
        if item in labels and not np.array_equal(labels[item], target):
            raise ValueError(
                f"task {task}: runs {name} and {other_name} have different labels for "
                f"{'-'.join(filter(None, item))}; run the grid again on one store"
            )
    return one.items == two.items
