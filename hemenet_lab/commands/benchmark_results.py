"""`hemenet benchmark table`, `figures` and `report`: what the finished runs of a grid say."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from hemenet_lab.benchmark import grid_table, write_figures, write_report
from hemenet_lab.commands.benchmark_selection import add_selection, options_of, resolve_of

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
    parser.set_defaults(run=print_figures)


def add_report(actions: Any) -> None:
    """Add ``report``."""
    parser = _parser(actions, "report", "write all results of a grid as one HTML page")
    parser.add_argument("--out", type=Path, default=Path("report.html"), metavar="FILE")
    parser.set_defaults(run=print_report)


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
    """Print a grid's results, or write them to a file."""
    text = grid_table(style=arguments.style, **_chosen(arguments))
    if arguments.out is None:
        print(text, end="")
        return 0
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(text, encoding="utf-8")
    return 0


def print_figures(arguments: argparse.Namespace) -> int:
    """Draw a grid's figures and print their paths."""
    for path in write_figures(out=arguments.out, **_chosen(arguments)):
        print(path)
    return 0


def print_report(arguments: argparse.Namespace) -> int:
    """Write a grid's page and print its path."""
    print(write_report(out=arguments.out, **_chosen(arguments)))
    return 0


def _chosen(arguments: argparse.Namespace) -> dict[str, Any]:
    """Arguments that the three actions share."""
    return {
        "grid": arguments.grid,
        "options": options_of(arguments),
        "resolve": resolve_of(arguments),
        "store": arguments.store,
    }
