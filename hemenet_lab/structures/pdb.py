"""PDB files: the fields of the atom lines."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hemenet_lab.structures.elements import pdb_element
from hemenet_lab.structures.fixed import parse_fixed
from hemenet_lab.structures.pdb_lines import Lines, columns
from hemenet_lab.structures.residues import is_amino_acid
from hemenet_lab.structures.table import (
    NAMELESS_CHAIN,
    AtomTable,
    PolymerHint,
    StructureError,
    check_coords,
)
from hemenet_lab.structures.text import Text, map_rows


def read_pdb(data: bytes, source: str) -> AtomTable:
    """Atoms of the first model of a PDB file.

    Columns 73-76 (segment id) and everything behind column 80 are not looked at; columns 77-78
    count only when they hold an element symbol. Atoms outside of MODEL/ENDMDL belong to the first
    model. TER and END records neither split nor end anything.

    Raises:
        StructureError: No atoms, a coordinate line that is cut, or one that cannot be parsed.
    """
    lines = Lines.of(data, source)
    numbers = np.flatnonzero(lines.atoms())
    if not len(numbers):
        raise StructureError(_no_atoms(data, source))
    lines.check_whole()
    table = _parse(lines.raw[numbers], numbers + 1, source)
    table = replace(table, hetero=lines.record.equals("HETATM")[numbers])
    table = replace(table, hint=_hint(table, lines.record.equals("TER"), numbers))
    table = table.note("record", "unreadable record", lines.count_unreadable())
    return table.drop(~lines.in_first_model()[numbers], "model", "not in the first model")


def _no_atoms(data: bytes, source: str) -> str:
    found = "is empty" if not data.strip() else "has no ATOM or HETATM record"
    return (
        f"{source}: the file {found}; PDB, mmCIF and BinaryCIF files with coordinates "
        "(plain or .gz) can be read: fetch or export the file again"
    )


def _parse(raw: NDArray[np.uint8], line_numbers: NDArray[np.intp], source: str) -> AtomTable:
    residue_name, chain = Text.of(columns(raw, 18, 20)), _chains(raw)
    coords = np.stack(
        [_coordinate(raw, start, line_numbers, source) for start in (31, 39, 47)], axis=1
    )
    check_coords(coords, source)
    occupancy, bad_occupancies = _optional(raw, 55, 60, 1.0)
    b_factor, bad_b_factors = _optional(raw, 61, 66, 0.0)
    padded_name = Text.of(columns(raw, 13, 16), strip=False)
    table = AtomTable(
        source=source,
        name=Text.of(columns(raw, 13, 16)),
        element=Text.of(
            map_rows(_element, Text.of(columns(raw, 77, 78)), padded_name, residue_name)
        ),
        altloc=Text.of(columns(raw, 17, 17)),
        residue_name=residue_name,
        chain=chain,
        label=chain,
        number=_residue_numbers(raw, line_numbers, source),
        insertion=Text.of(columns(raw, 27, 27)),
        hetero=np.zeros(len(raw), np.bool_),
        hint=np.full(len(raw), PolymerHint.UNKNOWN, np.int8),
        coords=coords.astype(np.float32),
        occupancy=occupancy.astype(np.float32),
        b_factor=b_factor.astype(np.float32),
    )
    reason = "occupancy or B factor that is not a number; 1 or 0 is used"
    return table.note("value", reason, bad_occupancies + bad_b_factors)


def _element(symbol: str, name: str, residue_name: str) -> str:
    return pdb_element(symbol, name, residue_name, is_amino_acid(residue_name))


def _chains(raw: NDArray[np.uint8]) -> Text:
    """Column 22; with column 21 where both are used, as for chains of two letters."""
    both = np.ascontiguousarray(raw[:, 20:22])
    both[(both == ord(" ")).any(axis=1), 0] = ord(" ")
    return Text.of(both.view("S2")[:, 0]).replaced("", NAMELESS_CHAIN)


def _coordinate(
    raw: NDArray[np.uint8], start: int, line_numbers: NDArray[np.intp], source: str
) -> NDArray[np.float64]:
    parsed = parse_fixed(raw[:, start - 1 : start + 7], 3)
    if parsed is not None:
        return parsed
    values = columns(raw, start, start + 7)
    bad = [row for row, value in enumerate(values.tolist()) if not _is_number(value, float)]
    if bad:
        raise StructureError(
            f"{source}: line {line_numbers[bad[0]]} has {_shown(values[bad[0]])} where a "
            "coordinate should be (columns 31-54); repair the line or fetch the file again"
        )
    return values.astype(np.float64)


def _optional(
    raw: NDArray[np.uint8], first: int, last: int, default: float
) -> tuple[NDArray[np.float64], int]:
    """Numbers, with ``default`` for blanks; and how many others are no numbers."""
    parsed = parse_fixed(raw[:, first - 1 : last], 2)
    if parsed is not None:
        return parsed, 0
    values = [value.strip() for value in columns(raw, first, last).tolist()]
    good = np.array([_is_number(value, float) for value in values])
    numbers = [float(value) if ok else default for value, ok in zip(values, good, strict=True)]
    return np.array(numbers), sum(
        not ok and value != b"" for value, ok in zip(values, good, strict=True)
    )


def _residue_numbers(
    raw: NDArray[np.uint8], line_numbers: NDArray[np.intp], source: str
) -> NDArray[np.int32]:
    parsed = parse_fixed(raw[:, 22:26], 0)
    if parsed is not None:
        return parsed.astype(np.int32)
    values = columns(raw, 23, 26)
    numbers = [_hybrid36(value) for value in values.tolist()]
    for row, number in enumerate(numbers):
        if number is None:
            raise StructureError(
                f"{source}: line {line_numbers[row]} has {_shown(values[row])} as residue number "
                "(columns 23-26); a whole number or hybrid-36 is needed: repair the line"
            )
    return np.array(numbers, np.int32)


def _hybrid36(value: bytes) -> int | None:
    """Residue number in four columns; ``A000`` follows 9999 (cci.lbl.gov/hybrid_36)."""
    if _is_number(value, int):
        return int(value)
    text = value.decode("latin-1")
    if not re.fullmatch(r"[A-Z][0-9A-Z]{3}|[a-z][0-9a-z]{3}", text):
        return None
    offset = 10_000 if text.isupper() else 10_000 + 26 * 36**3
    return int(text, 36) - 10 * 36**3 + offset


def _is_number(value: bytes, kind: type) -> bool:
    try:
        kind(value)
    except ValueError:
        return False
    return True


def _shown(value: bytes) -> str:
    return repr(value.decode("latin-1"))


def _hint(
    table: AtomTable, is_ter: NDArray[np.bool_], line_numbers: NDArray[np.intp]
) -> NDArray[np.int8]:
    """`PolymerHint.AFTER_TER` for HETATM atoms behind the last TER of their chain."""
    last_row = np.searchsorted(line_numbers, np.flatnonzero(is_ter)) - 1
    last_row = last_row[last_row >= 0]
    end_of_chain = np.full(len(table.chain.values), len(table))
    end_of_chain[table.chain.codes[last_row]] = last_row  # rows rise: the last TER wins
    behind = np.arange(len(table)) > end_of_chain[table.chain.codes]
    return np.where(behind & table.hetero, PolymerHint.AFTER_TER, table.hint).astype(np.int8)
