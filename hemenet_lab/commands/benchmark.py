"""`hemenet benchmark`: run a grid, tell how far it is, show its table, write its report."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import yaml

from hemenet_lab.benchmark.grid import load_grid
from hemenet_lab.benchmark.identity import Identities
from hemenet_lab.benchmark.launch import LAUNCHERS, Launch, run_grid, tracker_settings
from hemenet_lab.benchmark.status import lines, standings
from hemenet_lab.benchmark.status_records import Records
from hemenet_lab.commands import benchmark_results
from hemenet_lab.commands.benchmark_selection import add_selection, options_of


def add_parser(commands: Any) -> None:
    """Add the command to ``hemenet``."""
    parser = commands.add_parser("benchmark", help="run grids of trainings and show their results")
    actions = parser.add_subparsers(title="actions", required=True, metavar="ACTION")
    _add_run(actions)
    status = actions.add_parser("status", help="how far a grid is")
    add_selection(status)
    status.set_defaults(run=show_status)
    benchmark_results.add_table(actions)
    benchmark_results.add_figures(actions)
    benchmark_results.add_report(actions)
    benchmark_results.add_report(commands)


def _add_run(actions: Any) -> None:
    parser = actions.add_parser(
        "run",
        help="run what is not finished of a grid",
        description="Runs every `lightning fit` of a grid that is not finished; what was cut off "
        "goes on from its last checkpoint. May be ended and started again at any time.",
    )
    add_selection(parser)
    parser.add_argument("--launcher", choices=LAUNCHERS, default="local")
    parser.add_argument(
        "--max-parallel",
        type=int,
        metavar="N",
        help="runs at a time (default: one per GPU, or one; slurm: what the cluster gives)",
    )
    parser.add_argument(
        "--slurm",
        nargs="+",
        default=[],
        action="extend",
        metavar="KEY=VALUE",
        help="parameters of the jobs as submitit names them: timeout_min=600 slurm_partition=gpu",
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="print the command of each run and stop; the lines hold from the current folder",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run a grid, or print its commands."""
    grid, options = load_grid(arguments.grid), options_of(arguments)
    if arguments.dry_run:
        runs = grid.runs(options)
        print(f"# {len(runs)} runs; their paths hold from {Path.cwd()}", file=sys.stderr)
        for each in runs:
            print(each.command())
        return 0
    launch = Launch(
        launcher=arguments.launcher,
        parallel=arguments.max_parallel,
        slurm=_parameters(arguments.slurm),
        say=lambda line: print(line, flush=True),
    )
    try:
        return run_grid(grid, options, Identities(arguments.config_reader().read), launch)
    except KeyboardInterrupt:
        print("Interrupted; start the same command again to go on.", file=sys.stderr)
        return 130


def show_status(arguments: argparse.Namespace) -> int:
    """Print one line per run."""
    runs = load_grid(arguments.grid).runs(options_of(arguments))
    identities = Identities(arguments.config_reader().read)
    records = Records(tracker_settings(runs, identities))
    for line in lines(standings(runs, identities, records), identities, records.folder):
        print(line)
    return 0


def _parameters(words: list[str]) -> dict[str, Any]:
    """``KEY=VALUE`` words with values read as YAML."""
    parameters = {}
    for word in words:
        key, sign, value = word.partition("=")
        if not sign:
            raise ValueError(f"--slurm {word}: give KEY=VALUE, such as timeout_min=600")
        parameters[key] = yaml.safe_load(value)
    return parameters
