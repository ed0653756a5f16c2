"""`hemenet benchmark table`, `figures` and `report`: what the finished runs of a grid say."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from hemenet_lab.benchmark.grid import load_grid
from hemenet_lab.benchmark.grid_run import Options
from hemenet_lab.benchmark.identity import Identities
from hemenet_lab.benchmark.launch import tracker_settings
from hemenet_lab.benchmark.status_records import Records
from hemenet_lab.commands.benchmark_selection import add_selection, options_of

STYLES = ("markdown", "latex", "csv")


def add_table(actions: Any) -> None:
    """Add ``table``."""
    parser = _parser(actions, "table", "print the results of a grid beside the paper's")
    parser.add_argument("--style", choices=STYLES, default="markdown")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write it here")
    parser.set_defaults(run=print_table)


def add_figures(actions: Any) -> None:
    """Add ``figures``."""
    parser = _parser(actions, "figures", "draw the figures of a grid as PNG and SVG")
    parser.add_argument("--out", type=Path, default=Path("figures"), metavar="FOLDER")
    parser.set_defaults(run=write_figures)


def add_report(actions: Any) -> None:
    """Add ``report``, to ``hemenet benchmark`` or to ``hemenet`` itself."""
    parser = _parser(actions, "report", "write all results of a grid as one HTML page")
    parser.add_argument("--out", type=Path, default=Path("report.html"), metavar="FILE")
    parser.set_defaults(run=write_report)


def _parser(actions: Any, name: str, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = actions.add_parser(
        name,
        help=text,
        description=f"{text[0].upper()}{text[1:]}. Without further settings, the runs are found by "
        "the grid's name; with them, exactly the runs that `run` would make with them.",
    )
    add_selection(parser)
    parser.add_argument("--store", metavar="HASH", help="only runs on the data of this hash")
    return parser


def print_table(arguments: argparse.Namespace) -> int:
    """Print a grid's results."""
    from hemenet_lab.benchmark import table  # the actions that need no results start faster

    table.print_table(style=arguments.style, out=arguments.out, **_chosen(arguments))
    return 0


def write_figures(arguments: argparse.Namespace) -> int:
    """Draw a grid's figures."""
    from hemenet_lab.benchmark import figures

    for path in figures.write_figures(out=arguments.out, **_chosen(arguments)):
        print(path)
    return 0


def write_report(arguments: argparse.Namespace) -> int:
    """Write a grid's page."""
    from hemenet_lab.benchmark import report

    print(report.write_report(out=arguments.out, **_chosen(arguments)))
    return 0


def _chosen(arguments: argparse.Namespace) -> dict[str, Any]:
    """The grid's name, where its runs are, and which of them are meant."""
    grid, options = load_grid(arguments.grid), options_of(arguments)
    chosen = {"grid": grid.name, "folder": options.folder, "store": arguments.store}
    if options == Options(folder=options.folder):
        return chosen
    runs = grid.runs(options)
    identities = Identities(arguments.config_reader().read)
    chosen["tracking_uri"] = Records(tracker_settings(runs, identities)).uri
    chosen["identities"] = {identities.of(run) for run in runs}
    return chosen
