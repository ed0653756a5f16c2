"""`hemenet predict`: predictions for structure files, as a CSV with real names."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from glob import glob
from pathlib import Path
from typing import Any, Literal, TextIO

COLUMNS = (
    *("entry", "chain", "task", "term", "name", "value", "path", "model", "pose", "drops"),
    "trained_on",
    *("low", "high", "spread", "threshold", "nearest_identity", "notes"),
)
STDIN = "-"


def predict(
    structures: tuple[str, ...],
    *,
    ckpt: str,
    ligand: Path | None = None,
    partner_chains: str = "",
    model: str = "",
    pose: str = "1",
    keep_hetero: bool = False,
    contact: float = 8.0,
    min_probability: float = 0.1,
    top: int = 0,
    mc_dropout: int = 0,
    output: str = "csv",
    device: str = "",
    workers: int = 0,
    executor: str = "",
    out: Path | None = None,
    trust: bool = False,
) -> int:
    """Predict from structure files with a checkpoint.

    Affinities are given for what has the partner: lba with a ligand, ppa with partner chains. What
    was left out of each file is told on the error stream and in the column drops. A file that
    cannot be read is reported and makes the exit status 1. With --config or --ckpt_path in place
    of files, this is `lightning predict`, on a data set.

    Args:
        structures: PDB, mmCIF or BinaryCIF (.gz), folders of them, patterns, or - for input.
        ckpt: Checkpoint of `lightning fit` or folder of a run; several with commas between them are
            an ensemble: mean and spread.
        ligand: SDF or mol2, for a single structure.
        partner_chains: Chains of the second protein, such as B,C.
        model: Number of the MODEL, or all; the first, or an assembly whole, if not given.
        pose: Number of the pose in the ligand's file, or all.
        keep_hetero: Keep ions and cofactors, if the store had them.
        contact: Distance in Å within which ligand and partner must touch the protein.
        min_probability: Leave out terms below.
        top: At most so many terms per chain and task; 0 for all.
        mc_dropout: Passes with dropout for the column spread; 0 for none.
        output: csv, or json: a line per structure.
        device: Where to compute, such as cpu or cuda; a GPU if there is one.
        workers: Processes that read structures ahead.
        executor: Address of a dask scheduler whose workers read in place of them.
        out: Output file; standard output if not given.
        trust: Build any class that the checkpoint names; only for files of people you trust.
    """
    if output not in ("csv", "json"):
        raise ValueError(f"--output {output}: allowed are csv and json")
    asked = [*_files(structures)]
    if ligand and len(asked) > 1:
        raise ValueError("--ligand goes with a single structure; call once per complex")
    with _opened(out) as stream:
        from hemenet_lab.prediction import Complex, Failure, Predictor

        words = [ckpt] if Path(ckpt).exists() else [word for word in ckpt.split(",") if word]
        predictor = Predictor(
            words,
            device=device or None,
            keep_hetero=keep_hetero,
            contact=contact,
            mc_dropout=mc_dropout,
            trust=trust,
        )
        for note in predictor.notes:
            print(f"hemenet predict: {ckpt}: {note}", file=sys.stderr)
        requests = (
            Complex(
                content,
                ligand,
                tuple(name for name in partner_chains.split(",") if name),
                "input" if shown == STDIN else "",
                shown,
                _number("model", model) if model else None,
                _number("pose", pose),
            )
            for content, shown in asked
        )
        if output == "csv":
            _write(stream, [])
        failures, told = 0, {*predictor.notes}
        for found in predictor.predict_many(requests, workers=workers, executor=executor):
            if isinstance(found, Failure):
                print(f"hemenet predict: {found}", file=sys.stderr)
                failures += 1
                continue
            if output == "json":
                print(found.to_json(min_probability, top or None), file=stream, flush=True)
            else:
                _write(stream, [asdict(row) for row in found.rows(min_probability, top or None)])
            _tell(found.path, found.model, found.pose, found.drops)
            for note in (each for each in found.notes if each not in told):
                print(f"hemenet predict: {found.path}: {note}", file=sys.stderr)
                told.add(note)
    return 1 if failures else 0


def _files(words: tuple[str, ...]) -> Iterator[tuple[Path | bytes, str]]:
    """Files that the words mean, each with what it is called in the table.

    Raises:
        ValueError: A folder or pattern without a structure file, or nothing at all.
    """
    if not words:
        raise ValueError("no structures given; give files, folders, patterns or - for input")
    for word in words:
        path = Path(word)
        if word == STDIN:
            yield sys.stdin.buffer.read(), STDIN
        elif path.is_dir():
            from hemenet_lab.prediction import structure_files

            yield from ((each, str(each)) for each in structure_files(path))
        elif any(sign in word for sign in "*?[") and not path.exists():
            matches = sorted(glob(word))
            if not matches:
                raise ValueError(f"no file matches {word}")
            yield from ((Path(match), match) for match in matches)
        else:
            yield path, word


def _number(name: str, text: str) -> int | Literal["all"]:
    if text == "all":
        return "all"
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"--{name} {text}: give a number from 1 on, or all")
    return int(text)


def _tell(path: str, model: int, pose: int, drops: tuple[str, ...]) -> None:
    """One line per file, model and pose of which something was left out or noted."""
    if drops:
        place = f"{path}, model {model}" if model else path
        place = f"{place}, pose {pose}" if pose > 1 else place
        print(f"hemenet predict: {place}: {'; '.join(dict.fromkeys(drops))}", file=sys.stderr)


@contextmanager
def _opened(out: Path | None) -> Iterator[TextIO]:
    """The table's stream; a file is opened before anything is predicted, its folder made."""
    if out is None:
        yield sys.stdout
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("w", newline="", encoding="utf-8") as stream:
        yield stream


def _write(stream: TextIO, rows: list[dict[str, Any]]) -> None:
    """Write rows, or the head of the table where there are none, at once."""
    from hemenet_lab.basics import csv_cell

    lines = [list(COLUMNS)] if not rows else [[csv_cell(row[c]) for c in COLUMNS] for row in rows]
    csv.writer(stream, lineterminator="\n").writerows(lines)
    stream.flush()
