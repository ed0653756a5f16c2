"""Atoms of SDF (V2000, V3000) and mol2 files, read by RDKit or line by line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from io import StringIO
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hemenet_lab.structures.residues import SYMBOLS

FileKind = Literal["sdf", "mol2"]


class LigandError(ValueError):
    """A ligand that cannot be read: which file, what was found, and what to do."""


@dataclass(frozen=True)
class AtomBlock:
    """Atoms of a molecule, hydrogens included; A atoms in file order."""

    element: NDArray[np.str_]
    """[A], symbols in upper case."""
    coords: NDArray[np.float64]
    """[A, 3], Å."""


def read_atom_block(text: str, kind: FileKind, source: str) -> AtomBlock:
    """Elements and coordinates of the first molecule, read line by line.

    Raises:
        LigandError: No atom block, fewer atoms than announced, or a line that is no atom.
    """
    lines = text.splitlines()
    try:
        rows = _mol2_rows(lines) if kind == "mol2" else _sdf_rows(lines)
        atoms = [(_symbol(symbol), [float(value) for value in place]) for symbol, place in rows]
    except (ValueError, IndexError) as error:
        raise LigandError(
            f"{source}: not a whole {kind} file ({error}); fetch or export the file again"
        ) from None
    return AtomBlock(
        np.array([symbol for symbol, _ in atoms], dtype=np.str_),
        np.array([place for _, place in atoms], np.float64).reshape(-1, 3),
    )


def count_molecules(text: str, kind: FileKind) -> int:
    """Number of molecules in the file, at least 1."""
    lines = [line.strip() for line in text.splitlines()]
    if kind == "mol2":
        return max(1, lines.count("@<TRIPOS>MOLECULE"))
    last = max((i for i, line in enumerate(lines) if line == "$$$$"), default=len(lines))
    return lines.count("$$$$") + any(lines[last + 1 :]) or 1


def _sdf_rows(lines: list[str]) -> list[tuple[str, list[str]]]:
    """Symbol and coordinates as text; columns of the CTfile format (V2000), words in V3000."""
    if len(lines) < 4:
        raise ValueError(f"{len(lines)} lines, no counts line")
    if "V3000" in lines[3]:
        return _v3000_rows(lines)
    try:
        count = int(lines[3][:3])
    except ValueError:
        raise ValueError(f"no counts line but {lines[3]!r}") from None
    rows = [
        (line[31:34].strip(), [line[0:10], line[10:20], line[20:30]])
        for line in lines[4 : 4 + count]
    ]
    return _complete(rows, count)


def _v3000_rows(lines: list[str]) -> list[tuple[str, list[str]]]:
    words = [line.split() for line in lines if line.startswith("M  V30")]
    count = next((int(w[3]) for w in words if w[2] == "COUNTS"), 0)
    start = words.index(["M", "V30", "BEGIN", "ATOM"]) + 1
    return _complete([(w[3], w[4:7]) for w in words[start : start + count]], count)


def _mol2_rows(lines: list[str]) -> list[tuple[str, list[str]]]:
    """The element is the part of the SYBYL atom type before the dot (``C.ar``)."""
    stripped = [line.strip() for line in lines]
    count = int(stripped[stripped.index("@<TRIPOS>MOLECULE") + 2].split()[0])
    start = stripped.index("@<TRIPOS>ATOM") + 1
    words = [line.split() for line in stripped[start : start + count]]
    return _complete([(word[5].split(".")[0], word[2:5]) for word in words], count)


def _complete(rows: list[tuple[str, list[str]]], count: int) -> list[tuple[str, list[str]]]:
    if len(rows) < count:
        raise ValueError(f"{count} atoms announced, {len(rows)} found")
    return rows


def _symbol(text: str) -> str:
    symbol = text.upper()
    if symbol not in SYMBOLS and not text.isidentifier() and text not in ("*",):
        raise ValueError(f"{text!r} is not an element")
    return symbol if symbol in SYMBOLS else "X"


def read_with_rdkit(text: str, kind: FileKind) -> tuple[AtomBlock | None, bool, str]:
    """The first molecule of a file's text, hydrogens included.

    Returns:
        Its atoms (None if RDKit cannot read it), whether it passes RDKit's chemistry checks, and
        RDKit's complaint if it does not.
    """
    from rdkit import Chem  # a third of a second that reading a protein need not wait for

    read = Chem.MolFromMol2Block if kind == "mol2" else Chem.MolFromMolBlock
    with _messages() as messages:
        molecule = read(text, sanitize=False, removeHs=False)
        if molecule is None or not molecule.GetNumConformers():
            return None, False, f"RDKit cannot read it: {_summary(messages)}"
        sanitized, note = True, ""
        try:
            Chem.SanitizeMol(molecule)
        except ValueError as error:  # base class of RDKit's sanitizing errors
            sanitized, note = False, f"RDKit's chemistry check fails: {error}"
    symbols = [atom.GetSymbol().upper() for atom in molecule.GetAtoms()]
    block = AtomBlock(
        np.array(["X" if symbol == "*" else symbol for symbol in symbols], dtype=np.str_),
        molecule.GetConformer().GetPositions(),
    )
    return block, sanitized, note


@contextmanager
def _messages() -> Iterator[StringIO]:
    """RDKit's log goes into the given text, not to the terminal."""
    from rdkit import rdBase

    text = StringIO()
    rdBase.LogToPythonStderr()
    try:
        with redirect_stderr(text):
            yield text
    finally:
        rdBase.LogToCppStreams()


def _summary(messages: StringIO) -> str:
    lines = [re.sub(r"^\[[\d:]+\] ", "", line) for line in messages.getvalue().splitlines()]
    return "; ".join(dict.fromkeys(line.strip() for line in lines if line.strip())) or "no reason"
