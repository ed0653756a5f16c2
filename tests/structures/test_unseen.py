"""Faults of whole classes of files, found by trying variants of public troubles."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hemenet_lab.structures import StructureError, read_structure
from tests.structures.files import Atom, peptide, residue, write_cif, write_pdb

NAMES = ["ALA", "GLY", "SER"] * 8


def _chain() -> list[Atom]:
    """24 residues that rise slowly, so that no axis is constant."""
    return [
        replace(atom, place=(atom.place[0], atom.place[1], 0.3 * atom.number))
        for atom in peptide(NAMES)
    ]


def _moved(atoms: list[Atom], scale: float = 1.0, flat: bool = False) -> list[Atom]:
    return [
        replace(atom, place=((x - 0.2 * y * flat) * scale, y * scale * (not flat), z * scale))
        for atom in atoms
        for x, y, z in [atom.place]
    ]


def test_nanometres_are_refused(tmp_path: Path) -> None:
    assert read_structure(write_pdb(tmp_path / "a.pdb", _chain())).num_residues == 24
    with pytest.raises(StructureError, match=r"0.15 apart.*nanometres"):
        read_structure(write_pdb(tmp_path / "b.pdb", _moved(_chain(), 0.1)))


def test_a_flattened_protein_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StructureError, match="same y; a structure needs three dimensions"):
        read_structure(write_pdb(tmp_path / "b.pdb", _moved(_chain(), flat=True)))


@pytest.mark.parametrize("number", [10, 24])
def test_single_atoms_at_the_origin_are_placeholders(tmp_path: Path, number: int) -> None:
    atoms = [
        replace(atom, place=(0.0, 0.0, 0.0)) if (atom.name, atom.number) == ("O", number) else atom
        for atom in _chain()
    ]
    with pytest.raises(StructureError, match=r"1 of .* placeholders"):
        read_structure(write_pdb(tmp_path / "x.pdb", atoms))


def test_an_atom_of_a_residue_at_the_origin_may_be_there(tmp_path: Path) -> None:
    assert _chain()[0].place[:2] == (0.0, 0.0)
    atoms = [replace(a, place=(a.place[0], a.place[1], a.place[2] - 0.3)) for a in _chain()]
    assert read_structure(write_pdb(tmp_path / "x.pdb", atoms)).coords[0].tolist() == [0, 0, 0]


def test_of_forms_without_letters_the_likeliest_is_kept(tmp_path: Path) -> None:
    atoms = [
        form
        for atom in _chain()
        for form in (
            [replace(atom, occupancy=0.4), replace(atom, occupancy=0.6, place=(30.0, 9.0, 9.0))]
            if (atom.name, atom.number) == ("OG", 9)
            else [atom]
        )
    ]
    far = 30.0, 9.0, 9.0
    near = [replace(a, place=(31.8, 4.0, 2.7)) if a.place == far else a for a in atoms]
    structure = read_structure(write_pdb(tmp_path / "x.pdb", near))
    row = np.flatnonzero((structure.atom_name == "OG") & (structure.atom_residue == 8))
    assert structure.occupancy[row].tolist() == pytest.approx([0.6])
    assert [(drop.kind, drop.count) for drop in structure.drops] == [("duplicate", 1)]


def test_a_stray_with_the_number_of_a_residue_is_dropped_by_name(tmp_path: Path) -> None:
    """As IAS E 115 of 2FTL, 21 Å from CYS E 115."""
    stray = residue("SER", "A", 9, 80.0, hetero=True)
    text = "".join(f"{atom.line()}\n" for atom in _chain()) + "TER\n"
    text += "".join(f"{atom.line()}\n" for atom in stray)
    (tmp_path / "x.pdb").write_text(text)
    structure = read_structure(tmp_path / "x.pdb", keep_hetero=True)
    assert structure.chain_id == ("A",)
    assert structure.residue_name.tolist() == NAMES
    assert structure.notes == ()
    [drop] = structure.drops
    assert (drop.kind, drop.count) == ("second residue", len(stray))
    assert drop.reason.endswith("SER A 9")


def test_a_peptide_behind_the_chain_is_a_ligand(tmp_path: Path) -> None:
    """As ALA-PRO A 201-202 of 1PIN; within the chain, bonded HETATM residues belong to it."""
    ligand = peptide(["ALA", "GLY"], "A", 201, 40.0)
    ligand = [replace(atom, hetero=True) for atom in ligand]
    chain = "".join(f"{atom.line()}\n" for atom in _chain())
    tail = "".join(f"{atom.line()}\n" for atom in ligand)
    (tmp_path / "x.pdb").write_text(chain + "TER\n" + tail)
    structure = read_structure(tmp_path / "x.pdb")
    assert structure.num_residues == 24
    assert [(drop.kind, drop.count) for drop in structure.drops] == [("hetero", len(ligand))]
    (tmp_path / "y.pdb").write_text(chain + tail + "TER\n")
    assert read_structure(tmp_path / "y.pdb").num_residues == 26


def test_case_of_tags_and_further_blocks(tmp_path: Path) -> None:
    path = write_cif(tmp_path / "x.cif", _chain())
    text = path.read_text()
    path.write_text(text.replace("_atom_site.Cartn", "_ATOM_SITE.CARTN") + text[:0])
    assert read_structure(path).num_residues == 24
    second = text.replace("data_", "data_second_", 1)
    path.write_text(text + "\n" + second)
    structure = read_structure(path)
    assert structure.num_residues == 24
    assert [(drop.kind, drop.count) for drop in structure.drops] == [("block", len(_chain()))]
    path.write_text("a note\n" + text)
    with pytest.raises(StructureError, match="begins with 'a note"):
        read_structure(path)


def test_a_file_that_may_be_cut_between_rows_says_so(tmp_path: Path) -> None:
    path = write_cif(tmp_path / "x.cif", _chain())
    rows = path.read_text().rstrip().rstrip("#").rstrip().splitlines()
    path.write_text("\n".join(["data_x", "_cell.length_a 1.0", "#", *rows[1:-7]]) + "\n")
    assert any("see that it is whole" in note for note in read_structure(path).notes)
