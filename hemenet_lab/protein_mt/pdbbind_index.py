"""PDBbind's INDEX files, with or without a column for -log10 of the constant."""

from __future__ import annotations

import re
from pathlib import Path

from hemenet_lab.protein_mt.affinity import (
    MEASURES,
    Affinity,
    AffinityTable,
    Binding,
    parse_binding,
    split_chains,
)
from hemenet_lab.protein_mt.textfile import Problem, read_lines

ROUNDING = 0.02
"""Largest difference between the -log column (two decimals) and the constant that is rounding."""
_CODE = re.compile(r"[0-9][A-Za-z0-9]{3}")
_NUMBER = re.compile(r"[+-]?\d*\.?\d+")
_SIDES = re.compile(r"\((?P<receptor>[^()|]+)\|(?P<partner>[^()|]+)\)")
_START = re.compile(rf"(?:{'|'.join(MEASURES)})\s*[=~<>≤≥]", re.IGNORECASE)


def read_pdbbind_index(path: str | Path) -> AffinityTable:
    """Reads an ``INDEX_general_PL_data``, ``INDEX_general_PL`` or ``INDEX_general_PP`` file.

    Columns: PDB code, resolution, year, in some files -log10 K, binding data, ``//`` and remarks
    (reference, ligand name or chains, notes). Lines that start with ``#`` are comments; a ``#``
    further right is not. The -log column is taken where there is one, as published.

    Returns:
        A record per usable line, in file order, censored ones included; every other line that is
        no comment is a `Problem`.
    """
    path = Path(path)
    records: list[Affinity] = []
    problems: list[Problem] = []
    for number, line in read_lines(path):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            records.append(parse_index_line(line))
        except ValueError as error:
            code = _CODE.match(line.strip())
            found = code.group().lower() if code else ""
            problems.append(Problem(path.name, number, found, str(error)))
    return AffinityTable(tuple(records), tuple(problems))


def parse_index_line(line: str) -> Affinity:
    """One line of an INDEX file.

    Raises:
        ValueError: A line without a PDB code, or with binding data that cannot be read.
    """
    data, _, remarks = line.partition("//")
    fields = data.split(maxsplit=3)
    if len(fields) < 4 or not _CODE.fullmatch(fields[0]):
        raise ValueError("not a line of PDB code, resolution, year and binding data")
    column, binding = _binding(fields[3])
    sides = _SIDES.search(remarks)
    return Affinity(
        id=fields[0].lower(),
        pk=binding.pk if column is None else column,
        measure=binding.measure,
        sign=binding.sign,
        receptor_chains=split_chains(sides["receptor"]) if sides else (),
        partner_chains=split_chains(sides["partner"]) if sides else (),
        note=_note(remarks, column, binding),
        year=int(fields[2]) if re.fullmatch(r"(19|20)\d\d", fields[2]) else 0,
    )


def _binding(text: str) -> tuple[float | None, Binding]:
    """The -log column, None where the layout has none, and the binding data behind it."""
    first, *rest = text.split(maxsplit=1)
    if rest and _NUMBER.fullmatch(first) and _START.match(rest[0]):
        return float(first), parse_binding(rest[0])
    return None, parse_binding(text)


def _note(remarks: str, column: float | None, binding: Binding) -> str:
    note = " ".join(remarks.split())
    if column is not None and abs(column - binding.pk) > ROUNDING:
        note += f" [column -log10 K is {column:.2f}, the constant gives {binding.pk:.2f}]"
    return note.strip()
