"""RDKit's reading of a molecule, with its messages caught instead of printed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from io import StringIO

import numpy as np
from rdkit import Chem, rdBase

from hemenet_lab.structures.molblock import AtomBlock, FileKind


def read_with_rdkit(text: str, kind: FileKind) -> tuple[AtomBlock | None, bool, str]:
    """The first molecule of a file's text, hydrogens included.

    Returns:
        Its atoms (None if RDKit cannot read it), whether it passes RDKit's chemistry checks, and
        RDKit's complaint if it does not.
    """
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
