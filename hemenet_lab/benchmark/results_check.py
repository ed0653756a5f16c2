"""Refuses runs that do not belong into one table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import yaml

from hemenet_lab.benchmark.identity import VOLATILE
from hemenet_lab.benchmark.results_artifacts import Predictions

SEEDS = ("seed_everything", "data.seed", "steps.seed")
IGNORED = (*SEEDS, *VOLATILE)
"""Settings in which the seeds of one configuration may differ: none of them decides what it is."""


class Recorded(Protocol):
    """What is looked at of a run."""

    @property
    def id(self) -> str: ...

    @property
    def name(self) -> str: ...

    @property
    def choices(self) -> dict[str, str]: ...

    @property
    def seed(self) -> int | None: ...

    @property
    def store_hash(self) -> str: ...

    @property
    def settings(self) -> str: ...

    @property
    def config(self) -> str: ...


def require_alike(grid: str, runs: Sequence[Recorded]) -> None:
    """Refuses finished runs of one grid that cannot be compared.

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
    by_place: dict[tuple[Any, ...], list[Recorded]] = {}
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
    by_row: dict[tuple[Any, ...], Recorded] = {}
    for run in runs:
        first = by_row.setdefault(tuple(sorted(run.choices.items())), run)
        changed = differing_settings(first.config, run.config)
        if changed:
            raise ValueError(
                f"runs {first.name} ({first.id}) and {run.name} ({run.id}) of grid {grid!r} are "
                f"seeds of one configuration but differ in {', '.join(changed[:5])}; delete the "
                "outdated ones and start them again"
            )


def _shown(run: Recorded) -> str:
    return (
        f"{', '.join(f'{axis}={choice}' for axis, choice in run.choices.items())}, seed {run.seed}"
    )


def _require_one(
    runs: Sequence[Recorded], key: Callable[[Recorded], str], problem: str, advice: str
) -> None:
    found: dict[str, list[Recorded]] = {}
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
    """Whether two runs were tested on the same labelled items of a task, in the same order.

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
