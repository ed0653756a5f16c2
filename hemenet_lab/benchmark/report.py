"""The report of a grid: all its results on one page that needs nothing but a browser."""

from __future__ import annotations

import platform
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import yaml
from markupsafe import Markup

from hemenet_lab.basics import usable_cores
from hemenet_lab.benchmark.figures import Drawing, draw_figures, svg
from hemenet_lab.benchmark.render import render_page
from hemenet_lab.benchmark.results import SYNTHETIC, GridResults
from hemenet_lab.benchmark.tables import (
    CellText,
    ResultTable,
    Scores,
    Sheet,
    details,
    leads,
    note_lines,
    overview,
    remarks,
    rule,
)
from hemenet_lab.calibration import TermCalibration, ValueCalibration
from hemenet_lab.protein_mt.demo import demo_stores
from hemenet_lab.store import SPLIT_NAMES, Store, StoreError, cache_folder
from hemenet_lab.tracking import Artifact, RecordedRun, Tag

DEMO = "demo"
"""Name under which the demo is installed as a store."""
UI = "http://127.0.0.1:5000"
"""Address where ``mlflow ui`` answers unless told otherwise."""
PACKAGES = (
    "hemenet-lab",
    "torch",
    "lightning",
    "torch-geometric",
    "torchmetrics",
    "mlflow",
    "numpy",
)
_PIXELS = 96
"""Per inch."""
_TALL = 40
"""Rows above which a table scrolls in its box."""
_NARROWEST = 640
"""Pixels below which a wide figure scrolls in its box instead of shrinking."""


def report_page(table: ResultTable, scores: Scores) -> str:
    """The page, as HTML.

    It holds the tables (they sort and filter), all figures, the command of each run, counts and
    drops of the data, versions, and links into MLflow. Nothing is loaded from elsewhere.

    Args:
        table: The table of a grid.
        scores: Resampled scores of its runs.
    """
    results = table.results
    every = (*results.runs, *results.unfinished, *results.superseded)
    experiments = {run.id: run.experiment_id for run in every}
    sheets, line = _data_sheets(results)
    return render_page(
        grid=results.grid,
        written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        synthetic=SYNTHETIC if results.synthetic else "",
        remarks=[line for line in remarks(table) if line != SYNTHETIC],
        overview=overview(table),
        leads=leads(table),
        rule=rule(table),
        details=[details(table, task) for task in table.tasks],
        figures=[_page_figure(drawing) for drawing in draw_figures(table, scores)],
        calibration=_calibration_sheet(results),
        notes=note_lines(table),
        runs=_run_sheet(results),
        address=lambda run_id: f"{UI}/#/experiments/{experiments[run_id]}/runs/{run_id}",
        commands=_commands(results),
        data=sheets,
        store_line=line,
        environment=_environment_sheet(results),
        mlflow=f"mlflow ui --backend-store-uri {shlex.quote(results.uri)}",
        ui=UI,
        tall=_TALL,
    )


@dataclass(frozen=True)
class _PageFigure:
    """A figure inside the page."""

    title: str
    caption: str
    svg: Markup
    narrowest: int
    """Pixels."""
    widest: int


def _page_figure(drawing: Drawing) -> _PageFigure:
    width = int(drawing.figure.get_figwidth() * _PIXELS)
    return _PageFigure(
        title=drawing.title,
        caption=drawing.caption,
        svg=Markup(svg(drawing)),
        narrowest=min(width, _NARROWEST),
        widest=round(1.5 * width),
    )


def _data_sheets(results: GridResults) -> tuple[list[Sheet], str]:
    """Counts and drops of the runs' store, and one line on the store.

    The tables are empty if the store is not on this machine any more, or has changed; the line says
    so.
    """
    settings = (yaml.safe_load(results.runs[0].config) or {}).get("data", {})
    root, split = str(settings.get("root", DEMO)), str(settings.get("split", "default"))
    wanted = results.store_hash
    try:
        store = _store(root, wanted)
    except (StoreError, OSError) as error:
        return [], f"Store {wanted[:12]} ({root}) cannot be read here: {error}"
    if store.hash != wanted:
        return [], (
            f"The store at {root} has the hash {store.hash[:12]}, the runs used {wanted[:12]}: it "
            "was built again since, so its counts are not shown."
        )
    line = f"Store {root}, hash {store.hash}, split {split}."
    return [_counts(store, split), *_drops(store)], line


def _store(root: str, wanted: str) -> Store:
    """The store at a path; for the word `DEMO`, that with this hash among the demos in the cache.

    Raises:
        StoreError: There is no store.
    """
    if root != DEMO:
        return Store(Path(root))
    stores = list(_readable(demo_stores()))
    if not stores:
        raise StoreError(f"there is no demo in {cache_folder()}")
    return next((store for store in stores if store.hash == wanted), stores[-1])


def _readable(folders: Iterable[Path]) -> Iterator[Store]:
    """The stores that can be opened: a damaged one is no reason not to find another."""
    for folder in folders:
        with suppress(StoreError, OSError):
            yield Store(folder)


