"""`hemenet benchmark`: run a grid, tell how far it is, show what its finished runs say."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import yaml

from hemenet_lab.benchmark.grid import load_grid
from hemenet_lab.benchmark.grid_run import RUNS, Options

if TYPE_CHECKING:
    from hemenet_lab.benchmark.grid import Grid
    from hemenet_lab.benchmark.identity import Identities


@dataclass(frozen=True)
class Selection:
    """Which runs of a grid are meant; every command takes the same options.

    Args:
        seeds: Seeds 0 to N-1, not the grid's.
        config: Config files after the grid's base: data, trainer, size.
        set: Settings of all runs, applied last: trainer.max_epochs=3
        only: Only runs with these values: encoder=gcn,hemenet setting=multi
        folder: Where runs are recorded.
    """

    seeds: int | None = None
    config: tuple[Path, ...] = ()
    set: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    folder: str = RUNS

    def options(self) -> Options:
        """The same as the benchmark wants it.

        Raises:
            ValueError: No seed, a config that is not there, a setting without a value.
        """
        return Options(
            seeds=self.seeds,
            configs=self.config,
            settings=self.set,
            only=self.only,
            folder=self.folder,
        )


def run(
    grid: Path,
    *,
    selection: Selection,
    launcher: Literal["local", "slurm"] = "local",
    max_parallel: int | None = None,
    slurm: tuple[str, ...] = (),
    dry_run: bool = False,
) -> int:
    """Run every `lightning fit` of a grid that is not finished.

    What was cut off goes on from its last checkpoint. May be ended and started again at any time.

    Args:
        grid: Grid file, such as experiments/table1.yaml.
        selection: Which runs.
        launcher: Here, or as jobs of a cluster.
        max_parallel: Runs at a time (one per GPU, or one; slurm: what the cluster gives).
        slurm: Parameters of the jobs as submitit names them: timeout_min=600 slurm_partition=gpu
        dry_run: Print the command of each run and stop; the lines hold from the current folder.
    """
    loaded, options = load_grid(grid), selection.options()
    if dry_run:
        runs = loaded.runs(options)
        print(f"# {len(runs)} runs; their paths hold from {Path.cwd()}", file=sys.stderr)
        for each in runs:
            print(each.command())
        return 0
    from hemenet_lab.benchmark.launch import Launch, run_grid

    launch = Launch(
        launcher=launcher,
        parallel=max_parallel,
        slurm=_parameters(slurm),
        say=lambda line: print(line, flush=True),
    )
    return run_grid(loaded, options, _identities(), launch)


def status(grid: Path, *, selection: Selection) -> None:
    """Tell how far a grid is, one line per run.

    Args:
        grid: Grid file, such as experiments/table1.yaml.
        selection: Which runs.
    """
    runs = load_grid(grid).runs(selection.options())
    from hemenet_lab.benchmark.launch import tracker_settings
    from hemenet_lab.benchmark.status import lines, standings
    from hemenet_lab.benchmark.status_records import Records

    identities = _identities()
    records = Records(tracker_settings(runs, identities))
    for line in lines(standings(runs, identities, records), identities, records.folder):
        print(line)


def table(
    grid: Path,
    *,
    selection: Selection,
    store: str | None = None,
    style: Literal["markdown", "latex", "csv"] = "markdown",
    out: Path | None = None,
) -> None:
    """Print the results of a grid beside the paper's.

    Without further settings, the runs are found by the grid's name; with them, exactly the runs
    that `run` would make with them.

    Args:
        grid: Grid file, such as experiments/table1.yaml.
        selection: Which runs.
        store: Only runs on the data of this hash.
        style: How the table is written.
        out: File for it; standard output if not given.
    """
    from hemenet_lab.benchmark.table import print_table

    print_table(style=style, out=out, **_chosen(grid, selection, store, _identities))


def figures(
    grid: Path, *, selection: Selection, store: str | None = None, out: Path = Path("figures")
) -> None:
    """Draw the figures of a grid as PNG and SVG.

    Without further settings, the runs are found by the grid's name; with them, exactly the runs
    that `run` would make with them.

    Args:
        grid: Grid file, such as experiments/table1.yaml.
        selection: Which runs.
        store: Only runs on the data of this hash.
        out: Folder for them.
    """
    from hemenet_lab.benchmark.figures import write_figures

    for path in write_figures(out=out, **_chosen(grid, selection, store, _identities)):
        print(path)


def report(
    grid: Path, *, selection: Selection, store: str | None = None, out: Path = Path("report.html")
) -> None:
    """Write all results of a grid as one HTML page.

    Without further settings, the runs are found by the grid's name; with them, exactly the runs
    that `run` would make with them.

    Args:
        grid: Grid file, such as experiments/table1.yaml.
        selection: Which runs.
        store: Only runs on the data of this hash.
        out: File for it.
    """
    from hemenet_lab.benchmark.report import write_report

    print(write_report(out=out, **_chosen(grid, selection, store, _identities)))


def _identities() -> Identities:
    """What a run will be known by, from the settings that `lightning` reads."""
    from hemenet_lab.benchmark.identity import Identities
    from hemenet_lab.cli.lightning_adapter import config_reader

    return Identities(config_reader().read)


def _chosen(
    path: Path, selection: Selection, store: str | None, identities_of: Callable[[], Identities]
) -> dict[str, Any]:
    """The grid's name, where its runs are, and which of them are meant."""
    grid: Grid = load_grid(path)
    options = selection.options()
    chosen: dict[str, Any] = {"grid": grid.name, "folder": options.folder, "store": store}
    if options == Options(folder=options.folder):
        return chosen
    from hemenet_lab.benchmark.launch import tracker_settings
    from hemenet_lab.benchmark.status_records import Records

    runs = grid.runs(options)
    identities = identities_of()
    chosen["tracking_uri"] = Records(tracker_settings(runs, identities)).uri
    chosen["identities"] = {identities.of(run) for run in runs}
    return chosen


def _parameters(words: tuple[str, ...]) -> dict[str, Any]:
    """``KEY=VALUE`` words with values read as YAML."""
    parameters = {}
    for word in words:
        key, sign, value = word.partition("=")
        if not sign:
            raise ValueError(f"--slurm {word}: give KEY=VALUE, such as timeout_min=600")
        parameters[key] = yaml.safe_load(value)
    return parameters
