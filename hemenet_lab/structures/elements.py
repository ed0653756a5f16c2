"""Elements of PDB atoms whose element columns hold something else: told from the atom name."""

from __future__ import annotations

import gemmi

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
