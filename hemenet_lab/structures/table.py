"""The raw atom table that every file format is first read into, and its columns of text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemenet_lab.structures.structure import Budget, Drop, StructureError

_LARGE_TABLE = 1_000_000
"""Combinations of values above which sorting the rows is cheaper than a table of them."""
_LARGEST_CODE = 2**40


@dataclass(frozen=True)
class Text:
    """``values[codes]`` is the column; not every value need occur."""

    values: NDArray[np.str_]
    codes: NDArray[np.int64]

    @classmethod
    def of(cls, column: NDArray, strip: bool = True) -> Text:
        """From str, or from bytes of up to 8 letters, which lose the blanks around."""
        if column.dtype.kind != "S":
            values, codes = unique_runs(column)
            return cls(values.astype(np.str_), codes)
        assert column.dtype.itemsize <= 8
        packed = np.ascontiguousarray(column.astype("S8")).view(np.uint64)
        numbers, codes = unique_runs(packed)
        words = [word.decode("latin-1") for word in numbers.view("S8").tolist()]
        return cls.merged(np.array([w.strip() if strip else w for w in words], np.str_), codes)

    @classmethod
    def merged(cls, values: NDArray[np.str_], codes: NDArray[np.int64]) -> Text:
        """From values that may repeat."""
        unique, place = np.unique(values, return_inverse=True)
        return cls(unique, place[codes])

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, row: int) -> str:
        return str(self.values[self.codes[row]])

    def take(self, rows: NDArray) -> Text:
        """The column at ``rows`` (indices, or a mask)."""
        return Text(self.values, self.codes[rows])

    def array(self) -> NDArray[np.str_]:
        return self.values[self.codes]

    def words(self) -> list[str]:
        """Distinct values that occur, sorted."""
        return self.values[np.unique(self.codes)].tolist()

    def equals(self, *words: str) -> NDArray[np.bool_]:
        """Mask of the rows that are one of ``words``."""
        return np.isin(self.values, words)[self.codes]

    def map(self, function: Callable[[str], Any]) -> NDArray:
        """``function`` of every row."""
        return map_rows(function, self)

    def replaced(self, old: str, new: str) -> Text:
        """The column with the value ``old`` written as ``new``."""
        return Text.merged(np.where(self.values == old, new, self.values), self.codes)


def map_rows(function: Callable[..., Any], *columns: Text) -> NDArray:
    """``function(value of each column)`` per row, called once per combination that occurs."""
    sizes = tuple(len(column.values) for column in columns)
    codes = np.ravel_multi_index([column.codes for column in columns], sizes)
    if np.prod(sizes) > _LARGE_TABLE:
        occurring, place = np.unique(codes, return_inverse=True)
    else:
        occurs = np.zeros(int(np.prod(sizes)), np.bool_)
        occurs[codes] = True
        occurring, place = np.flatnonzero(occurs), (np.cumsum(occurs) - 1)[codes]
    combinations = np.unravel_index(occurring, sizes)
    words = [column.values[i].tolist() for column, i in zip(columns, combinations, strict=True)]
    return np.array([function(*row) for row in zip(*words, strict=True)])[place]


def join_codes(*columns: Text | NDArray) -> NDArray[np.int64]:
    """One integer per row, equal where the rows are equal in all columns (text or integers)."""
    codes = np.zeros(len(columns[0]), np.int64)
    if not len(codes):
        return codes
    for column in columns:
        numbers = column.codes if isinstance(column, Text) else column.astype(np.int64)
        low, size = int(numbers.min()), int(numbers.max()) - int(numbers.min()) + 1
        if int(codes.max() + 1) * size > _LARGEST_CODE:  # would overflow in the end
            codes = np.unique(codes, return_inverse=True)[1]
            numbers, low = np.unique(numbers, return_inverse=True)[1], 0
            size = int(numbers.max()) + 1
        codes = codes * size + (numbers - low)
    return codes


def rows_by_code(codes: NDArray[np.int64]) -> list[NDArray[np.intp]]:
    """Rows of each code that occurs, in the order of the codes."""
    if not len(codes):
        return []
    order = np.argsort(codes, kind="stable")
    return np.split(order, run_starts(codes[order])[1:])


def run_starts(column: NDArray) -> NDArray[np.intp]:
    """Rows whose value differs from that of the row before; the first row included."""
    return np.flatnonzero(np.append(True, column[1:] != column[:-1])[: len(column)])


def unique_runs(column: NDArray) -> tuple[NDArray, NDArray[np.int64]]:
    """As `numpy.unique` with its inverse; fast where equal values follow each other."""
    starts = run_starts(column)
    values, codes = np.unique(column[starts], return_inverse=True)
    return values, np.repeat(codes, np.diff(np.append(starts, len(column))))


def is_repeated(codes: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Mask of the rows whose code has stood in an earlier row."""
    repeated = np.ones(len(codes), np.bool_)
    repeated[np.unique(codes, return_index=True)[1]] = False
    return repeated


