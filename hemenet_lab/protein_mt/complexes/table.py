"""Affinity table of the user's: complexes of the PDB, each with its affinity and its source."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hemenet_lab.protein_mt.labels import MEASURES, UNITS, Binding, parse_binding, split_chains
from hemenet_lab.protein_mt.raw import Problem, read_lines

REQUIRED = ("id", "affinity", "unit", "source")
OPTIONAL = (
    *("ligand", "ligand_chain", "ligand_number", "receptor_chains", "partner_chains"),
    *("measure", "note"),
)
PK_RANGE = (-5.0, 20.0)
"""From 100 kM to 10⁻²⁰ M, beyond anything that is measured."""
PK_UNITS = {"pk": "Kd", "pkd": "Kd", "pki": "Ki", "pic50": "IC50"}
"""Units of values that are -log10 already → what was measured."""
_VALUE = re.compile(r"(?P<sign><=|>=|=|~|<|>|≤|≥)?\s*(?P<number>[+-]?\d*\.?\d+(?:[eE][+-]?\d+)?)")
_TURNED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "≤": ">=", "≥": "<="}


@dataclass(frozen=True)
class Complex:
    """Row of the table: a protein with a ligand, or two sides of proteins."""

    id: str
    """PDB code, small letters."""
    binding: Binding
    source: str
    """Publication of the value."""
    ligand: str = ""
    """Component id of the ligand, such as ``STI``; empty for a protein-protein complex."""
    ligand_chain: str = ""
    ligand_number: int | None = None
    """Author chain id and residue number of the copy to take; where absent it is chosen."""
    receptor: tuple[str, ...] = ()
    partner: tuple[str, ...] = ()
    """Author chain ids of the two sides."""
    note: str = ""

    @property
    def kind(self) -> str:
        """``lba`` or ``ppa``."""
        return "lba" if self.ligand else "ppa"


@dataclass(frozen=True)
class ComplexTable:
    """Usable rows in file order, and the others with their reasons."""

    rows: tuple[Complex, ...]
    problems: tuple[Problem, ...] = ()


def read_affinity_table(path: str | Path) -> ComplexTable:
    """Reads a CSV file with the columns id, affinity, unit, source and, as needed, further ones.

    ``ligand`` is a component id and makes a row a protein-ligand complex; ``receptor_chains`` and
    ``partner_chains`` (``AB``, or ``A;B``) together make it a protein-protein complex. ``affinity``
    may begin with ``<``, ``>`` or ``~``; ``unit`` is fM to M, or pKd, pKi, pIC50; ``measure`` is
    Kd, Ki, IC50 or Ka (Kd if empty). Lines that begin with ``#`` are comments. Of several rows for
    the same entry and kind of complex the first is taken.

    Raises:
        ValueError: The header lacks a required column, or the file is no CSV table.
    """
    path = Path(path)
    lines = [line for line in read_lines(path) if not line[1].startswith("#")]
    reader = csv.DictReader(line + "\n" for _, line in lines)
    try:
        header = [name.strip() for name in reader.fieldnames or ()]
    except csv.Error as error:
        raise ValueError(f"{path}: its first line is not that of a CSV table ({error})") from None
    missing = [name for name in REQUIRED if name not in header]
    if missing:
        raise ValueError(
            f"{path} has the columns {header}, but not {missing}; the first line must name "
            f"{', '.join(REQUIRED)} and may name {', '.join(OPTIONAL)}"
        )
    rows: dict[tuple[str, str], Complex] = {}
    problems = []
    for fields in _rows(reader, path):
        texts = {(name or "").strip(): str(text or "").strip() for name, text in fields.items()}
        try:
            row = _complex(texts)
            if (row.kind, row.id) in rows:
                raise ValueError("the entry has an earlier row, which is used")
            rows[row.kind, row.id] = row
        except ValueError as error:
            number = lines[reader.line_num - 1][0]
            problems.append(Problem(path.name, number, texts.get("id", "").lower(), str(error)))
    return ComplexTable(tuple(rows.values()), tuple(problems))


def _rows(reader: csv.DictReader[str], path: Path) -> Iterator[dict[str, str]]:
    try:
        yield from reader
    except csv.Error as error:
        raise ValueError(
            f"{path}, about line {reader.line_num}: not a CSV table ({error})"
        ) from None


def parse_affinity(value: str, unit: str, measure: str = "") -> Binding:
    """A value such as ``<10`` with its unit as binding data.

    Raises:
        ValueError: A value, unit or measure of another form, or a pK that nothing has.
    """
    binding = _parse_affinity(value, unit, measure)
    low, high = PK_RANGE
    if not low <= binding.pk <= high:  # not for NaN either
        raise ValueError(
            f"affinity {value!r} {unit} is a pK of {binding.pk:g}; expected {low:g} to {high:g}"
        )
    return binding


def _parse_affinity(value: str, unit: str, measure: str) -> Binding:
    match = _VALUE.fullmatch(value)
    if match is None:
        raise ValueError(f"affinity {value!r} is not a number, with < > ~ before it or not")
    sign = match["sign"] or "="
    if unit.lower() in PK_UNITS:
        # a bound on pK is the opposite bound on the constant
        sign = _TURNED.get(sign, sign)
        return Binding(measure or PK_UNITS[unit.lower()], sign, float(match["number"]))
    if unit.removesuffix("-1").removesuffix("^") not in UNITS:
        raise ValueError(
            f"unit {unit!r}; expected one of {', '.join(UNITS)}, or pKd, pKi, pIC50, pK"
        )
    return parse_binding(f"{measure or 'Kd'}{sign}{match['number']}{unit}")


def _complex(texts: dict[str, str]) -> Complex:
    code = texts["id"].lower()
    if not re.fullmatch(r"[0-9][a-z0-9]{3}", code):
        raise ValueError(f"id {texts['id']!r} is not a PDB code such as 1abc")
    if not texts["source"]:
        raise ValueError("no source; say where the value was published")
    measure = texts.get("measure", "")
    if measure and measure not in MEASURES:
        raise ValueError(f"measure {measure!r}; expected one of {', '.join(MEASURES)}")
    row = Complex(
        id=code,
        binding=parse_affinity(texts["affinity"], texts["unit"], measure),
        source=_one_line(texts["source"]),
        ligand=texts.get("ligand", "").upper(),
        ligand_chain=texts.get("ligand_chain", ""),
        ligand_number=_number(texts.get("ligand_number", "")),
        receptor=split_chains(texts.get("receptor_chains", "")),
        partner=split_chains(texts.get("partner_chains", "")),
        note=_one_line(texts.get("note", "")),
    )
    _check_sides(row)
    return row


def _check_sides(row: Complex) -> None:
    if row.ligand and row.partner:
        raise ValueError("both a ligand and partner_chains; a complex has one or the other")
    if not row.ligand and not (row.receptor and row.partner):
        raise ValueError("neither a ligand nor receptor_chains with partner_chains")
    both = sorted({*row.receptor} & {*row.partner})
    if both:
        raise ValueError(f"chain {both[0]} is on both sides")
    if row.ligand and not re.fullmatch(r"[A-Z0-9]{1,5}", row.ligand):
        raise ValueError(
            f"ligand {row.ligand!r} is not a component id such as STI; ligands of several residues "
            "are not supported: give a peptide as partner_chains"
        )


def _one_line(text: str) -> str:
    """The text without line ends: in an index file each line is a complex."""
    return " ".join(text.split())


def _number(text: str) -> int | None:
    if not text:
        return None
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"ligand_number {text!r} is not a whole number") from None
