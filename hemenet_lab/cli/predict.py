"""`hemenet predict`: predictions for structure files, as a CSV with real names."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hemenet_lab.prediction import Prediction


def predict(
    structures: tuple[Path, ...],
    *,
    ckpt: Path,
    ligand: Path | None = None,
    partner_chains: str = "",
    keep_hetero: bool = False,
    min_probability: float = 0.1,
    out: Path | None = None,
    trust: bool = False,
) -> int:
    """Predict from structure files with a checkpoint.

    A file that cannot be read is reported and makes the exit status 1. With --config or
    --ckpt_path in place of files, this is `lightning predict`, on a data set.

    Args:
        structures: PDB, mmCIF or BinaryCIF (.gz).
        ckpt: Checkpoint of `lightning fit`.
        ligand: SDF or mol2, for a single structure.
        partner_chains: Chains of the second protein, such as B,C.
        keep_hetero: Keep ions and cofactors, if the store had them.
        min_probability: Leave out terms below.
        out: CSV file; standard output if not given.
        trust: Build any class that the checkpoint names; only for files of people you trust.
    """
    from hemenet_lab.prediction import entry_from_files, load_module, predict_entries

    if ligand and len(structures) > 1:
        raise ValueError("--ligand goes with a single structure; call once per complex")
    module = load_module(ckpt, trust=trust)
    partners = [name for name in partner_chains.split(",") if name]
    predictions: list[Prediction] = []
    failures = 0
    for path in structures:
        try:
            entry = entry_from_files(path, ligand, partners, keep_hetero=keep_hetero)
        except (ValueError, OSError) as error:
            print(f"hemenet predict: {error}", file=sys.stderr)
            failures += 1
            continue
        predictions += predict_entries(module, [entry], min_probability)
    _write(predictions, out)
    return 1 if failures else 0


def _write(predictions: list[Prediction], out: Path | None) -> None:
    from hemenet_lab.prediction import write_csv

    stream = out.open("w", newline="") if out else sys.stdout
    try:
        write_csv(predictions, stream)
    finally:
        if out:
            stream.close()
