"""The raw atom table that every file format is first read into, and its columns of text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemenet_lab.structures.structure import Drop

_LARGE_TABLE = 1_000_000
"""Combinations of values above which sorting the rows is cheaper than a table of them."""


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
    for column in columns:
        numbers = column.codes if isinstance(column, Text) else column.astype(np.int64)
        low, high = (numbers.min(), numbers.max()) if len(numbers) else (0, 0)
        codes = codes * (high - low + 1) + (numbers - low)
    return codes


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
    repeated = np.zeros(len(codes), np.bool_)
    if len(codes) and np.bincount(codes).max() > 1:
        repeated[:] = True
        repeated[np.unique(codes, return_index=True)[1]] = False
    return repeated


NAMELESS_CHAIN = "_"
"""Id of the chain of atoms whose file gives none (blank in PDB, ``?`` or ``.`` in mmCIF)."""


class StructureError(ValueError):
    """A structure file that cannot be read: which file, what was found, and what to do."""


class PolymerHint(IntEnum):
    """What the file itself says about an atom's place in a polymer."""

    UNKNOWN = 0
    YES = 1
    """mmCIF gives the residue a position in its entity's sequence."""
    NO = 2
    """mmCIF gives it none."""
    AFTER_TER = 3
    """A PDB HETATM behind the last TER of its chain: most likely not part of the polymer."""


@dataclass(frozen=True)
class AtomTable:
    """Atoms of a file's first model, in file order; every array has length A."""

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
    coords: NDArray[np.float32]
    """[A, 3], Å."""
    occupancy: NDArray[np.float32]
    b_factor: NDArray[np.float32]
    """Å²."""
    drops: tuple[Drop, ...] = ()

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


def check_coords(coords: NDArray[np.float64], source: str) -> None:
    """Refuses coordinates that are not numbers.

    Raises:
        StructureError: A coordinate is nan or infinite.
    """
    bad = np.flatnonzero(~np.isfinite(coords).all(axis=1))
    if len(bad):
        raise StructureError(
            f"{source}: {len(bad)} of {len(coords)} atoms have coordinates that are not finite "
            f"numbers, the first is atom {bad[0] + 1} of the file; repair or remove these atoms"
        )
