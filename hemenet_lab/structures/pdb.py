"""PDB files: their lines as one array of bytes, and the fields of the atom lines."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from math import isfinite

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from hemenet_lab.structures.deposited import pdb_sequences
from hemenet_lab.structures.residues import (
    is_amino_acid,
    is_simulation_name,
    pdb_element,
    residue_class,
)
from hemenet_lab.structures.structure import Budget, StructureError
from hemenet_lab.structures.table import (
    NAMELESS_CHAIN,
    AtomTable,
    PolymerHint,
    Text,
    join_codes,
    map_rows,
    narrow,
    parse_fixed,
)

END_OF_COORDS = 54
_WIDTH = 80
_NAME_WIDTH = 6
_SHORT_LINE = 40
"""Bytes that each line counts at least, since it takes 80 in memory however short it is."""
_BETWEEN_ATOMS = ("ATOM", "HETATM", "ANISOU")
_RECORDS = (
    "HEADER OBSLTE TITLE SPLIT CAVEAT COMPND SOURCE KEYWDS EXPDTA NUMMDL MDLTYP AUTHOR REVDAT "
    "SPRSDE JRNL REMARK DBREF DBREF1 DBREF2 SEQADV SEQRES MODRES HET HETNAM HETSYN FORMUL HELIX "
    "SHEET TURN SSBOND LINK LINKR HYDBND SLTBRG CISPEP SITE CRYST1 ORIGX1 ORIGX2 ORIGX3 SCALE1 "
    "SCALE2 SCALE3 MTRIX1 MTRIX2 MTRIX3 TVECT MODEL ATOM ANISOU SIGATM SIGUIJ TER HETATM ENDMDL "
    "CONECT MASTER END USER FTNOTE"
)
_KNOWN = frozenset(_RECORDS.split())
_DECIMAL = re.compile(rb"-?\d+\.\d+")
_THREE_DECIMALS = re.compile(rb"-?\d+\.\d+ *-?\d+\.\d+ *-?\d+\.\d+")


@dataclass(frozen=True)
class Lines:
    """All L lines of a file, padded with blanks or cut to 80 columns."""

    source: str
    raw: NDArray[np.uint8]
    """[L, 80], characters."""
    lengths: NDArray[np.int64]
    """[L], columns of the line in the file."""
    record: Text
    """[L], columns 1-6."""
    last_is_open: bool
    """The file does not end with a line end."""

    @classmethod
    def of(cls, data: bytes, source: str, budget: Budget) -> Lines:
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        budget.need("bytes", data.count(b"\n") * _SHORT_LINE)
        last_is_open = not data.endswith(b"\n")
        text = np.frombuffer(data + b"\n" * last_is_open + b" " * _WIDTH, np.uint8)
        ends = np.flatnonzero(text == ord("\n"))
        starts = np.append(0, ends[:-1] + 1)
        lengths = ends - starts
        inside = np.arange(_WIDTH) < lengths[:, None]
        raw = np.where(inside, sliding_window_view(text, _WIDTH)[starts], np.uint8(ord(" ")))
        return cls(source, raw, lengths, Text.of(columns(raw, 1, 6)), last_is_open)

    def atoms(self) -> NDArray[np.bool_]:
        """Mask of the ATOM and HETATM lines (``ATOM 1`` is one with a serial above 99,999)."""
        return self.record.map(lambda name: name == "HETATM" or name.startswith("ATOM"))

    def models(self) -> NDArray[np.int32]:
        """[L], number of the model that the line is in; lines outside of all are in the first."""
        starts, ends = self.record.equals("MODEL"), self.record.equals("ENDMDL")
        if not starts.any():
            return (np.cumsum(ends) + 1).astype(np.int32)
        position = np.arange(len(starts))
        last_start = np.maximum.accumulate(np.where(starts, position, -1))
        last_end = np.maximum.accumulate(np.where(ends, position, -1))
        ordinal = np.where(last_end >= last_start, 1, np.cumsum(starts)) - 1
        words = [line.tobytes()[_NAME_WIDTH:14].strip() for line in self.raw[starts]]
        serials = [int(word) if word.isdigit() else -1 for word in words]
        if -1 in serials or len(set(serials)) < len(serials):
            serials = list(range(1, len(serials) + 1))
        return np.array(serials, np.int32)[np.maximum(ordinal, 0)]

    def parts(self) -> NDArray[np.int32]:
        """[L], how many records that end something stand before the line."""
        return np.cumsum(self.record.equals("TER", "END", "ENDMDL")).astype(np.int32)

    def count_unreadable(self) -> int:
        """Lines with coordinates whose record name is not in the format (``AATOM``, ``atom``)."""
        known = self.record.map(lambda name: name in _KNOWN or name.startswith("ATOM"))
        unknown = self.raw[~known, 26:58]
        return sum(bool(_THREE_DECIMALS.search(line.tobytes())) for line in unknown)

    def check_whole(self) -> None:
        """Refuses a file that ends too early, as far as its lines can tell.

        Raises:
            StructureError: A line that ends inside the coordinates, a last line that is open and
                shorter than all other atoms, or a model that is not closed.
        """
        self._check_coords_whole(np.flatnonzero(self.atoms()))
        self._check_last_line()
        marks = np.flatnonzero(self.record.equals("MODEL", "ENDMDL", "END"))
        if len(marks) and self.record[marks[-1]] == "MODEL":
            raise StructureError(
                f"{self.source}: the file ends inside a MODEL (no ENDMDL, no END); it is cut: "
                "fetch it again, or add ENDMDL if it is complete"
            )

    def _check_coords_whole(self, atoms: NDArray[np.intp]) -> None:
        for index in atoms[self.lengths[atoms] < END_OF_COORDS][:1]:
            line = self.raw[index].tobytes()
            elsewhere = _DECIMAL.search(line[:30])  # where the format has no such number
            raise StructureError(
                f"{self.source}: line {index + 1} ends inside the coordinates "
                f"({self.lengths[index]} of at least {END_OF_COORDS} columns); "
                + (
                    "its numbers do not stand in the columns of the PDB format (31-54): write the "
                    "file with fixed columns"
                    if elsewhere
                    else "the file is cut or damaged: fetch it again"
                )
            )

    def _check_last_line(self) -> None:
        """A last line without a line end must not be a piece of a line between the atoms."""
        word, length = self.record[-1], self.lengths[-1]
        between_atoms = word != "" and any(name.startswith(word) for name in _BETWEEN_ATOMS)
        if not self.last_is_open or not between_atoms:
            return
        alike = self.lengths[:-1][self.record.map(lambda name: name.startswith(word))[:-1]]
        if length < _NAME_WIDTH or (len(alike) and length < alike.min()):
            raise StructureError(
                f"{self.source}: the last line ends after {length} columns without a line end, "
                f"the other {word} lines are longer; the file is cut: fetch it again"
            )


def columns(raw: NDArray[np.uint8], first: int, last: int) -> NDArray[np.bytes_]:
    """Columns ``first`` to ``last``, counted from 1 as in the format's description."""
    part = np.ascontiguousarray(raw[:, first - 1 : last])
    return part.view(f"S{last - first + 1}")[:, 0]


