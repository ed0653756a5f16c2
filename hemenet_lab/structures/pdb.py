"""PDB files: fixed columns, read as one array of bytes."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from hemenet_lab.structures.elements import pdb_element
from hemenet_lab.structures.residues import is_amino_acid
from hemenet_lab.structures.structure import Drop
from hemenet_lab.structures.table import (
    NAMELESS_CHAIN,
    AtomTable,
    PolymerHint,
    StructureError,
    check_coords,
    map_unique,
    strip_text,
)

_END_OF_COORDS = 54
_WIDTH = 80
_RECORDS = frozenset(
    b"HEADER OBSLTE TITLE SPLIT CAVEAT COMPND SOURCE KEYWDS EXPDTA NUMMDL MDLTYP AUTHOR REVDAT "
    b"SPRSDE JRNL REMARK DBREF DBREF1 DBREF2 SEQADV SEQRES MODRES HET HETNAM HETSYN FORMUL HELIX "
    b"SHEET TURN SSBOND LINK LINKR HYDBND SLTBRG CISPEP SITE CRYST1 ORIGX1 ORIGX2 ORIGX3 SCALE1 "
    b"SCALE2 SCALE3 MTRIX1 MTRIX2 MTRIX3 TVECT MODEL ATOM ANISOU SIGATM SIGUIJ TER HETATM ENDMDL "
    b"CONECT MASTER END USER FTNOTE".split()
)
_THREE_DECIMALS = re.compile(rb"-?\d+\.\d+ *-?\d+\.\d+ *-?\d+\.\d+")


def read_pdb(data: bytes, source: str) -> AtomTable:
    """Atoms of the first model of a PDB file.

    Columns 73-76 (segment id) and everything behind column 80 are not looked at; columns 77-78
    count only when they hold an element symbol. Atoms outside of MODEL/ENDMDL belong to the first
    model. TER and END records neither split nor end anything.

    Raises:
        StructureError: No atoms, a coordinate line that is cut, or one that cannot be parsed.
    """
    lines = data.splitlines()
    records = np.array([line[:6].rstrip() for line in lines] or [b""])
    is_hetatm = records == b"HETATM"
    is_atom = is_hetatm | np.strings.startswith(records, b"ATOM")
    line_numbers = np.flatnonzero(is_atom)
    if not len(line_numbers):
        raise StructureError(_no_atoms(data, source))
    _check_not_cut(lines, line_numbers, data, source)
    _check_model_closed(records, source)
    raw = _as_array([lines[number] for number in line_numbers])
    table = _parse(raw, is_hetatm[line_numbers], line_numbers, source)
    hint = _hint(table, records == b"TER", line_numbers)
    later = ~_in_first_model(records)[line_numbers]
    table = AtomTable(**{**vars(table), "hint": hint})
    table = table.note("record", "unreadable record", _count_unreadable(lines, records))
    return table.drop(later, "model", "not in the first model")


def _no_atoms(data: bytes, source: str) -> str:
    found = "is empty" if not data.strip() else "has no ATOM or HETATM record"
    return (
        f"{source}: the file {found}; PDB, mmCIF and BinaryCIF files with coordinates "
        "(plain or .gz) can be read: fetch or export the file again"
    )


def _check_not_cut(
    lines: list[bytes], line_numbers: NDArray[np.intp], data: bytes, source: str
) -> None:
    lengths = np.array([len(lines[number]) for number in line_numbers])
    for index in np.flatnonzero(lengths < _END_OF_COORDS)[:1]:
        raise StructureError(
            f"{source}: line {line_numbers[index] + 1} ends inside the coordinates "
            f"({lengths[index]} of at least {_END_OF_COORDS} columns); the file is cut or "
            "damaged: fetch it again"
        )
    ends_in_atom = line_numbers[-1] == len(lines) - 1 and not data.endswith((b"\n", b"\r"))
    if ends_in_atom and len(lengths) > 1 and lengths[-1] < lengths[:-1].min():
        raise StructureError(
            f"{source}: the last line is an atom of {lengths[-1]} columns without a line end, all "
            f"other atoms have {lengths[:-1].min()} or more; the file is cut: fetch it again"
        )


def _check_model_closed(records: NDArray[np.bytes_], source: str) -> None:
    marks = records[(records == b"MODEL") | (records == b"ENDMDL") | (records == b"END")]
    if len(marks) and marks[-1] == b"MODEL":
        raise StructureError(
            f"{source}: the file ends inside a MODEL (no ENDMDL, no END); it is cut: fetch it "
            "again, or add ENDMDL if it is complete"
        )


def _in_first_model(records: NDArray[np.bytes_]) -> NDArray[np.bool_]:
    """Mask over all lines: in the first model, or in none."""
    starts, ends = records == b"MODEL", records == b"ENDMDL"
    if not starts.any():
        return np.cumsum(ends) == 0
    position = np.arange(len(records))
    last_start = np.maximum.accumulate(np.where(starts, position, -1))
    last_end = np.maximum.accumulate(np.where(ends, position, -1))
    return (last_end >= last_start) | (np.cumsum(starts) <= 1)


def _count_unreadable(lines: list[bytes], records: NDArray[np.bytes_]) -> int:
    """Lines with coordinates whose record name is not one of the format's, such as ``AATOM``."""
    unique, inverse = np.unique(records, return_inverse=True)
    known = [name.upper() in _RECORDS or name.startswith(b"ATOM") for name in unique.tolist()]
    unknown = np.flatnonzero(~np.array(known)[inverse])
    return sum(bool(_THREE_DECIMALS.search(lines[number][26:58])) for number in unknown)