def _counts(store: Store, split: str) -> Sheet:
    counts, codes = store.counts(split), store.split(split)
    rows = [
        (
            CellText(part),
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
        (CellText(what), CellText(reason), _count(number))
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


def _count(number: int) -> CellText:
    return CellText(f"{number:,}", sort=number)


def _environment_sheet(results: GridResults) -> Sheet:
    """Versions and machine: as the runs recorded them, and of this report."""
    rows = [
        *(_recorded(results.runs, tag, name) for tag, name in _TAGS.items()),
        (
            CellText("this report: Python"),
            CellText(f"{platform.python_version()}, {platform.platform()}"),
        ),
        (CellText("this report: CPU cores"), CellText(str(usable_cores()))),
        *((CellText(f"this report: {name}"), CellText(_version(name))) for name in PACKAGES),
    ]
    return Sheet("Versions and machine", ("what", "value"), tuple(rows), 2)


_TAGS = {
    Tag.REVISION: "runs: code revision",
    Tag.TORCH: "runs: torch",
    Tag.DEVICES: "runs: devices",
}


def _recorded(runs: tuple[RecordedRun, ...], tag: str, name: str) -> tuple[CellText, CellText]:
    found = Counter(run.tags.get(tag, "not recorded") for run in runs)
    shown = ", ".join(f"{value} ({number} runs)" for value, number in sorted(found.items()))
    return CellText(name), CellText(shown)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _run_sheet(results: GridResults) -> Sheet:
    """Every run with its state, time and MLflow id."""
    runs = [*results.runs, *results.unfinished, *results.superseded]
    axes = list(dict.fromkeys(axis for run in runs for axis in run.choices))
    rows = [
        (
            *(CellText(run.choices.get(axis, "")) for axis in axes),
            CellText("" if run.seed is None else str(run.seed), sort=run.seed),
            CellText(_state(run, results)),
            _minutes(run),
            _metric(run, "epoch", "{:.0f}"),
            _metric(run, "train/graphs_per_second", "{:,.1f}"),
            _metric(run, "train/peak_memory_mib", "{:,.0f}"),
            _metric(run, "parameters/encoder", "{:,.0f}"),
            CellText(run.id),
        )
        for run in runs
    ]
    header = [*axes, "seed", "state", "minutes", "epochs", "structures / s", "peak memory (MiB)"]
    header += ["encoder parameters", "MLflow run"]
    return Sheet("Runs", tuple(header), tuple(rows), len(axes))


_LEVEL = 0.9
"""Probability of the intervals whose width the report shows."""


def _calibration_sheet(results: GridResults) -> Sheet:
    """What validation data say of each run's probabilities and errors; no rows without any."""
    axes = list(dict.fromkeys(axis for run in results.runs for axis in run.choices))
    rows = []
    for run in results.runs:
        first = (
            *(CellText(run.choices.get(axis, "")) for axis in axes),
            CellText("" if run.seed is None else str(run.seed), sort=run.seed),
        )
        for task, known in sorted(run.calibration.get("terms", {}).items()):
            term = TermCalibration.from_dict(known)
            errors = (term.temperature, term.ece_before, term.ece)
            numbers = (*errors, term.threshold, term.precision, term.recall, None)
            rows.append((*first, CellText(task), _count(term.n), *map(_fraction, numbers)))
        for task, known in sorted(run.calibration.get("values", {}).items()):
            value = ValueCalibration.from_dict(known)
            width = (*(None,) * 6, value.half_width(_LEVEL))
            rows.append((*first, CellText(task), _count(value.n), *map(_fraction, width)))
    header = (*axes, "seed", "task", "n", "temperature", "ECE before", "ECE", "threshold")
    header += ("precision", "recall", f"± of {_LEVEL:.0%} interval")
    caption = (
        "On n labelled validation items. ECE: expected calibration error of the probabilities, "
        "before and after the temperature, on the data that this was fitted on. Threshold: of the "
        "best F, with its precision and recall. Interval: split conformal, in the task's unit."
    )
    title = "Calibration on the validation split"
    return Sheet(title, header, tuple(rows), len(axes) + 2, caption)


def _fraction(value: float | None) -> CellText:
    return CellText("–") if value is None else CellText(f"{value:.3f}", sort=value)


def _state(run: RecordedRun, results: GridResults) -> str:
    if run in results.superseded:
        return "superseded"
    return "finished" if run.finished else f"NOT FINISHED ({run.status.lower()})"


def _minutes(run: RecordedRun) -> CellText:
    if run.seconds is None:
        return CellText("–")
    return CellText(f"{run.seconds / 60:,.1f}", sort=run.seconds / 60)


def _metric(run: RecordedRun, name: str, form: str) -> CellText:
    value: Any = run.metrics.get(name)
    return CellText("–") if value is None else CellText(form.format(value), sort=value)


def _commands(results: GridResults) -> list[str]:
    """A shell line per finished run that makes it again."""
    return [run.command or _from_config(run) for run in results.runs]


def _from_config(run: RecordedRun) -> str:
    place = run.artifacts.removeprefix("file://")
    return f"lightning fit --config {place}/{Artifact.CONFIG}"
