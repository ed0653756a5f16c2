"""What a report says of the data and the machine: counts, drops, versions."""

from __future__ import annotations

import os
import platform
from collections import Counter
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import yaml

from hemenet_lab.benchmark.results import GridResults, Run
from hemenet_lab.benchmark.table_sheet import Sheet, Text
from hemenet_lab.store import SPLIT_NAMES, Store, StoreError, cache_folder

PACKAGES = (
    "hemenet-lab",
    "torch",
    "lightning",
    "torch-geometric",
    "torchmetrics",
    "mlflow",
    "numpy",
)
DEMO = "demo"


def data_sheets(results: GridResults) -> tuple[list[Sheet], str]:
    """Counts and drops of the runs' store, and one line on the store.

    The tables are empty if the store is not on this machine any more, or has changed; the line says
    so.
    """
    settings = (yaml.safe_load(results.runs[0].config) or {}).get("data", {})
    root, split = str(settings.get("root", DEMO)), str(settings.get("split", "default"))
    wanted = results.store_hash
    try:
        store = Store(_place(root, wanted))
    except (StoreError, OSError) as error:
        return [], f"Store {wanted[:12]} ({root}) cannot be read here: {error}"
    if store.hash != wanted:
        return [], (
            f"The store at {root} has the hash {store.hash[:12]}, the runs used {wanted[:12]}: it "
            "was built again since, so its counts are not shown."
        )
    line = f"Store {root}, hash {store.hash}, split {split}."
    return [_counts(store, split), *_drops(store)], line


def _place(root: str, wanted: str) -> Path:
    """Folder of the store; the demo with this hash among those in the cache."""
    if root != DEMO:
        return Path(root)
    found = sorted(cache_folder().glob("demo-*/store"))
    for folder in found:
        if Store(folder).hash == wanted:
            return folder
    return found[-1] if found else cache_folder() / "demo-full" / "store"


def _counts(store: Store, split: str) -> Sheet:
    counts, codes = store.counts(split), store.split(split)
    rows = [
        (
            Text(part),
            _count(int((codes == code).sum())),
            *(_count(counts[part][task.name]) for task in store.tasks),
        )
        for code, part in enumerate(SPLIT_NAMES)
    ]
    header = ("part", "entries", *(task.name for task in store.tasks))
    caption = "Labelled items: complexes for lba and ppa, chains for the others."
    return Sheet("Labelled items per part of the split", header, tuple(rows), 1, caption)


def _drops(store: Store) -> list[Sheet]:
    rows = [
        (Text(what), Text(reason), _count(number))
        for what, reasons in sorted(store.manifest.get("drops", {}).items())
        for reason, number in sorted((reasons or {}).items())
    ]
    if not rows:
        return []
    caption = f"Each is named in {store.path / 'drops.csv'}."
    return [
        Sheet(
            "Left out when the store was built",
            ("what", "reason", "count"),
            tuple(rows),
            2,
            caption,
        )
    ]


def _count(number: int) -> Text:
    return Text(f"{number:,}", sort=number)


def environment(results: GridResults) -> Sheet:
    """Versions and machine: as the runs recorded them, and of this report."""
    rows = [
        *(_recorded(results.runs, tag, name) for tag, name in _TAGS.items()),
        (Text("this report: Python"), Text(f"{platform.python_version()}, {platform.platform()}")),
        (Text("this report: CPU cores"), Text(str(os.cpu_count()))),
        *((Text(f"this report: {name}"), Text(_version(name))) for name in PACKAGES),
    ]
    return Sheet("Versions and machine", ("what", "value"), tuple(rows), 2)


_TAGS = {
    "git_revision": "runs: code revision",
    "torch": "runs: torch",
    "devices": "runs: devices",
}


def _recorded(runs: tuple[Run, ...], tag: str, name: str) -> tuple[Text, Text]:
    found = Counter(run.tags.get(tag, "not recorded") for run in runs)
    shown = ", ".join(f"{value} ({number} runs)" for value, number in sorted(found.items()))
    return Text(name), Text(shown)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def run_sheet(results: GridResults) -> Sheet:
    """Every run with its state, time and MLflow id."""
    runs = [*results.runs, *results.unfinished, *results.superseded]
    axes = list(dict.fromkeys(axis for run in runs for axis in run.choices))
    rows = [
        (
            *(Text(run.choices.get(axis, "")) for axis in axes),
            Text("" if run.seed is None else str(run.seed), sort=run.seed),
            Text(_state(run, results)),
            _minutes(run),
            _metric(run, "epoch", "{:.0f}"),
            _metric(run, "train/graphs_per_second", "{:,.1f}"),
            _metric(run, "train/peak_memory_mib", "{:,.0f}"),
            _metric(run, "parameters/encoder", "{:,.0f}"),
            Text(run.id),
        )
        for run in runs
    ]
    header = [*axes, "seed", "state", "minutes", "epochs", "structures / s", "peak memory (MiB)"]
    header += ["encoder parameters", "MLflow run"]
    return Sheet("Runs", tuple(header), tuple(rows), len(axes))


def _state(run: Run, results: GridResults) -> str:
    if run in results.superseded:
        return "superseded"
    return "finished" if run.finished else f"NOT FINISHED ({run.status.lower()})"


def _minutes(run: Run) -> Text:
    return Text("–") if run.minutes is None else Text(f"{run.minutes:,.1f}", sort=run.minutes)


def _metric(run: Run, name: str, form: str) -> Text:
    value: Any = run.metrics.get(name)
    return Text("–") if value is None else Text(form.format(value), sort=value)


def commands(results: GridResults) -> list[str]:
    """A shell line per finished run that makes it again."""
    return [run.command or _from_config(run) for run in results.runs]


def _from_config(run: Run) -> str:
    place = run.artifacts.removeprefix("file://")
    return f"lightning fit --config {place}/config.yaml"
