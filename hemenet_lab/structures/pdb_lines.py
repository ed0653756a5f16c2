"""Lines of a PDB file as one array of bytes; which of them hold atoms, and whether any is cut."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from hemenet_lab.structures.table import StructureError
from hemenet_lab.structures.text import Text

END_OF_COORDS = 54
_WIDTH = 80
_NAME_WIDTH = 6
_BETWEEN_ATOMS = ("ATOM", "HETATM", "ANISOU")
_RECORDS = (
    "HEADER OBSLTE TITLE SPLIT CAVEAT COMPND SOURCE KEYWDS EXPDTA NUMMDL MDLTYP AUTHOR REVDAT "
    "SPRSDE JRNL REMARK DBREF DBREF1 DBREF2 SEQADV SEQRES MODRES HET HETNAM HETSYN FORMUL HELIX "
    "SHEET TURN SSBOND LINK LINKR HYDBND SLTBRG CISPEP SITE CRYST1 ORIGX1 ORIGX2 ORIGX3 SCALE1 "
    "SCALE2 SCALE3 MTRIX1 MTRIX2 MTRIX3 TVECT MODEL ATOM ANISOU SIGATM SIGUIJ TER HETATM ENDMDL "
    "CONECT MASTER END USER FTNOTE"
)
_KNOWN = frozenset(_RECORDS.split())
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
    def of(cls, data: bytes, source: str) -> Lines:
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
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

    def in_first_model(self) -> NDArray[np.bool_]:
        """Mask of the lines of the first model and of those outside of all models."""
        starts, ends = self.record.equals("MODEL"), self.record.equals("ENDMDL")
        if not starts.any():
            return np.cumsum(ends) == 0
        position = np.arange(len(starts))
        last_start = np.maximum.accumulate(np.where(starts, position, -1))
        last_end = np.maximum.accumulate(np.where(ends, position, -1))
        return (last_end >= last_start) | (np.cumsum(starts) <= 1)

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
            raise StructureError(
                f"{self.source}: line {index + 1} ends inside the coordinates "
                f"({self.lengths[index]} of at least {END_OF_COORDS} columns); the file is cut or "
                "damaged: fetch it again"
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
