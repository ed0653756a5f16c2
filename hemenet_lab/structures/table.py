"""The raw atom table: what every file format is first read into, before anything is chosen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemenet_lab.structures.structure import Drop
from hemenet_lab.structures.text import Text

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
