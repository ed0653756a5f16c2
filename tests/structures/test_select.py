"""Altlocs, point mutations, duplicates and free groups, worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hemenet_lab.structures import StructureError, read_structure
from hemenet_lab.structures.structure import Structure
from tests.structures.files import Atom, peptide, residue, write_pdb


def _read(tmp_path: Path, atoms: list[Atom], **options: bool) -> Structure:
    return read_structure(write_pdb(tmp_path / "x.pdb", atoms), **options)


def _drops(structure: Structure) -> dict[str, int]:
    return {drop.kind: drop.count for drop in structure.drops}


def _forms(*letters_and_occupancies: tuple[str, float]) -> list[Atom]:
    """SER with blank backbone, and CB and OG once per letter, at z = 1, 2, ..."""
    backbone, side = residue("SER", "A", 1, 0.0)[:4], residue("SER", "A", 1, 0.0)[4:]
    return backbone + [
        replace(atom, altloc=letter, occupancy=occupancy, place=(*atom.place[:2], i + 1.0))
        for i, (letter, occupancy) in enumerate(letters_and_occupancies)
        for atom in side
    ]


@pytest.mark.parametrize(
    ("forms", "z"),
    [
        ([("A", 0.4), ("B", 0.6)], 2),
        ([("A", 0.6), ("B", 0.4)], 1),
        ([("B", 0.5), ("A", 0.5)], 2),
        ([("C", 0.2), ("B", 0.4), ("A", 0.4)], 3),
        ([("B", 0.3)], 1),
    ],
)
def test_highest_occupancy_then_first_letter(
    tmp_path: Path, forms: list[tuple[str, float]], z: int
) -> None:
    structure = _read(tmp_path, _forms(*forms))
    assert structure.atom_name.tolist() == ["N", "CA", "C", "O", "CB", "OG"]
    assert structure.coords[4:, 2].tolist() == [z, z]
    assert _drops(structure).get("alternative", 0) == 2 * (len(forms) - 1)


def test_one_conformer_is_kept_whole(tmp_path: Path) -> None:
    """A wins by its mean (0.55) although B has the higher occupancy at OG."""
    atoms = _forms(("A", 0.5), ("B", 0.5))
    atoms[4], atoms[7] = replace(atoms[4], occupancy=0.9), replace(atoms[7], occupancy=0.6)
    structure = _read(tmp_path, atoms)
    assert structure.coords[4:, 2].tolist() == [1, 1]


def test_blank_atom_belongs_to_the_form_that_lacks_it(tmp_path: Path) -> None:
    """As in disordered.pdb: CB of the first form has no letter."""
    atoms = _forms(("A", 0.5), ("B", 0.5))
    atoms[4] = replace(atoms[4], altloc="")
    assert _read(tmp_path, atoms).coords[4:, 2].tolist() == [1, 1]
    atoms = [replace(atom, occupancy=0.7 if atom.altloc == "B" else 0.3) for atom in atoms]
    structure = _read(tmp_path, atoms)
    assert structure.coords[4:, 2].tolist() == [2, 2]
    assert _drops(structure) == {"alternative": 2}


def test_form_of_a_side_chain_takes_the_backbone_of_the_next_best(tmp_path: Path) -> None:
    atoms = [replace(atom, altloc="A", occupancy=0.3) for atom in residue("SER", "A", 1, 0.0)]
    atoms += [replace(a, altloc="C", occupancy=0.4, place=(9, 9, 9)) for a in atoms[5:]]
    structure = _read(tmp_path, atoms)
    assert structure.atom_name.tolist() == ["N", "CA", "C", "O", "CB", "OG"]
    assert structure.coords[5].tolist() == [9, 9, 9]


def test_point_mutation_by_occupancy(tmp_path: Path) -> None:
    serine = [replace(a, altloc="A", occupancy=0.4) for a in residue("SER", "A", 1, 0.0)]
    alanine = [replace(a, altloc="B", occupancy=0.6) for a in residue("ALA", "A", 1, 0.0)]
    structure = _read(tmp_path, serine + alanine)
    assert structure.residue_name.tolist() == ["ALA"]
    assert _drops(structure) == {"alternative": 6}


def test_point_mutation_without_letters_keeps_the_fuller_residue(tmp_path: Path) -> None:
    glycine, serine = residue("GLY", "A", 4, 0.0), residue("SER", "A", 4, 0.0)
    structure = _read(tmp_path, [*glycine, serine[3]])
    assert structure.residue_name.tolist() == ["GLY"]
    assert _drops(structure) == {"alternative": 1}


def test_duplicates_keep_the_first(tmp_path: Path) -> None:
    atoms = residue("GLY", "A", 1, 0.0)
    again = replace(atoms[1], place=(5.0, 5.0, 5.0))
    structure = _read(tmp_path, [*atoms, again])
    assert structure.coords[1].tolist() == list(np.float32(atoms[1].place))
    assert _drops(structure) == {"duplicate": 1}


def test_two_spellings_of_one_slot_are_duplicates(tmp_path: Path) -> None:
    atoms = residue("GLY", "A", 1, 0.0)
    structure = _read(tmp_path, [*atoms, replace(atoms[3], name="OT1")])
    assert _drops(structure) == {"duplicate": 1}
    assert structure.atom_name.tolist() == ["N", "CA", "C", "O"]


def test_ions_that_share_a_number_in_a_nameless_chain_all_count(tmp_path: Path) -> None:
    ions = [
        Atom(name, name, " ", 1, (9.0, i, 0.0), name, hetero=True)
        for i, name in enumerate(("ZN", "MG", "NA"))
    ]
    structure = _read(tmp_path, peptide(["ALA"]) + ions, keep_hetero=True)
    assert structure.residue_name.tolist() == ["ALA", "ZN", "MG", "NA"]
    assert structure.chain_id == ("A", "_")
    assert structure.drops == ()


def test_calcium_is_no_alpha_carbon(tmp_path: Path) -> None:
    calcium = Atom("CA", "CA", "A", 90, (1.0, 1.0, 9.0), "CA", hetero=True)
    structure = _read(tmp_path, [*peptide(["GLY"]), calcium], keep_hetero=True)
    assert structure.residue_name.tolist() == ["GLY", "CA"]
    assert structure.element.tolist()[-1] == "CA"
    assert structure.is_polymer.tolist() == [True, False]


def test_water_hydrogen_deuterium_oxt_and_modified_residues_are_counted(tmp_path: Path) -> None:
    atoms = peptide(["ALA", "MSE"])
    atoms += [
        Atom("OXT", "MSE", "A", 2, (7.0, 0.0, 1.0), "O", hetero=True),
        Atom("H1", "ALA", "A", 1, (0.0, 0.0, 1.0), "H"),
        Atom("D1", "ALA", "A", 1, (0.0, 1.0, 1.0), "D"),
        Atom("XX", "MSE", "A", 2, (0.0, 3.0, 1.0), "C", hetero=True),
        Atom("O", "WAT", "A", 3, (0.0, 0.0, 9.0), "O", hetero=True),
        Atom("H1", "HOH", "A", 4, (0.0, 0.0, 9.5), "H", hetero=True),
    ]
    structure = _read(tmp_path, atoms)
    assert _drops(structure) == {"water": 2, "hydrogen": 2, "terminal oxygen": 1, "no slot": 1}
    assert structure.residue_name.tolist() == ["ALA", "MSE"]
    assert structure.element[structure.atom_name == "SE"].tolist() == ["S"]


def test_unknown_residue_inside_a_chain(tmp_path: Path) -> None:
    odd = [replace(atom, residue="XYZ", hetero=True) for atom in residue("ALA", "A", 2, 3.8)]
    atoms = peptide(["GLY"]) + odd + residue("GLY", "A", 3, 7.6)
    structure = _read(tmp_path, atoms)
    assert structure.residue_name.tolist() == ["GLY", "XYZ", "GLY"]
    assert structure.residue_type.tolist()[1] == 20
    assert structure.sequence_index.tolist() == [0, 1, 2]


def test_cap_is_counted(tmp_path: Path) -> None:
    cap = Atom("N", "NH2", "A", 2, (3.8, 0.0, 0.0), "N", hetero=True)
    assert _drops(_read(tmp_path, [*peptide(["ALA"]), cap])) == {"cap": 1}


def test_nucleic_acids_by_name_and_by_sugar(tmp_path: Path) -> None:
    atoms = [
        Atom("P", "DA", "B", 1, (0.0, 9.0, 0.0)),
        Atom("C1'", "XYZ", "B", 2, (0.0, 9.0, 3.0), "C"),
        Atom("C1'", "ATP", "A", 90, (0.0, 9.0, 6.0), "C", hetero=True),
    ]
    assert _drops(_read(tmp_path, peptide(["ALA"]) + atoms)) == {"nucleic acid": 2, "hetero": 1}


@pytest.mark.parametrize(("name", "is_residue"), [("GLU", False), ("MSE", True)])
def test_unbonded_hetatm_amino_acid(tmp_path: Path, name: str, is_residue: bool) -> None:
    """A free GLU is a ligand; MSE next to gaps is taken for a residue."""
    free = [replace(atom, residue=name, hetero=True) for atom in residue("GLY", "A", 90, 0.0, 30.0)]
    structure = _read(tmp_path, peptide(["ALA"]) + free)
    assert (name in structure.residue_name) == is_residue
    assert _drops(structure) == ({} if is_residue else {"hetero": 4})


def test_modified_amino_acid_behind_ter_is_a_ligand(tmp_path: Path) -> None:
    free = [a.line() for a in residue("MSE", "A", 90, 0.0, 30.0, hetero=True)]
    chain = [a.line() for a in peptide(["ALA"])]
    (tmp_path / "x.pdb").write_text("\n".join([*chain, "TER", *free, "END\n"]))
    assert _drops(read_structure(tmp_path / "x.pdb")) == {"hetero": 8}


@pytest.mark.parametrize(
    ("atoms", "message"),
    [
        ([Atom("O", "HOH", "A", 1, (0, 0, 0))], "no protein residue; .* 1 water"),
        ([Atom("MG", "MG", "A", 1, (0, 0, 0), "MG", hetero=True)], "not usable: 1 hetero"),
        ([Atom("P", "DA", "A", 1, (0, 0, 0))], "not usable: 1 nucleic acid"),
        ([Atom("H", "ALA", "A", 1, (0, 0, 0))], "not usable: 1 hydrogen"),
        ([Atom("OXT", "ALA", "A", 1, (0, 0, 0), "O")], "not usable: 1 terminal oxygen"),
    ],
)
def test_no_protein(tmp_path: Path, atoms: list[Atom], message: str) -> None:
    with pytest.raises(StructureError, match=f"x.pdb: .*{message}"):
        _read(tmp_path, atoms)
