"""`hemenet predict`: predictions for structure files, as a CSV with real names."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from hemenet_lab.plugins import load_encoders
from hemenet_lab.prediction import (
    Prediction,
    entry_from_files,
    load_module,
    predict_entries,
    write_csv,
)


def add_parser(commands: Any) -> None:
    """Add the command to ``hemenet``."""
    parser = commands.add_parser("predict", help="predict from structure files with a checkpoint")
    parser.add_argument("structures", nargs="+", type=Path, help="PDB, mmCIF or BinaryCIF (.gz)")
    parser.add_argument("--ckpt", required=True, type=Path, help="checkpoint of `lightning fit`")
    parser.add_argument("--ligand", type=Path, help="SDF or mol2, for a single structure")
    parser.add_argument(
        "--partner-chains", default="", help="chains of the second protein, such as B,C"
    )
    parser.add_argument(
        "--keep-hetero", action="store_true", help="keep ions and cofactors, if the store had them"
    )
    parser.add_argument(
        "--min-probability", type=float, default=0.1, help="leave out terms below (default 0.1)"
    )
    parser.add_argument("--out", type=Path, help="CSV file; standard output if not given")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Predict every file; a file that cannot be read is reported and makes the status 1."""
    if arguments.ligand and len(arguments.structures) > 1:
        raise ValueError("--ligand goes with a single structure; call once per complex")
    load_encoders()
    module = load_module(arguments.ckpt)
    partners = [name for name in arguments.partner_chains.split(",") if name]
    predictions: list[Prediction] = []
    failures = 0
    for path in arguments.structures:
        try:
            entry = entry_from_files(
                path, arguments.ligand, partners, keep_hetero=arguments.keep_hetero
            )
        except (ValueError, OSError) as error:
            print(f"hemenet predict: {error}", file=sys.stderr)
            failures += 1
            continue
        predictions += predict_entries(module, [entry], arguments.min_probability)
    _write(predictions, arguments.out)
    return 1 if failures else 0


def _write(predictions: list[Prediction], out: Path | None) -> None:
    stream = out.open("w", newline="") if out else sys.stdout
    try:
        write_csv(predictions, stream)
    finally:
        if out:
            stream.close()
