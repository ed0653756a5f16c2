"""The actions of `hemenet benchmark` as functions: plain arguments in, text or paths out.

Importing this is cheap: what an action needs is imported when it is called.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import yaml

from hemenet_lab.benchmark.grids import GridOptions, Resolve, load_grid

if TYPE_CHECKING:
    from hemenet_lab.benchmark.results import GridResults

Launcher = Literal["local", "slurm"]
Style = Literal["markdown", "latex", "csv"]
NOTHING_MORE = GridOptions()
INTERRUPTED = 130
"""Exit status after Ctrl-C or another signal to end."""


def grid_commands(grid: Path, options: GridOptions = NOTHING_MORE) -> list[str]:
    """The shell command of each run of a grid; their paths hold from the current folder.

    Args:
        grid: The grid file, such as ``experiments/table1.yaml``.
        options: What is added to it.
    """
    return [run.command() for run in load_grid(grid).runs(options)]


def further_commands(grid: Path) -> dict[str, str]:
    """The commands of a grid's rows that are no fits, by name of the row."""
    return dict(load_grid(grid).further)


def run_grid(
    grid: Path,
    options: GridOptions = NOTHING_MORE,
    *,
    resolve: Resolve,
    launcher: Launcher = "local",
    max_parallel: int | None = None,
    slurm: Sequence[str] = (),
    say: Callable[[str], None] = print,
) -> int:
    """Run what is not finished of a grid; what was cut off goes on from its last checkpoint.

    May be ended and started again at any time.

    Args:
        grid: The grid file.
        options: What is added to it.
        resolve: Reads the config of a command.
        launcher: ``local``, or ``slurm`` for jobs of a cluster.
        max_parallel: Runs at a time; by default one per GPU, or one, and with ``slurm`` as many as
            the cluster gives.
        slurm: Parameters of the jobs as submitit names them, ``timeout_min=600``.
        say: Takes each line of progress.

    Returns:
        0 if all are finished, 1 if some failed, 130 if it was interrupted.
    """
    from hemenet_lab.benchmark.grids import Identities
    from hemenet_lab.benchmark.launch import Launch, launch_grid

    launch = Launch(launcher=launcher, parallel=max_parallel, slurm=_job_parameters(slurm), say=say)
    try:
        return launch_grid(load_grid(grid), options, Identities(resolve), launch)
    except KeyboardInterrupt:
        say("Interrupted; start the same command again to go on.")
        return INTERRUPTED


def grid_status(grid: Path, options: GridOptions = NOTHING_MORE, *, resolve: Resolve) -> list[str]:
    """One line per run of a grid that says how far it is, then one about all.

    Args:
        grid: The grid file.
        options: What is added to it.
        resolve: Reads the config of a command.
    """
    from hemenet_lab.benchmark.grids import Identities
    from hemenet_lab.benchmark.launch import lines, run_statuses, tracker_settings
    from hemenet_lab.tracking import RunDatabase

    runs, identities = load_grid(grid).runs(options), Identities(resolve)
    database = RunDatabase.make(tracker_settings(runs, identities))
    return list(lines(run_statuses(runs, identities, database), identities, database.folder))


def grid_table(
    grid: Path,
    options: GridOptions = NOTHING_MORE,
    *,
    resolve: Resolve,
    store: str | None = None,
    style: Style = "markdown",
) -> str:
    """The results of a grid's finished runs beside the paper's numbers.

    Without further settings the runs are found by the grid's name; with them, they are exactly
    those that `run_grid` would make with them.

    Args:
        grid: The grid file.
        options: What is added to it.
        resolve: Reads the config of a command; called only where settings are added.
        store: First characters of the store's hash, to choose among several.
        style: Of the text.

    Raises:
        ValueError: No finished run, or runs that cannot be compared.
    """
    from hemenet_lab.benchmark.render import render
    from hemenet_lab.benchmark.tables import tabulate

    return render(tabulate(_results(grid, options, resolve, store)), style)


def write_figures(
    grid: Path,
    options: GridOptions = NOTHING_MORE,
    *,
    resolve: Resolve,
    store: str | None = None,
    out: Path = Path("figures"),
) -> list[Path]:
    """Draw the figures of a grid as PNG and SVG; return their paths.

    Arguments as for `grid_table`; ``out`` is a folder.
    """
    from hemenet_lab.benchmark.figures import write_figures as write_all
    from hemenet_lab.benchmark.tables import Scores, tabulate

    results = _results(grid, options, resolve, store)
    scores = Scores(results.judged)
    return write_all(tabulate(results, scores), scores, out)


def write_report(
    grid: Path,
    options: GridOptions = NOTHING_MORE,
    *,
    resolve: Resolve,
    store: str | None = None,
    out: Path = Path("report.html"),
) -> Path:
    """Write all results of a grid as one HTML page; return its path.

    Arguments as for `grid_table`; ``out`` is a file.
    """
    from hemenet_lab.benchmark.report import report_page
    from hemenet_lab.benchmark.tables import Scores, tabulate

    results = _results(grid, options, resolve, store)
    scores = Scores(results.judged)
    page = report_page(tabulate(results, scores), scores)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(page, encoding="utf-8")
    return out


def _results(
    grid_file: Path, options: GridOptions, resolve: Resolve, store: str | None
) -> GridResults:
    """The runs that are meant."""
    from hemenet_lab.benchmark.grids import Identities
    from hemenet_lab.benchmark.launch import tracker_settings
    from hemenet_lab.benchmark.results import read_grid
    from hemenet_lab.tracking import RunDatabase

    grid = load_grid(grid_file)
    if options == GridOptions(folder=options.folder):
        return read_grid(grid.name, folder=options.folder, store=store)
    runs, identities = grid.runs(options), Identities(resolve)
    database = RunDatabase.make(tracker_settings(runs, identities))
    return read_grid(
        grid.name,
        folder=options.folder,
        tracking_uri=database.uri,
        identities={identities.of(run) for run in runs},
        store=store,
    )


def _job_parameters(words: Sequence[str]) -> dict[str, Any]:
    """``KEY=VALUE`` words with values read as YAML."""
    parameters = {}
    for word in words:
        key, sign, value = word.partition("=")
        if not sign:
            raise ValueError(f"--slurm {word}: give KEY=VALUE, such as timeout_min=600")
        parameters[key] = yaml.safe_load(value)
    return parameters
