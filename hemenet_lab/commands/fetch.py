"""``hemenet data fetch`` and ``hemenet data sources``: raw files from the public sources."""

from __future__ import annotations

import argparse
import sys
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from hemenet_lab.protein_mt import HOSTS, MIRRORS_VARIABLE, STRUCTURES, hosts_with
from hemenet_lab.protein_mt import sources_text as table_text
from hemenet_lab.protein_mt.fetch import LIGAND_SETS, FetchSettings, report_text, run_fetch

DEFAULTS = {
    field.name: field.default for field in fields(FetchSettings) if field.default is not MISSING
}
"""Options as they are if not given."""
INCOMPLETE = 1
"""Exit status of a run after which something is missing."""


def add_fetch_parser(data_subparsers: Any) -> None:
    """Adds ``fetch`` to the subparsers of ``hemenet data``."""
    fetch = data_subparsers.add_parser(
        "fetch",
        help="get the raw files from the public sources",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    fetch.add_argument("--out", required=True, metavar="DIR", help="folder for the raw files")
    fetch.add_argument("--format", choices=tuple(STRUCTURES), help="of structures")
    fetch.add_argument("--ids", metavar="FILE", help="only these PDB codes or chains (1ABC-A)")
    complexes = fetch.add_mutually_exclusive_group()
    complexes.add_argument("--pdbbind", metavar="DIR", help="folder of PDBbind's unpacked archives")
    complexes.add_argument(
        "--affinity-table", metavar="CSV", help="complexes to take from the PDB, with affinities"
    )
    fetch.add_argument("--ligand-set", choices=LIGAND_SETS, help="complexes of PDBbind")
    fetch.add_argument("--copy", action="store_true", help="copy PDBbind's files, do not link")
    fetch.add_argument("--workers", type=int, help="transfers side by side")
    fetch.add_argument("--rate", type=float, help="requests per second")
    fetch.add_argument("--attempts", type=int, help="for each file")
    fetch.add_argument("--timeout", type=float, help="seconds")
    _add_mirror(fetch)
    fetch.set_defaults(run=_fetch, **DEFAULTS)


def add_sources_parser(data_subparsers: Any) -> None:
    """Adds ``sources`` to the subparsers of ``hemenet data``."""
    sources = data_subparsers.add_parser("sources", help="print where the raw files come from")
    _add_mirror(sources)
    sources.set_defaults(run=_sources)


def _add_mirror(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--mirror",
        action="append",
        default=[],
        metavar="NAME=URL",
        help=f"another address for one of {', '.join(HOSTS)}; also by {MIRRORS_VARIABLE}",
    )


def _fetch(args: argparse.Namespace) -> int:
    given = {name: getattr(args, name) for name in DEFAULTS}
    given |= {name: _path(given[name]) for name in ("ids", "pdbbind", "affinity_table")}
    given |= {"mirror": tuple(args.mirror), "progress": sys.stderr.isatty()}
    result = run_fetch(FetchSettings(Path(args.out), **given))
    print(report_text(result))
    return 0 if result.complete else INCOMPLETE


def _sources(args: argparse.Namespace) -> int:
    print(table_text(hosts_with(args.mirror)))
    return 0


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None
