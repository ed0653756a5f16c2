"""Ligand files of the classes that gave wrong numbers, in forms that nobody had tried."""

from __future__ import annotations

from pathlib import Path

import pytest

from hemenet_lab.protein_mt.raw.fingerprint import read_fingerprint, read_smiles
from hemenet_lab.structures import LigandError, read_ligand
from tests.structures.test_ligand import METHANOL, MOL2
from tests.structures.test_mol2 import GAFF_ANISOLE, GAFF_BONDS, _mol2

CHAIN = [(1, 2), (2, 3), (3, 4)]


@pytest.mark.parametrize(
    ("atoms", "elements"),
    [
        ([("C1", "c3"), ("SE1", "se"), ("C2", "c3"), ("O1", "oh")], ["C", "SE", "C", "O"]),
        ([("C1", "C.3"), ("CA", "ca"), ("C2", "C.ar"), ("CL1", "Cl")], ["C", "C", "C", "CL"]),
        ([("C1", "CT"), ("CA", "CA"), ("N", "NA"), ("HO", "HO")], ["C", "C", "N"]),
        ([("CL1", "CLGR1"), ("C1", "CG2R61"), ("N1", "NG2S1"), ("H1", "HGR61")], ["CL", "C", "N"]),
    ],
    ids=["selenium beside GAFF", "one GAFF type", "AMBER", "CHARMM"],
)
def test_elements(tmp_path: Path, atoms: list[tuple[str, str]], elements: list[str]) -> None:
    path = tmp_path / "a.mol2"
    path.write_text(_mol2(atoms, CHAIN))
    assert read_ligand(path).element.tolist() == elements


def test_ligands_of_other_type_schemes_have_no_fingerprint(tmp_path: Path) -> None:
    path, known = tmp_path / "a.mol2", tmp_path / "b.mol2"
    path.write_text(_mol2(GAFF_ANISOLE, GAFF_BONDS))
    known.write_text(MOL2)
    assert read_fingerprint([path]) == b""
    assert read_smiles([path]) == ""
    assert read_fingerprint([path, known]) == read_fingerprint([known]) != b""


def test_the_kind_is_told_by_the_content(tmp_path: Path) -> None:
    sdf, mol2 = tmp_path / "a.sdf", tmp_path / "b.mol2"
    sdf.write_text(MOL2)
    mol2.write_text(METHANOL)
    assert read_ligand(sdf).sanitized
    assert read_ligand(mol2).sanitized
    assert read_smiles([sdf])


def _placed(*places: tuple[float, float, float]) -> str:
    atoms = "".join("".join(f"{v:10.4f}" for v in place) + " C   0  0\n" for place in places)
    return f"x\n\n\n{len(places):3d}  0  0  0  0  0  0  0  0  0999 V2000\n{atoms}M  END\n"


@pytest.mark.parametrize(
    ("places", "reason"),
    [
        ([(0.1 * i, 0.01 * i * i, 0.03 * (i % 2)) for i in range(1, 6)], "nanometres"),
        ([(0.0, 1.5 * i, 0.4 * i * i) for i in range(5)], "have x = 0, a flat drawing"),
        ([(1.5 * i, 7.0, 0.4 * i * i) for i in range(5)], "have y = 7, a flat drawing"),
        ([(50.0, 1.5, 2.0), (51.5, 1.5, 2.1), (9999.0, 9999.0, 9999.0)], "atom 3 .* placeholder"),
        ([(0.0, 0.0, 0.0), (50.0, 1.5, 2.0), (51.5, 1.5, 2.1)], "atom 1 .* placeholder"),
    ],
)
def test_places_that_cannot_be(
    tmp_path: Path, places: list[tuple[float, float, float]], reason: str
) -> None:
    path = tmp_path / "a.sdf"
    path.write_text(_placed(*places))
    with pytest.raises(LigandError, match=reason):
        read_ligand(path)


def test_an_atom_of_a_molecule_may_lie_at_the_origin(tmp_path: Path) -> None:
    path = tmp_path / "a.sdf"
    path.write_text(_placed((0.0, 0.0, 0.0), (1.5, 0.0, 0.1), (2.2, 1.2, 0.2)))
    assert read_ligand(path).num_atoms == 3