NAMELESS_CHAIN = "_"
"""Id of the chain of atoms whose file gives none (blank in PDB, ``?`` or ``.`` in mmCIF)."""


class PolymerHint(IntEnum):
    """Hints of the file itself about an atom's place in a polymer."""

    UNKNOWN = 0
    YES = 1
    """mmCIF gives the residue a position in its entity's sequence."""
    NO = 2
    """mmCIF gives it none."""
    AFTER_TER = 3
    """A PDB HETATM behind the last TER of its chain: most likely not part of the polymer."""


@dataclass(frozen=True)
class AtomTable:
    """Atoms of a file, in file order; every array has length A."""

    source: str
    """File name, for messages."""
    name: Text
    element: Text
    """Symbols in upper case."""
    altloc: Text
    """Letter of the alternative location, empty for none."""
    residue_name: Text
    chain: Text
    """Author chain ids; `NAMELESS_CHAIN` where blank."""
    label: Text
    """mmCIF label chain ids; the author ids in PDB files."""
    number: NDArray[np.int32]
    insertion: Text
    hetero: NDArray[np.bool_]
    """True for HETATM records."""
    hint: NDArray[np.int8]
    """Values of `PolymerHint`."""
    segment: Text
    """PDB's segment ids, mmCIF's label chain ids; empty for none."""
    part: NDArray[np.int32]
    """Number of TER, END and ENDMDL records before the atom; 0 in mmCIF files."""
    model: NDArray[np.int32]
    """Number of the atom's model in the file."""
    molecule: Text
    """Key of the chain's sequence in ``declared``: mmCIF's label id, a PDB file's own chain id."""
    position: NDArray[np.int32]
    """Place of the residue in that sequence, from 0, as mmCIF gives it; -1 for none."""
    line: NDArray[np.int64]
    """Line of a PDB file, or row of ``_atom_site``, from 1."""
    coords: NDArray[np.float32]
    """[A, 3], Å."""
    occupancy: NDArray[np.float32]
    b_factor: NDArray[np.float32]
    """Å²."""
    declared: Mapping[str, str] = field(default_factory=dict)
    """Deposited sequences in one-letter code, those of residues without coordinates included."""
    drops: tuple[Drop, ...] = ()
    notes: tuple[str, ...] = ()
    chosen_model: int = 0
    """Number of the only model that is left; 0 where the file has one, or was read whole."""
    line_word: str = "line"
    """What ``line`` counts."""
    budget: Budget = field(default_factory=lambda: Budget("structure"), compare=False)

    def __len__(self) -> int:
        return len(self.name)

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> AtomTable:
        """The atoms at ``rows`` (indices, or a mask)."""
        columns: dict[str, Any] = {
            name: value.take(rows) if isinstance(value, Text) else value[rows]
            for name, value in vars(self).items()
            if isinstance(value, Text | np.ndarray)
        }
        return replace(self, **columns)

    def drop(self, mask: NDArray[np.bool_], kind: str, reason: str) -> AtomTable:
        """The table without the atoms in ``mask``, which are counted in ``drops``."""
        count = int(mask.sum())
        if not count:
            return self
        return self.take(~mask).note(kind, reason, count)

    def note(self, kind: str, reason: str, count: int) -> AtomTable:
        """The table with one more `Drop`; nothing is added for a count of 0."""
        if not count:
            return self
        return replace(self, drops=(*self.drops, Drop(kind, reason, count)))