def read_pdb(data: bytes, source: str, budget: Budget | None = None) -> AtomTable:
    """Atoms of all models of a PDB file.

    Everything behind column 80 is not looked at; columns 77-78 count only when they hold an element
    symbol. Atoms outside of MODEL/ENDMDL belong to the first model. Columns 73-76 (segment id) and
    the TER and END records before an atom are kept for `identity.choose_model`.

    Raises:
        StructureError: No atoms, a coordinate line that is cut, or one that cannot be parsed.
    """
    budget = budget or Budget(source)
    lines = Lines.of(data, source, budget)
    numbers = np.flatnonzero(lines.atoms())
    if not len(numbers):
        raise StructureError(_no_atoms(data, source))
    budget.need("atoms", len(numbers))
    lines.check_whole()
    table = replace(
        _parse(lines.raw[numbers], numbers + 1, source),
        hetero=lines.record.equals("HETATM")[numbers],
        part=lines.parts()[numbers],
        model=lines.models()[numbers],
        declared=pdb_sequences(map(bytes, lines.raw[lines.record.equals("SEQRES")])),
        budget=budget,
    )
    table = replace(table, hint=_hint(table, lines.record.equals("TER"), numbers))
    return table.note("record", "unreadable record", lines.count_unreadable())


def _no_atoms(data: bytes, source: str) -> str:
    found = "is empty" if not data.strip() else "has no ATOM or HETATM record"
    return (
        f"{source}: the file {found}; PDB, mmCIF and BinaryCIF files with coordinates "
        "(plain or .gz) can be read: fetch or export the file again"
    )