def _as_array(lines: list[bytes]) -> NDArray[np.uint8]:
    padded = b"".join([line.ljust(_WIDTH)[:_WIDTH] for line in lines])
    return np.frombuffer(padded, np.uint8).reshape(-1, _WIDTH)


def _columns(raw: NDArray[np.uint8], first: int, last: int) -> NDArray[np.bytes_]:
    """Columns ``first`` to ``last``, counted from 1 as in the format's description."""
    part = np.ascontiguousarray(raw[:, first - 1 : last])
    return part.view(f"S{last - first + 1}")[:, 0]


def _parse(
    raw: NDArray[np.uint8], hetero: NDArray[np.bool_], line_numbers: NDArray[np.intp], source: str
) -> AtomTable:
    residue_name = strip_text(_columns(raw, 18, 20))
    padded_name = _columns(raw, 13, 16).astype(np.str_)
    chain = _chains(raw)
    coords = np.stack(
        [_floats(_columns(raw, start, start + 7), line_numbers, source) for start in (31, 39, 47)],
        axis=1,
    )
    check_coords(coords, source)
    occupancy, bad_occupancy = _optional_floats(_columns(raw, 55, 60), 1.0)
    b_factor, bad_b_factor = _optional_floats(_columns(raw, 61, 66), 0.0)
    bad = int((bad_occupancy | bad_b_factor).sum())
    reason = "occupancy or B factor is not a number; 1 or 0 is used"
    return AtomTable(
        source=source,
        name=strip_text(padded_name),
        element=map_unique(
            _element, _columns(raw, 77, 78).astype(np.str_), padded_name, residue_name
        ),
        altloc=strip_text(_columns(raw, 17, 17)),
        residue_name=residue_name,
        chain=chain,
        label=chain,
        number=_residue_numbers(_columns(raw, 23, 26), line_numbers, source),
        insertion=strip_text(_columns(raw, 27, 27)),
        hetero=hetero,
        hint=np.zeros(len(raw), np.int8),
        coords=coords.astype(np.float32),
        occupancy=occupancy,
        b_factor=b_factor,
        drops=(Drop("value", reason, bad),) if bad else (),
    )


def _element(columns: str, name: str, residue_name: str) -> str:
    return pdb_element(columns, name, residue_name, is_amino_acid(residue_name))


def _chains(raw: NDArray[np.uint8]) -> NDArray[np.str_]:
    """Column 22; with column 21 where both are used, as for chains of two letters."""
    blank = ord(" ")
    two_letters = (raw[:, 20] != blank) & (raw[:, 21] != blank)
    both = np.ascontiguousarray(raw[:, 20:22])
    both[~two_letters, 0] = blank
    chain = strip_text(both.view("S2")[:, 0])
    return np.where(chain == "", NAMELESS_CHAIN, chain)


def _floats(
    values: NDArray[np.bytes_], line_numbers: NDArray[np.intp], source: str
) -> NDArray[np.float64]:
    try:
        return values.astype(np.float64)
    except ValueError:
        row = next(row for row, value in enumerate(values) if not _is_number(value, float))
        raise StructureError(
            f"{source}: line {line_numbers[row] + 1} has {values[row].decode('latin-1')!r} where "
            "a coordinate should be (columns 31-54); repair the line or fetch the file again"
        ) from None


def _is_number(value: bytes, kind: type) -> bool:
    try:
        kind(value)
    except ValueError:
        return False
    return True


def _optional_floats(
    values: NDArray[np.bytes_], default: float
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Numbers, with ``default`` for blanks; and where there was something that is no number."""
    bad = np.zeros(len(values), np.bool_)
    blank = np.strings.strip(values) == b""
    filled = np.where(blank, str(default).encode(), values)
    try:
        numbers = filled.astype(np.float64)
    except ValueError:
        bad = np.array([not _is_number(value, float) for value in filled])
        numbers = np.where(bad, str(default).encode(), filled).astype(np.float64)
    return numbers.astype(np.float32), bad


def _residue_numbers(
    values: NDArray[np.bytes_], line_numbers: NDArray[np.intp], source: str
) -> NDArray[np.int32]:
    try:
        return values.astype(np.int32)
    except ValueError:
        pass
    numbers = [_hybrid36(value) for value in values.tolist()]
    for row, number in enumerate(numbers):
        if number is None:
            raise StructureError(
                f"{source}: line {line_numbers[row] + 1} has {values[row].decode('latin-1')!r} as "
                "residue number (columns 23-26); a whole number or hybrid-36 is needed"
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


def _hint(
    table: AtomTable, is_ter: NDArray[np.bool_], line_numbers: NDArray[np.intp]
) -> NDArray[np.int8]:
    """`PolymerHint.AFTER_TER` for HETATM atoms behind the last TER of their chain."""
    last_row_before_ter = np.searchsorted(line_numbers, np.flatnonzero(is_ter)) - 1
    last_ter = {table.chain[row]: row for row in last_row_before_ter.tolist() if row >= 0}
    hint = np.full(len(table), PolymerHint.UNKNOWN, np.int8)
    for chain, row in last_ter.items():
        behind = (table.chain == chain) & table.hetero
        behind[: row + 1] = False
        hint[behind] = PolymerHint.AFTER_TER
    return hint
