"""What a residue name means: its class and its parent."""

from __future__ import annotations

from functools import cache
from typing import Literal

import gemmi

from hemenet_lab.structures.vocabulary import (
    ONE_LETTER,
    RESIDUE_ATOMS,
    RESIDUES,
    SPELLINGS,
    TERMINAL_CAPS,
    WATERS,
)

ResidueClass = Literal["amino acid", "water", "nucleic acid", "cap", "other"]

_PARENT_LETTERS = {**dict(zip(ONE_LETTER, RESIDUES, strict=True)), "U": "CYS", "O": "LYS"}
"""Selenocysteine and pyrrolysine stand for the residue that they replace."""
SAME_SLOT = {("MET", "SE"): "SD", ("CYS", "SE"): "SG", ("ILE", "CD"): "CD1"}
"""(parent, atom name) → name of the slot, where these differ."""


@cache
def residue_class(name: str) -> ResidueClass:
    """Class of a residue name, by gemmi's table of the common ones."""
    info = gemmi.find_tabulated_residue(name)
    if name in WATERS or info.is_water():
        return "water"
    if name in TERMINAL_CAPS:
        return "cap"
    if name in RESIDUE_ATOMS or name in SPELLINGS or info.is_amino_acid():
        return "amino acid"
    if info.is_nucleic_acid():
        return "nucleic acid"
    return "other"


def is_amino_acid(name: str) -> bool:
    return residue_class(name) == "amino acid"


@cache
def parent_residue(name: str) -> str:
    """Standard residue that ``name`` is or derives from (``MSE`` → ``MET``), else ``UNK``."""
    if name in RESIDUE_ATOMS:
        return name
    if name in SPELLINGS:
        return SPELLINGS[name]
    info = gemmi.find_tabulated_residue(name)
    letter = info.one_letter_code.upper() if info.is_amino_acid() else "X"
    return _PARENT_LETTERS.get(letter, "UNK")


def mapped_element(residue_name: str, atom_name: str, element: str) -> str:
    """Element of an atom in its parent residue: selenium takes sulphur's place."""
    if element == "SE" and (parent_residue(residue_name), atom_name) in SAME_SLOT:
        return "S"
    return element