def _parse(raw: NDArray[np.uint8], line_numbers: NDArray[np.intp], source: str) -> AtomTable:
    residue_name, chain = _names_and_chains(raw)
    coords = np.stack(
        [_coordinate(raw, start, line_numbers, source) for start in (31, 39, 47)], axis=1
    )
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
        segment=Text.of(columns(raw, 73, 76)),
        part=np.zeros(len(raw), np.int32),
        model=np.ones(len(raw), np.int32),
        molecule=chain,
        position=np.full(len(raw), -1, np.int32),
        line=line_numbers.astype(np.int64),
        coords=narrow(coords),
        occupancy=narrow(occupancy),
        b_factor=narrow(b_factor),
    )
    reason = "occupancy or B factor that is not a number; 1 or 0 is used"
    return table.note("value", reason, bad_occupancies + bad_b_factors)


def _element(symbol: str, name: str, residue_name: str) -> str:
    return pdb_element(symbol, name, residue_name, is_amino_acid(residue_name))


def _names_and_chains(raw: NDArray[np.uint8]) -> tuple[Text, Text]:
    """Residue names and chain ids; column 21 belongs to one of them, in the whole file.

    Simulation programs write residue names of four letters into columns 18-21 (LYSH, NLYS), files
    of more than 62 chains write chain ids of two letters into 21-22.
    """
    name, word, chain = (Text.of(columns(raw, *place)) for place in ((18, 20), (18, 21), (22, 22)))
    used = raw[:, 20] != ord(" ")
    if used.any() and _are_four_letters(name, word, chain, used):
        return word, chain.replaced("", NAMELESS_CHAIN)
    both = np.ascontiguousarray(raw[:, 20:22])
    both[(both == ord(" ")).any(axis=1), 0] = ord(" ")
    return name, Text.of(both.view("S2")[:, 0]).replaced("", NAMELESS_CHAIN)


def _are_four_letters(name: Text, word: Text, chain: Text, used: NDArray[np.bool_]) -> bool:
    """Check that column 21 is the end of residue names, by the names that would come out."""
    votes = {True: 0, False: 0}
    pairs = zip(name.array()[used].tolist(), word.array()[used].tolist(), strict=True)
    for three, four in set(pairs):
        if is_simulation_name(four):
            votes[True] += 1
        elif len(four) < 4 or " " in four or residue_class(three) != "other":
            votes[False] += 1
    if any(votes.values()):
        return votes[True] > votes[False]
    return {*chain.take(used).words()} <= {*chain.take(~used).words()}


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
    good = np.array([_is_number(value, float) and isfinite(float(value)) for value in values])
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
    return b"_" not in value  # Python's 1_000 is no number of a file


def _shown(value: bytes) -> str:
    return repr(value.decode("latin-1"))


def _hint(
    table: AtomTable, is_ter: NDArray[np.bool_], line_numbers: NDArray[np.intp]
) -> NDArray[np.int8]:
    """`PolymerHint.AFTER_TER` for HETATM atoms behind the last TER of their chain."""
    last_row = np.searchsorted(line_numbers, np.flatnonzero(is_ter)) - 1
    last_row = last_row[last_row >= 0]
    chain = np.unique(join_codes(table.chain, table.model), return_inverse=True)[1]
    end_of_chain = np.full(chain.max() + 1, len(table))
    end_of_chain[chain[last_row]] = last_row  # rows rise: the last TER wins
    behind = np.arange(len(table)) > end_of_chain[chain]
    return np.where(behind & table.hetero, PolymerHint.AFTER_TER, table.hint).astype(np.int8)
