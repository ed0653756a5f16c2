"""Meaning of names: class and parent of a residue, element of an atom."""

from __future__ import annotations

import re
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
_TITRATED = re.compile("(ARG|ASP|CYS|GLU|HIS|LYS|TYR)[HNABDEPUX12]")
"""Protonation states in four letters: GROMOS and OPLS (LYSH, HISB, CYS2), CHARMM (ASPP)."""


@cache
def simulated_residue(name: str) -> str:
    """Standard residue that a simulation program's name stands for; empty for other names.

    Protonation states (``HSD``, ``LYSH``) and terminal residues (``NLYS``, ``CLEU``) are known.
    """
    if name in SPELLINGS:
        return SPELLINGS[name]
    if _TITRATED.fullmatch(name):
        return name[:3]
    if len(name) == 4 and name[0] in "NC":
        return name[1:] if name[1:] in RESIDUE_ATOMS else SPELLINGS.get(name[1:], "")
    return ""


def is_simulation_name(word: str) -> bool:
    """Whether a simulation program gives a residue this name of four letters."""
    return len(word) == 4 and (word in WATERS or bool(simulated_residue(word)))


@cache
def residue_class(name: str) -> ResidueClass:
    """Class of a residue name, by gemmi's table of the common ones."""
    info = gemmi.find_tabulated_residue(name)
    if name in WATERS or info.is_water():
        return "water"
    if name in TERMINAL_CAPS:
        return "cap"
    if name in RESIDUE_ATOMS or simulated_residue(name) or info.is_amino_acid():
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
    if simulated_residue(name):
        return simulated_residue(name)
    info = gemmi.find_tabulated_residue(name)
    letter = info.one_letter_code.upper() if info.is_amino_acid() else "X"
    return _PARENT_LETTERS.get(letter, "UNK")


def mapped_element(residue_name: str, atom_name: str, element: str) -> str:
    """Element of an atom in its parent residue: selenium takes sulphur's place."""
    if element == "SE" and (parent_residue(residue_name), atom_name) in SAME_SLOT:
        return "S"
    return element


SYMBOLS: frozenset[str] = frozenset(
    {gemmi.Element(number).name.upper() for number in range(1, 119)} | {"D"}
)
"""Element symbols in upper case, deuterium included."""

_TWO_LETTERS_IN_RESIDUES = ("SE", "CL", "BR", "AS")
"""No atom name of a standard residue begins with these."""


def pdb_element(columns: str, name: str, residue_name: str, is_amino_acid: bool) -> str:
    """Element symbol of a PDB atom, in upper case.

    Args:
        columns: Columns 77-78; old files have line numbers there.
        name: Columns 13-16, blanks included: ``" CA "`` is a carbon, ``"CA  "`` calcium.
        residue_name: Name of the residue, without blanks.
        is_amino_acid: Whether the residue is an amino acid, which has no calcium.

    Returns:
        The symbol; ``X`` when the name tells nothing.
    """
    symbol = columns.strip().upper()
    if symbol in SYMBOLS:
        return symbol
    name = name.ljust(4).upper()
    letters = "".join(letter for letter in name if letter.isalpha())
    if is_amino_acid:
        two_letters = letters.startswith(_TWO_LETTERS_IN_RESIDUES) and name[0] != " "
        return letters[:2] if two_letters else _first_symbol(letters)
    if letters == residue_name.upper() and letters in SYMBOLS:
        return letters
    if name[0] != " " and name[:2] in SYMBOLS and _may_be_two_letters(name):
        return name[:2]
    return _first_symbol(letters)


def _may_be_two_letters(name: str) -> bool:
    """Names of four characters start in the first column whatever the element: C and H mostly."""
    return name[1].isalpha() and (name[3] == " " or name[:2] in ("CL", "BR", "FE"))


def _first_symbol(letters: str) -> str:
    return letters[0] if letters[:1] in SYMBOLS else "X"
