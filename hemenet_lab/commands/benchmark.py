"""`hemenet benchmark`: run a grid, tell how far it is, show its table, write its report."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from hemenet_lab.benchmark import grid_commands, grid_status, run_grid
from hemenet_lab.commands import benchmark_results
from hemenet_lab.commands.benchmark_selection import add_selection, options_of, resolve_of


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


def _add_run(actions: Any) -> None:
    parser = actions.add_parser(
        "run",
        help="run what is not finished of a grid",
        description="Runs every `lightning fit` of a grid that is not finished; what was cut off "
        "goes on from its last checkpoint. May be ended and started again at any time.",
    )
    add_selection(parser)
    parser.add_argument("--launcher", choices=("local", "slurm"), default="local")
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
    if arguments.dry_run:
        lines = grid_commands(arguments.grid, options_of(arguments))
        print(f"# {len(lines)} runs; their paths hold from {Path.cwd()}", file=sys.stderr)
        print("\n".join(lines))
        return 0
    return run_grid(
        arguments.grid,
        options_of(arguments),
        resolve=resolve_of(arguments),
        launcher=arguments.launcher,
        max_parallel=arguments.max_parallel,
        slurm=arguments.slurm,
        say=lambda line: print(line, flush=True),
    )


def show_status(arguments: argparse.Namespace) -> int:
    """Print one line per run."""
    for line in grid_status(arguments.grid, options_of(arguments), resolve=resolve_of(arguments)):
        print(line)
    return 0
