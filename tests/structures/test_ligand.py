from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from hemenet_lab.structures.ligand import LigandError, ligand_from_mmcif, read_ligand
from hemenet_lab.structures.molblock import (
    FileKind,
    count_molecules,
    read_atom_block,
    read_with_rdkit,
)
from hemenet_lab.structures.parse import read_structure
from tests.shared import SAMPLE, needs_shared
from tests.structures.files import Atom, peptide, write_cif, write_pdb

METHANOL = """methanol
  made by hand

  4  3  0  0  0  0  0  0  0  0999 V2000
    0.0000    0.5000   -1.2500 C   0  0  0  0  0  0  0  0  0  0  0  0
    1.4000    0.5000   -1.2500 O   0  0  0  0  0  0  0  0  0  0  0  0
    1.7000   -0.4000   -1.2500 H   0  0  0  0  0  0  0  0  0  0  0  0
   -0.4000    1.5000   -1.2500 D   0  0  0  0  0  0  0  0  0  0  0  0
  1  2  1  0
  2  3  1  0
  1  4  1  0
M  END
"""
V3000 = """methanol


  0  0  0     0  0            999 V3000
M  V30 BEGIN CTAB
M  V30 COUNTS 2 1 0 0 0
M  V30 BEGIN ATOM
M  V30 1 C 0.0 0.5 -1.25 0
M  V30 2 O 1.4 0.5 -1.25 0
M  V30 END ATOM
M  V30 BEGIN BOND
M  V30 1 1 1 2
M  V30 END BOND
M  V30 END CTAB
M  END
"""
MOL2 = """@<TRIPOS>MOLECULE
methanol
 3 2 1 0 0
SMALL
NO_CHARGES

@<TRIPOS>ATOM
 1 C1 0.0 0.5 -1.25 C.3 1 LIG 0.0
 2 O1 1.4 0.5 -1.25 O.3 1 LIG 0.0
 3 H1 1.7 -0.4 -1.25 H 1 LIG 0.0
@<TRIPOS>BOND
 1 1 2 1
 2 2 3 1
"""
FIVE_BONDS = METHANOL.replace("  1  2  1  0", "  1  2  3  0").replace(
    "  1  4  1  0", "  1  4  3  0"
)


def _write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("name", "text", "hydrogens"),
    [("a.sdf", METHANOL, 2), ("a.mol", V3000, 0), ("a.mol2", MOL2, 1)],
)
def test_heavy_atoms(tmp_path: Path, name: str, text: str, hydrogens: int) -> None:
    ligand = read_ligand(_write(tmp_path / name, text))
    assert ligand.name == "a"
    assert ligand.element.tolist() == ["C", "O"]
    assert ligand.coords.tolist() == [[0, 0.5, -1.25], [np.float32(1.4), 0.5, -1.25]]
    assert ligand.coords.dtype == np.float32
    assert (ligand.sanitized, ligand.note) == (True, "")
    assert sum(drop.count for drop in ligand.drops) == hydrogens


@pytest.mark.parametrize(
    ("kind", "text"), [("sdf", METHANOL), ("sdf", V3000), ("mol2", MOL2), ("sdf", FIVE_BONDS)]
)
def test_own_reader_equals_rdkit(kind: FileKind, text: str) -> None:
    own, (peer, _, _) = read_atom_block(text, kind, "x"), read_with_rdkit(text, kind)
    assert peer is not None
    assert np.array_equal(own.coords, peer.coords)
    isotopes = np.where(own.element == "D", "H", own.element)
    assert isotopes.tolist() == peer.element.tolist()


