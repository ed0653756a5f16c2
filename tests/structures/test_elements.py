from __future__ import annotations

import pytest

from hemenet_lab.structures.residues import pdb_element


@pytest.mark.parametrize(
    ("columns", "name", "residue", "amino", "element"),
    [
        (" C", " CA ", "ALA", True, "C"),
        ("CA", "CA  ", "CA", False, "CA"),
        ("", " CA ", "ALA", True, "C"),
        ("", "CA  ", "ALA", True, "C"),
        ("", "CA  ", "CA", False, "CA"),
        ("", " CA ", "CA", False, "CA"),
        ("23", " CA ", "ALA", True, "C"),
        ("23", "CA  ", "CA", False, "CA"),
        ("", "HG11", "VAL", True, "H"),
        ("", "1HB ", "ALA", True, "H"),
        ("", "SE  ", "MSE", True, "SE"),
        ("", "ZN  ", "ZN", False, "ZN"),
        ("", "NA  ", "NA", False, "NA"),
        ("", " NA ", "HEM", False, "N"),
        ("", "FE  ", "HEM", False, "FE"),
        ("", "CL1 ", "LIG", False, "CL"),
        ("", "CAA1", "LIG", False, "C"),
        ("", "CL12", "LIG", False, "CL"),
        ("", " O5'", "ATP", False, "O"),
        ("", "C1  ", "LIG", False, "C"),
        ("", " 123", "LIG", False, "X"),
        ("", " Q  ", "LIG", False, "X"),
        ("D ", " D1 ", "DOD", False, "D"),
    ],
)
def test_element(columns: str, name: str, residue: str, amino: bool, element: str) -> None:
    assert pdb_element(columns, name, residue, amino) == element
