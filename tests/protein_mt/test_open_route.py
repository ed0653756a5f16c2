"""Complexes by an affinity table: the table, the copy of the ligand, its bonds, what is written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rdkit import Chem

from hemenet_lab.protein_mt.affinity import Binding, parse_binding
from hemenet_lab.protein_mt.layout import find_raw
from hemenet_lab.protein_mt.open_route.copies import ligand_rows, place_of
from hemenet_lab.protein_mt.open_route.cut import open_cif
from hemenet_lab.protein_mt.open_route.molecule import ligand_sdf, read_component
from hemenet_lab.protein_mt.open_route.table import (
    Complex,
    parse_affinity,
    read_affinity_table,
)
from hemenet_lab.protein_mt.open_route.write import (
    binding_text,
    index_line,
    write_complex,
    write_indices,
)
from hemenet_lab.protein_mt.pdbbind_index import parse_index_line, read_pdbbind_index
from hemenet_lab.structures.ligand import ligand_from_mmcif, read_ligand
from hemenet_lab.structures.molblock import LigandError
from hemenet_lab.structures.parse import StructureError, read_atoms, read_structure
from hemenet_lab.structures.table import AtomTable
from tests.protein_mt.cif_files import COMPONENT, bcif_gz, cif_gz, ligand, two_chains
from tests.shared import SAMPLE, needs_shared
from tests.structures.files import Atom, peptide

WRITERS = {"bcif": bcif_gz, "cif": cif_gz}
TABLE = """\
# values of two papers
id,ligand,receptor_chains,partner_chains,affinity,unit,measure,source,ligand_chain,ligand_number
1ABC,LIG,A,,10,nM,Ki,doi 10.1/x,,
2abc,lig,,,<7.5,pIC50,,"Some paper, 2020",B,302
3abc,,A;B,C,1e7,M-1,Ka,thesis,,
"""
ROW = Complex("1abc", Binding("Kd", "=", 8.0), "a paper", ligand="LIG")


def read(tmp_path: Path, atoms: list[Atom], kind: str = "cif") -> AtomTable:
    return read_atoms(entry(tmp_path, atoms, kind))


def entry(tmp_path: Path, atoms: list[Atom] | None = None, kind: str = "bcif") -> Path:
    path = tmp_path / f"1abc.{kind}.gz"
    path.write_bytes(WRITERS[kind]("1abc", two_chains() if atoms is None else atoms))
    return path


def component(tmp_path: Path) -> Path:
    path = tmp_path / "LIG.cif"
    path.write_text(COMPONENT)
    return path


def test_table(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text(TABLE)
    table = read_affinity_table(path)
    assert not table.problems
    assert [(row.id, row.kind, row.ligand, row.source) for row in table.rows] == [
        ("1abc", "lba", "LIG", "doi 10.1/x"),
        ("2abc", "lba", "LIG", "Some paper, 2020"),
        ("3abc", "ppa", "", "thesis"),
    ]
    first, second, third = table.rows
    assert first.binding == Binding("Ki", "=", 8.0)
    assert (first.receptor, first.ligand_chain, first.ligand_number) == (("A",), "", None)
    # a pK below 7.5 is a constant above 10^-7.5
    assert second.binding == Binding("IC50", ">", 7.5)
    assert (second.ligand_chain, second.ligand_number) == ("B", 302)
    assert third.binding == Binding("Ka", "=", 7.0)
    assert (third.receptor, third.partner) == (("A", "B"), ("C",))


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("abc,LIG,,,1,nM,,x,,", "is not a PDB code"),
        ("1abc,LIG,,,1,nM,,,,", "no source"),
        ("1abc,LIG,,,many,nM,,x,,", "affinity 'many' is not a number"),
        ("1abc,LIG,,,1,kg,,x,,", "unit 'kg'; expected one of fM"),
        ("1abc,LIG,,,1,MM,,x,,", "unit 'MM'"),
        ("1abc,LIG,,,1,nM,Km,x,,", "measure 'Km'"),
        ("1abc,LIG,,,0,nM,,x,,", "must be above zero"),
        ("1abc,4-mer,,,1,nM,,x,,", "ligands of several residues are not supported"),
        ("1abc,LIG,A,B,1,nM,,x,,", "both a ligand and partner_chains"),
        ("1abc,,A,,1,nM,,x,,", "neither a ligand nor"),
        ("1abc,,AB,B,1,nM,,x,,", "chain B is on both sides"),
        ("1abc,LIG,,,1,nM,,x,A,third", "ligand_number 'third'"),
    ],
)
def test_rows_that_cannot_be_used(tmp_path: Path, row: str, reason: str) -> None:
    path = tmp_path / "table.csv"
    path.write_text("\n".join([*TABLE.splitlines()[:2], row]))
    table = read_affinity_table(path)
    assert not table.rows
    [problem] = table.problems
    assert reason in problem.reason
    assert problem.line == 3


def test_a_second_row_for_an_entry_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text(TABLE + "1abc,LIG,,,1,nM,,x,,\n1abc,,A,B,1,nM,,x,,\n")
    table = read_affinity_table(path)
    assert len(table.rows) == 4  # as a pair the entry is another complex
    assert [(p.line, p.id, p.reason) for p in table.problems] == [
        (6, "1abc", "the entry has an earlier row, which is used")
    ]


def test_a_table_without_needed_columns(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("id,pKd\n1abc,7\n")
    with pytest.raises(ValueError, match=r"not \['affinity', 'unit', 'source'\]"):
        read_affinity_table(path)


@pytest.mark.parametrize(
    ("value", "unit", "measure"),
    [("10", "nM", "Ki"), ("<=2.5", "uM", ""), ("~3", "pM", "IC50"), ("1e7", "M-1", "Ka")],
)
def test_values_survive_the_index_file(value: str, unit: str, measure: str) -> None:
    binding = parse_affinity(value, unit, measure)
    again = parse_binding(binding_text(binding))
    assert (again.measure, again.sign) == (binding.measure, binding.sign)
    assert again.pk == pytest.approx(binding.pk, abs=1e-5)


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


def test_likelier_location_is_taken(tmp_path: Path) -> None:
    atoms = [
        *peptide(["ALA", "GLY"]),
        *ligand("A", 301, 0.0, altloc="A", occupancy=0.3),
        *ligand("A", 301, 9.0, altloc="B", occupancy=0.7),
    ]
    path = entry(tmp_path, atoms)
    write_complex(ROW, path, component(tmp_path), tmp_path / "raw")
    written = read_ligand(tmp_path / "raw" / "open-route" / "1abc" / "1abc_ligand.sdf")
    np.testing.assert_allclose(written.coords[0], [9.0, 0.0, 5.0])
    # the reader of ligands in structure files agrees
    np.testing.assert_allclose(written.coords, ligand_from_mmcif(path, "LIG").coords, atol=1e-3)


@pytest.mark.parametrize("kind", ["bcif", "cif"])
def test_ligand_complex(tmp_path: Path, kind: str) -> None:
    raw = tmp_path / "raw"
    written = write_complex(ROW, entry(tmp_path, kind=kind), component(tmp_path), raw)
    assert written.note == "LIG at A 301"
    protein = raw / "open-route" / "1abc" / f"1abc_protein.{kind}.gz"
    assert protein in written.paths
    whole, cut = read_structure(entry(tmp_path, kind=kind)), read_structure(protein)
    np.testing.assert_array_equal(cut.coords, whole.coords)
    assert cut.chain_id == ("A", "B")
    # the taken copy is not in the protein's file a second time, the other one is
    assert not (read_atoms(protein).number == 301).any()
    assert (read_atoms(protein).number == 302).any()
    ligand_file = read_ligand(raw / "open-route" / "1abc" / "1abc_ligand.sdf")
    assert ligand_file.sanitized
    assert ligand_file.element.tolist() == ["C", "O", "N"]
    assert written.index_line == "1abc  1.90  2004  8.0000  Kd=1e-08M  // (LIG) a paper"
    again = protein.read_bytes()
    write_complex(ROW, entry(tmp_path, kind=kind), component(tmp_path), raw)
    assert protein.read_bytes() == again


def test_receptor_chains_only(tmp_path: Path) -> None:
    row = replace(ROW, receptor=("B",))
    written = write_complex(row, entry(tmp_path), component(tmp_path), tmp_path / "raw")
    assert written.note.startswith("LIG at B 302")
    assert read_structure(written.paths[0]).chain_id == ("B",)


def test_one_file_whatever_the_format(tmp_path: Path) -> None:
    for kind in ("cif", "bcif"):
        path = entry(tmp_path, kind=kind)
        write_complex(ROW, path, None, tmp_path / "raw")
    names = {path.name for path in (tmp_path / "raw" / "open-route" / "1abc").iterdir()}
    assert names == {"1abc_protein.bcif.gz", "1abc_ligand.sdf"}


def test_pair(tmp_path: Path) -> None:
    atoms = [*two_chains(), *peptide(["GLY", "GLY"], "C", y=80.0)]
    row = Complex("1abc", Binding("Kd", "<", 6.0), "x", receptor=("A",), partner=("B",), note="n")
    written = write_complex(row, entry(tmp_path, atoms), None, tmp_path / "raw")
    assert read_structure(written.paths[0]).chain_id == ("A", "B")
    assert written.index_line.endswith("6.0000  Kd<1e-06M  // (A|B) x n")
    with pytest.raises(LigandError, match=r"no chain D; its author chain ids are A, B, C"):
        write_complex(replace(row, partner=("D",)), entry(tmp_path, atoms), None, tmp_path / "raw")


def test_what_is_written_is_found_and_read(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    pair = Complex("2abc", Binding("Ki", "~", 6.0), "x", receptor=("A",), partner=("B",))
    path = entry(tmp_path)
    lines = [
        (row.kind, write_complex(row, path, component(tmp_path), raw).index_line)
        for row in (ROW, pair)
    ]
    write_indices(raw, lines)
    found = find_raw(raw)
    assert [(source.id, source.kind) for source in found.sources] == [
        ("1abc", "lba"),
        ("2abc", "ppa"),
    ]
    [index] = found.affinities["ppa"]
    [record] = read_pdbbind_index(index).records
    assert (record.id, record.pk, record.measure, record.sign) == ("2abc", 6.0, "Ki", "~")
    assert (record.receptor_chains, record.partner_chains) == (("A",), ("B",))
    write_indices(raw, lines[:1])
    assert "ppa" not in {kind for kind, paths in find_raw(raw).affinities.items() if paths}


def test_chain_ids_of_several_letters(tmp_path: Path) -> None:
    row = Complex("1abc", Binding("Kd", "=", 6.0), "x", receptor=("AA",), partner=("B", "C"))
    record = parse_index_line(index_line(row, open_cif(entry(tmp_path))))
    assert record.receptor_chains == ("AA",)
    assert record.partner_chains == ("B", "C")


def test_files_that_are_no_cif(tmp_path: Path) -> None:
    path = tmp_path / "x.bcif.gz"
    path.write_bytes(b"\x83garbage dataBlocks")
    with pytest.raises(StructureError, match="fetch"):
        open_cif(path)


@needs_shared
@pytest.mark.parametrize(("file", "name"), [("7CFN.cif", "CLR"), ("1gbt.bcif.gz", "GBS")])
def test_real_entries(tmp_path: Path, file: str, name: str) -> None:
    assert SAMPLE is not None
    path = SAMPLE / "hard_cases" / file
    row = replace(ROW, ligand=name)
    written = write_complex(row, path, None, tmp_path)
    table = read_atoms(path)
    size = len(ligand_rows(table, name))
    assert len(read_atoms(written.paths[0])) == len(table) - size
    assert read_ligand(written.paths[1]).num_atoms <= size
    protein = read_structure(written.paths[0])
    assert protein.num_residues == read_structure(path).num_residues