def test_failed_chemistry_is_noted_and_quiet(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    ligand = read_ligand(_write(tmp_path / "a.sdf", FIVE_BONDS))
    assert not ligand.sanitized
    assert "Explicit valence for atom # 0 C, 6" in ligand.note
    assert ligand.num_atoms == 2
    captured = capfd.readouterr()
    assert captured.err + captured.out == ""


def test_what_rdkit_cannot_read_is_read_from_the_atom_block(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    broken = METHANOL.replace("  2  3  1  0", "  2 99  1  0")
    ligand = read_ligand(_write(tmp_path / "a.sdf", broken))
    assert ligand.element.tolist() == ["C", "O"]
    assert not ligand.sanitized
    assert ligand.note.startswith("RDKit cannot read it: ")
    assert ligand.note.endswith("only its atom block was read")
    assert "no reason" not in ligand.note
    captured = capfd.readouterr()
    assert captured.err + captured.out == ""


def test_letters_beyond_ascii_neither_move_columns_nor_print(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    text = METHANOL.replace("made by hand", "fait à la main").replace(" C   0", " C   \xff")
    (tmp_path / "a.sdf").write_bytes(text.encode("latin-1"))
    assert read_ligand(tmp_path / "a.sdf").element.tolist() == ["C", "O"]
    assert capfd.readouterr().err == ""


def test_further_molecules_are_counted(tmp_path: Path) -> None:
    ligand = read_ligand(_write(tmp_path / "a.sdf", f"{METHANOL}$$$$\n{METHANOL}$$$$\n"))
    assert [(d.kind, d.count) for d in ligand.drops] == [("molecule", 1), ("hydrogen", 2)]
    assert read_ligand(_write(tmp_path / "a.mol2", MOL2 + MOL2)).drops[0].count == 1


@pytest.mark.parametrize(
    ("kind", "text", "count"),
    [
        ("sdf", METHANOL, 1),
        ("sdf", METHANOL + "$$$$\n", 1),
        ("sdf", METHANOL + "$$$$\n\n", 1),
        ("sdf", f"{METHANOL}$$$$\n{METHANOL}", 2),
        ("mol2", MOL2, 1),
        ("mol2", MOL2 * 3, 3),
    ],
)
def test_count_molecules(kind: FileKind, text: str, count: int) -> None:
    assert count_molecules(text, kind) == count


def test_gzipped(tmp_path: Path) -> None:
    (tmp_path / "a.sdf.gz").write_bytes(gzip.compress(METHANOL.encode()))
    assert read_ligand(tmp_path / "a.sdf.gz").num_atoms == 2
    (tmp_path / "b.sdf.gz").write_bytes(gzip.compress(METHANOL.encode())[:60])
    with pytest.raises(LigandError, match=r"b\.sdf\.gz: the gzip file is cut"):
        read_ligand(tmp_path / "b.sdf.gz")


HYDROGEN = METHANOL.replace(" C  ", " H  ").replace(" O  ", " H  ")
FLAT = METHANOL.replace("-1.2500", " 0.0000").replace(" H  ", " N  ").replace(" D  ", " N  ")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.pdb", METHANOL, r"not a ligand file by its ending; allowed: \.sdf"),
        ("a", METHANOL, "not a ligand file by its ending"),
        ("a.sdf", "", "not a whole sdf file .0 lines"),
        ("a.sdf", "\n\nabc\nxyz\n", "no counts line but 'xyz'"),
        ("a.sdf", METHANOL[:230], "4 atoms announced, 3 found|could not convert"),
        ("a.sdf", METHANOL.replace("0.5000", "0.5x00"), "could not convert string to float"),
        ("a.sdf", METHANOL.replace("0.5000", "   nan"), "not finite|not a whole sdf"),
        ("a.sdf", HYDROGEN, "a ligand without heavy atoms"),
        ("a.sdf", FLAT, "all 4 heavy atoms have z = 0, a flat drawing"),
        ("a.mol2", "no sections", "not a whole mol2 file"),
        ("a.mol2", MOL2[:130], "3 atoms announced|not a whole mol2"),
    ],
)
def test_errors(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(LigandError, match=message):
        read_ligand(_write(tmp_path / name, text))


def test_missing_file() -> None:
    with pytest.raises(FileNotFoundError):
        read_ligand("no-such-file.sdf")


def _two_copies() -> list[Atom]:
    def copy(chain: str, number: int, x: float) -> list[Atom]:
        return [
            Atom("C1", "LIG", chain, number, (x, 9.0, 0.0), "C", "A", occupancy=0.4, hetero=True),
            Atom("C1", "LIG", chain, number, (x, 9.5, 0.0), "C", "B", occupancy=0.6, hetero=True),
            Atom("O2", "LIG", chain, number, (x, 8.0, 0.0), "O", hetero=True),
            Atom("H1", "LIG", chain, number, (x, 7.0, 0.0), "H", hetero=True),
        ]

    return peptide(["ALA"]) + copy("A", 90, 1.0) + copy("A", 91, 2.0) + copy("B", 90, 3.0)


@pytest.mark.parametrize("ending", ["cif", "bcif", "pdb"])
def test_residue_of_a_structure_file(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"x.{ending}"
    (write_pdb if ending == "pdb" else write_cif)(path, _two_copies())
    ligand = ligand_from_mmcif(path, "LIG", "A", 91)
    assert ligand.name == "LIG"
    assert ligand.coords.tolist() == [[2, 9.5, 0], [2, 8, 0]]
    assert ligand.element.tolist() == ["C", "O"]
    assert not ligand.sanitized
    assert "no bonds" in ligand.note
    assert {drop.kind: drop.count for drop in ligand.drops} == {"hydrogen": 1, "alternative": 1}
    assert ligand_from_mmcif(path, "LIG", "B").coords[0, 0] == 3


def test_residue_that_is_missing_or_ambiguous(tmp_path: Path) -> None:
    path = write_cif(tmp_path / "x.cif", _two_copies())
    with pytest.raises(LigandError, match="no residue HEM; its HETATM residues are LIG"):
        ligand_from_mmcif(path, "HEM")
    copies = r"copies are at \(chain number\) A 90, A 91, B 90: choose one"
    with pytest.raises(LigandError, match=f"3 residues LIG fit, one is needed; {copies}"):
        ligand_from_mmcif(path, "LIG")
    with pytest.raises(LigandError, match="2 residues LIG fit"):
        ligand_from_mmcif(path, "LIG", "A")
    with pytest.raises(LigandError, match="0 residues LIG fit"):
        ligand_from_mmcif(path, "LIG", "B", 91)


UNSANITIZED = {
    *("1a61", "1hte", "1z9h", "2pv2", "2pyy", "2w8w", "3dgq", "3q6z"),
    *("3qlb", "3tws", "4bpj", "4cjq", "4cwb", "4hlc", "4lts", "4mx1"),
}
"""SDF files of the sample that fail RDKit's check, as the sample's README lists them."""


@needs_shared
def test_all_ligands_of_the_sample() -> None:
    """SDF and mol2 of each complex have the same heavy atoms at the same places."""
    assert SAMPLE is not None
    folders = sorted((SAMPLE / "refined-set").iterdir())
    assert len(folders) == 34
    failed: dict[str, set[str]] = {"sdf": set(), "mol2": set()}
    for folder in folders:
        sdf, mol2 = (read_ligand(folder / f"{folder.name}_ligand.{e}") for e in ("sdf", "mol2"))
        assert sdf.num_atoms == mol2.num_atoms > 0, folder.name
        assert sorted(sdf.element.tolist()) == sorted(mol2.element.tolist()), folder.name
        assert np.abs(np.sort(sdf.coords, 0) - np.sort(mol2.coords, 0)).max() < 0.002, folder.name
        failed["sdf"] |= set() if sdf.sanitized else {folder.name}
        failed["mol2"] |= set() if mol2.sanitized else {folder.name}
        assert all(bool(ligand.note) != ligand.sanitized for ligand in (sdf, mol2))
    assert failed == {"sdf": UNSANITIZED, "mol2": {"3qlb"}}


@needs_shared
def test_own_reader_equals_rdkit_on_the_sample() -> None:
    assert SAMPLE is not None
    for path in sorted(SAMPLE.glob("refined-set/*/*_ligand.*")):
        kind: FileKind = "mol2" if path.suffix == ".mol2" else "sdf"
        text = path.read_text()
        own, (peer, _, _) = read_atom_block(text, kind, path.name), read_with_rdkit(text, kind)
        if peer is not None:
            assert own.element.tolist() == peer.element.tolist(), path.name
            assert np.array_equal(own.coords, peer.coords), path.name


@needs_shared
def test_ligands_of_real_cif_files() -> None:
    assert SAMPLE is not None
    hard = SAMPLE / "hard_cases"
    assert ligand_from_mmcif(hard / "1gbt.bcif.gz", "GBS").num_atoms == 12
    assert ligand_from_mmcif(hard / "6WQA.cif", "ZMA").num_atoms == 25
    with pytest.raises(LigandError, match="2 residues FX0 fit"):
        ligand_from_mmcif(hard / "7CFN.cif", "FX0")
    assert read_structure(hard / "6WQA.cif", keep_hetero=True).num_residues == 391 + 25
