"""``hemenet data``: get raw files, build a store from them, show what it holds, and check it."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from hemenet_lab.commands.fetch import add_fetch_parser, add_sources_parser
from hemenet_lab.protein_mt import EVIDENCE, RELATIONS, ROUTES, SCHEMES, BuildSettings
from hemenet_lab.protein_mt.build import build_store, default_workers, summary_text
from hemenet_lab.protein_mt.verify.check import table
from hemenet_lab.protein_mt.verify.store import verify_store
from hemenet_lab.store import Store

DEFAULTS = BuildSettings()
FAULTY = 1
"""Exit status of a check that found something."""


def add_parser(commands: Any) -> None:
    """Adds ``data`` with its actions to a command's subparsers."""
    data = commands.add_parser("data", help="fetch, build, inspect and check data sets")
    actions = data.add_subparsers(title="actions", required=True, metavar="ACTION")
    add_sources_parser(actions)
    add_fetch_parser(actions)
    _add_build(actions)
    inspect = actions.add_parser("inspect", help="print what a store holds")
    inspect.add_argument("store", metavar="DIR", help="folder of the store")
    inspect.set_defaults(run=_inspect)
    verify = actions.add_parser(
        "verify", help="check a store, with code that the build does not use"
    )
    verify.add_argument("store", metavar="DIR", help="folder of the store")
    verify.add_argument("--raw", metavar="DIR", help="derive the labels from its raw files again")
    verify.set_defaults(run=_verify)


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
    build.add_argument(
        "--contact",
        type=float,
        default=DEFAULTS.contact,
        help="Å within which a ligand or partner must touch the protein",
    )
    build.add_argument("--keep-hetero", action="store_true", help="keep ions and cofactors")
    build.add_argument(
        "--keep-censored", action="store_true", help="use affinity bounds (< and >) as values"
    )
    _add_labels(build)
    build.add_argument(
        "--max-copies",
        type=int,
        default=DEFAULTS.max_copies,
        help="held-out near-copies (taskwise)",
    )
    for part in ("val", "test"):
        build.add_argument(
            f"--{part}-year", type=int, default=0, help=f"first {part} year (time); 0: by share"
        )
    build.add_argument("--force", action="store_true", help="replace a different store")
    build.set_defaults(run=_build)


def _add_labels(build: Any) -> None:
    group = build.add_argument_group("EC numbers and GO terms")
    group.add_argument("--labels", choices=ROUTES, default=DEFAULTS.labels, help="their source")
    group.add_argument(
        "--transfer",
        action=argparse.BooleanOptionalAction,
        default=DEFAULTS.transfer,
        help="chains with the same UniProt id share their labels",
    )
    sifts = build.add_argument_group("with --labels sifts")
    sifts.add_argument(
        "--evidence", choices=EVIDENCE, default=DEFAULTS.evidence, help="evidence of GO terms"
    )
    sifts.add_argument(
        "--relations", choices=RELATIONS, default=DEFAULTS.relations, help="to a term's ancestors"
    )
    for name, what in (("min_ec", "fewest"), ("min_go", "fewest"), ("max_go", "most")):
        sifts.add_argument(
            f"--{name.replace('_', '-')}-chains",
            type=int,
            default=getattr(DEFAULTS, f"{name}_chains"),
            help=f"{what} chains of a term",
        )


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


def _verify(args: argparse.Namespace) -> int:
    checks = verify_store(args.store, args.raw)
    print(table(checks))
    return FAULTY if any(found.faults for found in checks) else 0
