"""``hemenet data``: build a store from raw files, and show what a store holds."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from hemenet_lab.data.store import Store
from hemenet_lab.protein_mt.build import build_store, default_workers
from hemenet_lab.protein_mt.settings import BuildSettings
from hemenet_lab.protein_mt.splits import SCHEMES
from hemenet_lab.protein_mt.summary import summary_text

DEFAULTS = BuildSettings()


def add_parser(commands: Any) -> None:
    """Adds ``data`` with ``build`` and ``inspect`` to a command's subparsers."""
    data = commands.add_parser("data", help="build and inspect data sets")
    actions = data.add_subparsers(title="actions", required=True, metavar="ACTION")
    _add_build(actions)
    inspect = actions.add_parser("inspect", help="print what a store holds")
    inspect.add_argument("store", metavar="DIR", help="folder of the store")
    inspect.set_defaults(run=_inspect)


def _add_build(actions: Any) -> None:
    build = actions.add_parser(
        "build",
        help="make a store from raw files",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    build.add_argument("--raw", required=True, metavar="DIR", help="folder with the raw files")
    build.add_argument("--out", required=True, metavar="DIR", help="folder of the store")
    build.add_argument("--workers", type=int, default=default_workers(), help="processes")
    build.add_argument("--scheme", choices=SCHEMES, default=DEFAULTS.scheme, help="default split")
    build.add_argument("--seed", type=int, default=DEFAULTS.seed, help="seed of the splits")
    build.add_argument(
        "--min-seq-id", type=float, default=DEFAULTS.min_seq_id, help="identity of a cluster, 0-1"
    )
    build.add_argument(
        "--coverage", type=float, default=DEFAULTS.coverage, help="least aligned share, 0-1"
    )
    build.add_argument(
        "--max-atoms", type=int, default=DEFAULTS.max_atoms, help="most heavy atoms of an entry"
    )
    build.add_argument("--keep-hetero", action="store_true", help="keep ions and cofactors")
    build.add_argument(
        "--keep-censored", action="store_true", help="use affinity bounds (< and >) as values"
    )
    build.add_argument("--force", action="store_true", help="replace a different store")
    build.set_defaults(run=_build)


def _build(args: argparse.Namespace) -> int:
    settings = BuildSettings(**{name: getattr(args, name) for name in DEFAULTS.to_dict()})
    result = build_store(
        args.raw,
        args.out,
        workers=args.workers,
        settings=settings,
        force=args.force,
        progress=sys.stderr.isatty(),
    )
    if not result.built:
        print(f"{result.path} is up to date: same raw files, same settings; nothing to do")
        return 0
    print(summary_text(Store(result.path)))
    return 0


def _inspect(args: argparse.Namespace) -> int:
    print(summary_text(Store(args.store)))
    return 0
