"""Complexes of the open route, as they are written from entries and read by the build."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hemenet_lab.protein_mt.complexes.ligand import ligand_rows
from hemenet_lab.protein_mt.complexes.table import Complex
from hemenet_lab.protein_mt.complexes.write import (
    index_line,
    open_cif,
    write_complex,
    write_indices,
)
from hemenet_lab.protein_mt.labels.affinity import Binding, parse_index_line, read_pdbbind_index
from hemenet_lab.protein_mt.raw.layout import find_raw
from hemenet_lab.structures import (
    LigandError,
    StructureError,
    ligand_from_mmcif,
    read_atoms,
    read_ligand,
    read_structure,
)
from tests.protein_mt.cif_files import ligand, two_chains
from tests.protein_mt.complexes.entry_files import component, entry
from tests.shared import SAMPLE, needs_shared
from tests.structures.files import peptide

ROW = Complex("1abc", Binding("Kd", "=", 8.0), "a paper", ligand="LIG")


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
