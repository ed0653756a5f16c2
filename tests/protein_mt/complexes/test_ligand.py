"""The open route's ligand: which copy in the structure is taken, and its bonds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rdkit import Chem

from hemenet_lab.protein_mt.complexes.ligand import (
    ligand_rows,
    ligand_sdf,
    place_of,
    read_component,
)
from hemenet_lab.structures import AtomTable, LigandError, read_atoms, read_ligand
from tests.protein_mt.cif_files import COMPONENT, cif_text, ligand, two_chains
from tests.protein_mt.complexes.entry_files import component, read
from tests.structures.files import Atom, peptide


def chosen(table: AtomTable, **where: object) -> str:
    return place_of(table, ligand_rows(table, "LIG", **where))  # type: ignore[arg-type] # options


def test_copy_with_most_atoms_is_taken(tmp_path: Path) -> None:
    atoms = [*peptide(["ALA", "GLY"]), *ligand("A", 301, 0.0, names="CO"), *ligand("A", 302, 30.0)]
    assert chosen(read(tmp_path, atoms)) == "A 302"
    assert chosen(read(tmp_path, [*atoms, *ligand("A", 303, 60.0)])) == "A 302"


def test_copy_nearest_to_the_receptor_is_taken(tmp_path: Path) -> None:
    table = read(tmp_path, two_chains())
    assert chosen(table) == "A 301"
    assert chosen(table, receptor=("B",)) == "B 302"
    assert chosen(table, receptor=("A", "B")) == "B 302"  # two atoms are nearer than three
    # waters and ligands of the chain do not count as protein
    atoms = [*two_chains(), Atom("O", "HOH", "B", 500, (2.0, 0.0, 5.0), hetero=True)]
    assert chosen(read(tmp_path, atoms), receptor=("B",)) == "B 302"


def test_copy_by_chain_and_number(tmp_path: Path) -> None:
    table = read(tmp_path, two_chains())
    assert chosen(table, chain="B") == "B 302"
    assert chosen(table, number=302) == "B 302"
    # where chains have each other's label ids, the author's counts
    path = tmp_path / "labels.cif"
    path.write_text(cif_text("1abc", two_chains(), {"A": "B", "B": "A"}))
    assert chosen(read_atoms(path), chain="B") == "B 302"
    path.write_text(cif_text("1abc", two_chains(), {"A": "C", "B": "D"}))
    assert chosen(read_atoms(path), chain="C") == "A 301"
    with pytest.raises(LigandError, match=r"copies are at \(chain number\) A 301, B 302"):
        chosen(table, chain="A", number=302)


def test_no_such_ligand_or_receptor(tmp_path: Path) -> None:
    table = read(tmp_path, two_chains())
    with pytest.raises(LigandError, match=r"no ligand STI; it has HOH, LIG"):
        ligand_rows(table, "STI")
    with pytest.raises(LigandError, match=r"receptor chains C; its protein chains are A, B"):
        chosen(table, receptor=("C",))


def test_a_polymer_residue_is_no_ligand(tmp_path: Path) -> None:
    free = [replace(atom, hetero=True) for atom in peptide(["SER"], "A", first=301, y=8.0)]
    table = read(tmp_path, [*peptide(["SER", "SER"]), *free])
    rows = ligand_rows(table, "SER")
    assert place_of(table, rows) == "A 301"
    assert len(rows) == 6


def test_bond_orders_and_charges_of_the_dictionary(tmp_path: Path) -> None:
    table = read(tmp_path, two_chains())
    text, note = ligand_sdf(
        table.take(ligand_rows(table, "LIG")), "title", read_component(component(tmp_path))
    )
    assert note == ""
    molecule = Chem.MolFromMolBlock(text)
    assert Chem.MolToSmiles(molecule) == "[NH3+]C=O"
    assert text.startswith("title\n")
    assert text.endswith("M  END\n$$$$\n")
    np.testing.assert_allclose(molecule.GetConformer().GetPositions()[1], [3.3, 0.0, 5.0])


def test_atoms_that_the_structure_lacks_are_noted(tmp_path: Path) -> None:
    table = read(tmp_path, two_chains())
    rows = ligand_rows(table, "LIG", chain="B")
    text, note = ligand_sdf(table.take(rows), "", read_component(component(tmp_path)))
    assert note == "1 of 3 heavy atoms not in the structure"
    assert Chem.MolToSmiles(Chem.MolFromMolBlock(text)) == "C=O"


def test_without_the_dictionary_bonds_go_by_distance(tmp_path: Path) -> None:
    table = read(tmp_path, two_chains())
    text, note = ligand_sdf(table.take(ligand_rows(table, "LIG")), "", None)
    assert note == "bonds by distance, all single"
    assert Chem.MolFromMolBlock(text).GetNumBonds() == 2
    # so too where the structure names its atoms otherwise
    odd = [replace(a, name="X9") if a.name == "N1" else a for a in two_chains()]
    table = read(tmp_path, odd)
    rows = ligand_rows(table, "LIG")
    _, note = ligand_sdf(table.take(rows), "", read_component(component(tmp_path)))
    assert note == "bonds by distance, all single"


def test_impossible_chemistry_is_noted(tmp_path: Path) -> None:
    path = component(tmp_path)
    path.write_text(COMPONENT.replace("O1 DOUB", "O1 TRIP"))
    table = read(tmp_path, two_chains())
    text, note = ligand_sdf(table.take(ligand_rows(table, "LIG")), "", read_component(path))
    assert note == "RDKit's chemistry check fails"
    (tmp_path / "x.sdf").write_text(text)
    assert not read_ligand(tmp_path / "x.sdf").sanitized


def test_component_of_another_form(tmp_path: Path) -> None:
    path = tmp_path / "LIG.cif"
    path.write_text("<html>")
    with pytest.raises(ValueError, match="not a component definition"):
        read_component(path)
