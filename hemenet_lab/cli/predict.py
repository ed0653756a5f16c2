"""`hemenet predict`: predictions for structure files, as a CSV with real names."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from glob import glob
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, TextIO

STRUCTURE_ENDS = (".pdb", ".ent", ".pdb1", ".cif", ".mmcif", ".bcif", ".pdbqt", ".pqr")
PACKED_ENDS = ("", ".gz", ".bz2", ".xz", ".zst")
COLUMNS = (
    *("entry", "chain", "task", "term", "name", "value", "path", "model", "pose", "drops"),
    "trained_on",
)
STDIN = "-"


def predict(
    structures: tuple[str, ...],
    *,
    ckpt: Path,
    ligand: Path | None = None,
    partner_chains: str = "",
    model: str = "",
    pose: str = "1",
    keep_hetero: bool = False,
    contact: float = 8.0,
    min_probability: float = 0.1,
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
        ckpt: Checkpoint of `lightning fit`.
        ligand: SDF or mol2, for a single structure.
        partner_chains: Chains of the second protein, such as B,C.
        model: Number of the MODEL, or all; the first, or an assembly whole, if not given.
        pose: Number of the pose in the ligand's file, or all.
        keep_hetero: Keep ions and cofactors, if the store had them.
        contact: Distance in Å within which ligand and partner must touch the protein.
        min_probability: Leave out terms below.
        out: CSV file; standard output if not given.
        trust: Build any class that the checkpoint names; only for files of people you trust.
    """
    with TemporaryDirectory() as folder, _opened(out) as stream:
        files = list(_files(structures, Path(folder)))
        if ligand and len(files) > 1:
            raise ValueError("--ligand goes with a single structure; call once per complex")
        from hemenet_lab.model import training_data_note
        from hemenet_lab.prediction import load_module, predict_entries, read_complexes

        module = load_module(ckpt, trust=trust)
        if note := training_data_note(module):
            print(f"hemenet predict: {ckpt} was trained on {note}", file=sys.stderr)
        options: dict[str, Any] = {
            "partner_chains": [name for name in partner_chains.split(",") if name],
            "model": _number("model", model) if model else None,
            "pose": _number("pose", pose),
            "keep_hetero": keep_hetero,
            "contact": contact,
        }
        _write(stream, [])
        failures = 0
        for path, shown in files:
            try:
                for found in read_complexes(path, ligand, **options):
                    row = {"path": shown, "model": found.model, "pose": found.pose}
                    row["drops"] = "; ".join(found.drops)
                    predictions = predict_entries(module, [found.entry], min_probability)
                    _write(stream, [{**asdict(each), **row} for each in predictions])
                    _tell(shown, found.model, found.pose, found.drops)
            except (ValueError, OSError) as error:
                print(f"hemenet predict: {error}", file=sys.stderr)
                failures += 1
    return 1 if failures else 0


def _files(words: tuple[str, ...], folder: Path) -> Iterator[tuple[Path, str]]:
    """Files that the words mean, each with what it is called in the table.

    Raises:
        ValueError: A folder or pattern without a structure file, or nothing at all.
    """
    if not words:
        raise ValueError("no structures given; give files, folders, patterns or - for input")
    for word in words:
        path = Path(word)
        if word == STDIN:
            path = folder / "input"
            path.write_bytes(sys.stdin.buffer.read())
            yield path, STDIN
        elif path.is_dir():
            ends = tuple(end + packed for end in STRUCTURE_ENDS for packed in PACKED_ENDS)
            inside = sorted(p for p in path.iterdir() if p.name.lower().endswith(ends))
            if not inside:
                raise ValueError(
                    f"no structure file in {path} (their names end in {', '.join(STRUCTURE_ENDS)}, "
                    "packed or not)"
                )
            yield from ((p, str(p)) for p in inside if p.is_file())
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