def count_models(text: Text) -> NDArray[np.int32]:
    """Numbers of the models; counted from 1 in file order where they are no numbers."""
    words = [text.values[code] for code in dict.fromkeys(text.codes.tolist())]
    whole = all(word.isascii() and word.isdigit() and len(word) < 10 for word in words)
    if whole and len({int(word) for word in words}) == len(words):
        return text.map(int).astype(np.int32)
    return text.map(lambda word: words.index(word) + 1).astype(np.int32)


LARGEST_COORDINATE = 1e5
"""Å; far beyond any structure, and float32 still tells 0.01 Å apart there."""


def check_coords(table: AtomTable) -> None:
    """Refuses coordinates that no atom can have.

    Raises:
        StructureError: A coordinate is nan, infinite as float32, or beyond `LARGEST_COORDINATE`.
    """
    size = np.abs(table.coords).max(axis=1, initial=0.0)
    for bad, what, advice in (
        (~np.isfinite(size), "have coordinates that are not finite numbers", "repair"),
        (size > LARGEST_COORDINATE, f"lie beyond {LARGEST_COORDINATE:.0f} Å", "give Å, or repair"),
    ):
        rows = np.flatnonzero(bad)
        if len(rows):
            raise StructureError(
                f"{table.source}: {len(rows)} of {len(table)} atoms {what}, the first is in "
                f"{table.line_word} {table.line[rows[0]]}; {advice} or remove these atoms"
            )


def narrow(numbers: NDArray[np.float64]) -> NDArray[np.float32]:
    """The numbers as float32; too large ones become infinite, which `check_coords` refuses."""
    with np.errstate(over="ignore", invalid="ignore"):
        return numbers.astype(np.float32)


def parse_fixed(raw: NDArray[np.uint8], decimals: int) -> NDArray[np.float64] | None:
    """Numbers as Fortran's F format writes them, such as ``" -12.345"``.

    The value is the integer of all digits over a power of ten, which is the double nearest to the
    decimal number, as ``float`` gives.

    Args:
        raw: [A, width], the characters.
        decimals: Digits behind the point; 0 for whole numbers (no point).

    Returns:
        float64 [A]; None if any row is written in another way.
    """
    by_column = np.ascontiguousarray(raw.T)
    point = len(by_column) - decimals - 1 if decimals else len(by_column)
    head, tail = by_column[:point], by_column[point + 1 :]
    digit, minus = _is_digit(head), head == ord("-")
    kind = 2 * digit + minus  # blank 0, minus 1, digit 2: must not fall from left to right
    well_formed = (
        (digit | minus | (head == ord(" "))).all()
        and (kind[:-1] <= kind[1:]).all()
        and not (minus[:-1] & minus[1:]).any()
        and digit[-1].all()
        and (by_column[point : point + 1] == ord(".")).all()
        and _is_digit(tail).all()
    )
    if not well_formed:
        return None
    digits = np.concatenate([np.where(digit, head - ord("0"), 0), tail - ord("0")])
    value = 10.0 ** np.arange(len(digits))[::-1] @ digits.astype(np.float64) / 10**decimals
    return np.where(minus.any(axis=0), -value, value)


def _is_digit(characters: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return (characters >= ord("0")) & (characters <= ord("9"))
