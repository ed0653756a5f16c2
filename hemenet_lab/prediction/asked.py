"""What a user names on a command line → complexes to predict for."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from glob import glob
from pathlib import Path

from hemenet_lab.prediction.complexes import structure_files
from hemenet_lab.prediction.stream import Complex, Failure, Number
from hemenet_lab.protein_mt.labels import split_chains
from hemenet_lab.protein_mt.raw import Row, read_table

STDIN = "-"
TABLE_ENDS = (".csv", ".tsv")
COLUMNS = ("ligand", "receptor_chains", "partner_chains", "id", "model", "pose")
"""Columns of a table of complexes beside ``structure``."""


def named_complexes(
    words: Sequence[str],
    ligand: Path | None = None,
    partner_chains: str = "",
    receptor_chains: str = "",
    model: str = "",
    pose: str = "1",
) -> list[Complex | Failure]:
    """Complexes that words mean, each once, in their order.

    A word is a structure file, a folder of them, a pattern, ``-`` for a file on standard input, or
    a CSV table of complexes. A row of a table that cannot be used is a `Failure`.

    Args:
        words: As the user gave them.
        ligand: Of a single structure.
        partner_chains: Chains of the second protein, with commas between them; rows of a table have
            their own.
        receptor_chains: Chains of the first one, where others are to be left out.
        model: Number of the MODEL, or ``all``.
        pose: Number of the pose, or ``all``.

    Raises:
        ValueError: No words, a folder or pattern without a structure, a table of another form, or a
            ligand with several structures.
    """
    if not words:
        raise ValueError("no structures given; give files, folders, patterns, a CSV or - for input")
    base = Complex(
        "",
        ligand,
        _chains(partner_chains),
        model=_number("model", model) if model else None,
        pose=_number("pose", pose),
        receptor_chains=_chains(receptor_chains),
    )
    found = [each for word in words for each in _of_word(word, base)]
    if ligand and len(found) > 1:
        raise ValueError("--ligand goes with a single structure; give a CSV of complexes for more")
    once: dict[object, Complex | Failure] = {}
    for each in found:
        once.setdefault(complex_key(each) if isinstance(each, Complex) else id(each), each)
    return list(once.values())


def complex_key(asked: Complex) -> tuple[object, ...]:
    """What tells a named complex from the others: the same key, the same prediction."""
    chains = ",".join(asked.receptor_chains), ",".join(asked.partner_chains)
    ligand = "" if asked.ligand is None else str(asked.ligand)
    return (asked.shown, ligand, *chains, asked.id, asked.model or 0, asked.pose)


def _of_word(word: str, base: Complex) -> Iterator[Complex | Failure]:
    path = Path(word)
    if word == STDIN:
        yield replace(base, structure=sys.stdin.buffer.read(), path=STDIN, id="input")
    elif path.is_dir():
        for each in map(str, structure_files(path)):
            yield replace(base, structure=each, path=each)
    elif any(sign in word for sign in "*?[") and not path.exists():
        matches = sorted(glob(word, recursive=True))
        if not matches:
            raise ValueError(f"no file matches {word}")
        files = [match for match in matches if not Path(match).is_dir()] or matches
        yield from (each for match in files for each in _of_word(match, base))
    elif path.suffix.lower() in TABLE_ENDS:
        yield from _of_table(path, base)
    else:
        yield replace(base, structure=word, path=word)


def _of_table(path: Path, base: Complex) -> Iterator[Complex | Failure]:
    """Complexes of a table; paths in it are relative to its folder."""
    if base.ligand is not None or base.partner_chains or base.receptor_chains:
        raise ValueError(
            f"{path} is a table of complexes: name ligands and chains in its columns ligand, "
            "receptor_chains and partner_chains, not as options"
        )
    expected = f"a table of complexes has the column structure and may have {', '.join(COLUMNS)}"
    for row in read_table(path, ("structure",), COLUMNS, expected=expected):
        place = f"{path} line {row.line}"
        try:
            yield _of_row(path.parent, row, base, place)
        except ValueError as error:
            yield Failure(row["structure"], str(error), place)


def _of_row(folder: Path, row: Row, base: Complex, place: str) -> Complex:
    if row.fault:
        raise ValueError(row.fault)
    if not row["structure"]:
        raise ValueError("no structure is named")
    structure = folder / row["structure"]
    ligand = folder / row["ligand"] if row["ligand"] else None
    for each in (structure, ligand):
        if each is not None and not each.is_file():
            raise ValueError(f"{each} is not there; paths are relative to the table's folder")
    return Complex(
        structure,
        ligand,
        split_chains(row["partner_chains"]),
        row["id"],
        str(structure),
        _number("model", row["model"]) if row["model"] else base.model,
        _number("pose", row["pose"]) if row["pose"] else base.pose,
        split_chains(row["receptor_chains"]),
        place,
    )


def _chains(text: str) -> tuple[str, ...]:
    return tuple(name for name in text.split(",") if name)


def _number(name: str, text: str) -> Number:
    if text == "all":
        return "all"
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"{name} {text}: give a number from 1 on, or all")
    return int(text)
