"""Structures of other libraries give what the file gives."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import gemmi
import numpy as np
import pytest
from biotite.structure.io import pdb as biotite_pdb

from hemenet_lab.store import entry_from_structure
from hemenet_lab.structures import Structure, StructureError, read_structure, structure_from
from tests.structures.files import Atom, peptide, residue, write_pdb


def _content() -> list[Atom]:
    """Two chains with MSE, an insertion code, alternatives, hydrogen, water and an ion."""
    first = peptide(["ALA", "MSE", "GLY"], first=-1)
    first += residue("SER", "A", 1, 11.4, insertion="A")
    first += [
        replace(first[-1], altloc=letter, occupancy=occupancy, name="OG", place=(12.5, 3.1, z))
        for letter, occupancy, z in (("A", 0.4, 0.2), ("B", 0.6, 0.9))
    ]
    del first[-3]
    second = peptide(["GLY", "SER"], "B", 5, 10.0)
    return [
        *first,
        *second,
        Atom("H", "SER", "B", 6, (3.0, 11.0, 1.0), "H"),
        Atom("ZN", "ZN", "B", 101, (9.0, 9.0, 9.0), "ZN", hetero=True),
        Atom("O", "HOH", "B", 201, (1.0, 9.0, 9.0), "O", hetero=True),
    ]


def _same(found: Structure, wanted: Structure) -> None:
    assert found.chain_id == wanted.chain_id
    names = ("residue_name", "residue_type", "residue_number", "insertion_code", "atom_name")
    for name in (*names, "element", "slot", "sequence_index", "is_polymer"):
        assert getattr(found, name).tolist() == getattr(wanted, name).tolist(), name
    assert np.allclose(found.coords, wanted.coords, atol=1e-3)
    assert np.allclose(found.occupancy, wanted.occupancy)
    assert {(d.kind, d.count) for d in found.drops} == {(d.kind, d.count) for d in wanted.drops}


def _read(kind: str, path: Path) -> object:
    if kind == "biopython":
        parser = pytest.importorskip("Bio.PDB").PDBParser(QUIET=True)
        return parser.get_structure("x", str(path))
    if kind == "gemmi":
        return gemmi.read_structure(str(path))
    file = biotite_pdb.PDBFile.read(path)
    return file.get_structure(altloc="all", extra_fields=["occupancy", "b_factor"])


@pytest.mark.parametrize("keep_hetero", [False, True])
@pytest.mark.parametrize("kind", ["biopython", "gemmi", "biotite"])
def test_a_structure_of_another_library(tmp_path: Path, kind: str, keep_hetero: bool) -> None:
    path = write_pdb(tmp_path / "x.pdb", _content())
    wanted = read_structure(path, keep_hetero=keep_hetero)
    found = structure_from(_read(kind, path), id="x", keep_hetero=keep_hetero)
    _same(found, wanted)
    if not keep_hetero:
        entry = entry_from_structure(_read(kind, path))
        assert entry.num_atoms == wanted.num_atoms
        assert entry.chain_names == ("A", "B")


def test_models_are_numbered_from_1(tmp_path: Path) -> None:
    one = "".join(f"{atom.line()}\n" for atom in peptide(["ALA", "GLY"]))
    two = "".join(f"{atom.line()}\n" for atom in peptide(["ALA", "GLY"], y=0.3))
    path = tmp_path / "x.pdb"
    path.write_text(f"MODEL        1\n{one}ENDMDL\nMODEL        2\n{two}ENDMDL\n")
    both = gemmi.read_structure(str(path))
    assert structure_from(both).coords[0].tolist() == pytest.approx([0, 0, 0])
    second = structure_from(both, model=2)
    assert second.coords[0].tolist() == pytest.approx([0, 0.3, 0])
    assert second.model == 2


def test_other_objects_are_refused() -> None:
    with pytest.raises(TypeError, match=r"a str is no structure; give one of Bio.PDB"):
        structure_from("1abc.pdb")
    with pytest.raises(StructureError, match="no atoms"):
        structure_from(gemmi.Structure())
