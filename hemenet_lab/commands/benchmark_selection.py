"""Which runs of a grid are meant: options that every action of `hemenet benchmark` takes."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from hemenet_lab.benchmark import RUNS, GridOptions, Resolve


def add_selection(parser: argparse.ArgumentParser) -> None:
    """Options that say which runs are meant; the same for every action."""
    parser.add_argument("grid", type=Path, help="grid file, such as experiments/table1.yaml")
    parser.add_argument("--seeds", type=int, metavar="N", help="seeds 0 to N-1, not the grid's")
    parser.add_argument(
        "--config",
        type=Path,
        nargs="+",
        default=[],
        action="extend",
        metavar="FILE",
        help="config files after the grid's base: data, trainer, size",
    )
    parser.add_argument(
        "--set",
        nargs="+",
        default=[],
        action="extend",
        metavar="KEY=VALUE",
        help="settings of all runs, applied last: trainer.max_epochs=3",
    )
    parser.add_argument(
        "--only",
        nargs="+",
        default=[],
        action="extend",
        metavar="AXIS=VALUE,…",
        help="only runs with these values: encoder=gcn,hemenet setting=multi",
    )
    parser.add_argument("--folder", default=RUNS, help=f"where runs are recorded (default: {RUNS})")


def options_of(arguments: argparse.Namespace) -> GridOptions:
    """The selection of the command line."""
    return GridOptions(
        seeds=arguments.seeds,
        configs=tuple(arguments.config),
        settings=tuple(arguments.set),
        only=tuple(arguments.only),
        folder=arguments.folder,
    )


def resolve_of(arguments: argparse.Namespace) -> Resolve:
    """Reads the config of a command; the reader is made when it is first needed."""
    reader = cache(arguments.config_reader)

    def resolve(words: Sequence[str]) -> dict[str, Any]:
        return dict(reader().read(words))

    return resolve
