from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from hemenet_lab.store.convert import ContactError, entry_from_structure
from hemenet_lab.store.entry import Entry
from hemenet_lab.structures import (
    ELEMENT_CLASS_INDEX,
    RESIDUE_INDEX,
    Ligand,
    Structure,
    element_class,
    ligand_node_type,
    read_ligand,
    read_structure,
)
from tests.shared import SAMPLE, needs_shared
from tests.structures.files import Atom, peptide, residue, write_pdb

ZINC = Atom("ZN", "ZN", "C", 90, (9.0, 9.0, 9.0), "ZN", hetero=True)


def _structure(tmp_path: Path, atoms: list[Atom] | None = None, **options: bool) -> Structure:
    atoms = atoms or [
        *peptide(["ALA", "MSE"], "A", -1),
        *residue("GLY", "A", 0, 7.6, insertion="B"),
        *peptide(["SER"], "B", 5, 8.0),
        ZINC,
    ]
    return read_structure(write_pdb(tmp_path / "x.pdb", atoms), **options)


def _ligand(*places: tuple[float, float, float]) -> Ligand:
    elements = np.array((["C", "CL", "SE", "B"] * 3)[: len(places)])
    return Ligand("lig", np.array(places, np.float32), elements, True)


def test_nodes_and_atoms(tmp_path: Path) -> None:
    entry = entry_from_structure(
        _structure(tmp_path, keep_hetero=True),
        ligand=_ligand((1, 2, 3), (4, 5, 6)),
        partner_chains=["B"],
        kind="ppa",
        uniprot={"B": "P12345;Q00001", "Z": "P0"},
        values={"ppa": 7.5},
        terms={"ec": {1: np.array([3, 8], np.int32)}},
    )
    names = ["ALA", "MET", "GLY", "SER"]
    free = [ELEMENT_CLASS_INDEX[name] for name in ("metal", "C", "halogen")]
    assert (entry.id, entry.kind) == ("x", "ppa")
    assert entry.node_type.tolist() == [
        *(RESIDUE_INDEX[name] for name in names),
        *(ligand_node_type(index) for index in free),
    ]
    assert entry.entity.tolist() == [0, 0, 0, 1, 2, 2, 2]
    assert entry.node_chain.tolist() == [0, 0, 0, 1, -1, -1, -1]
    assert entry.sequence_index.tolist() == [0, 1, 2, 0, 0, 0, 0]
    assert entry.residue_number.tolist() == [-1, 0, 0, 5, 0, 0, 0]
    assert entry.insertion_code.tolist() == [0, 0, ord("B"), 0, 0, 0, 0]
    assert entry.node_atoms.tolist() == [5, 8, 4, 6, 1, 1, 1]
    assert entry.coords[-3:].tolist() == [[9, 9, 9], [1, 2, 3], [4, 5, 6]]
    assert entry.atom_slot.tolist() == [*range(5), *range(8), *range(4), *range(6), 0, 0, 0]
    symbols = "NCCOC NCCOCCSC NCCO NCCOCO".replace(" ", "")
    assert entry.atom_element.tolist() == [*(element_class(symbol) for symbol in symbols), *free]
    assert entry.chain_names == ("A", "B")
    assert entry.chain_uniprot == ("", "P12345;Q00001")
    assert entry.values == {"ppa": 7.5}
    assert entry.terms["ec"][1].tolist() == [3, 8]


def test_types_and_lengths_are_those_of_the_entry(tmp_path: Path) -> None:
    entry = entry_from_structure(_structure(tmp_path))
    wanted = {
        "node_type": np.int8,
        "entity": np.int8,
        "node_chain": np.int16,
        "sequence_index": np.int32,
        "residue_number": np.int32,
        "insertion_code": np.uint8,
        "node_atoms": np.uint8,
        "coords": np.float32,
        "atom_element": np.int8,
        "atom_slot": np.int8,
    }
    for name, dtype in wanted.items():
        assert getattr(entry, name).dtype == dtype, name
    assert entry.node_atoms.sum() == entry.num_atoms == len(entry.atom_slot)
    assert entry.kind == "user"
    assert (entry.values, entry.terms) == ({}, {})


def test_hetero_atoms_need_to_be_kept(tmp_path: Path) -> None:
    entry = entry_from_structure(_structure(tmp_path))
    assert entry.num_nodes == 4
    assert entry.chain_names == ("A", "B")


def test_a_ligand_that_the_structure_holds_as_well_counts_once(tmp_path: Path) -> None:
    structure = _structure(tmp_path, keep_hetero=True)
    entry = entry_from_structure(structure, ligand=_ligand((9, 9, 9), (9, 9, 10)), contact=20.0)
    assert entry.coords[-2:].tolist() == [[9, 9, 9], [9, 9, 10]]
    assert entry.num_nodes == 4 + 2


def test_order_of_atoms_in_the_file_changes_nothing(tmp_path: Path) -> None:
    atoms = peptide(["ALA", "MSE", "GLY", "SER"]) + peptide(["GLY", "ALA"], "B", 1, 8.0)
    want = entry_from_structure(_structure(tmp_path, atoms), partner_chains="B")
    rng = np.random.default_rng(5)
    for _ in range(3):
        shuffled = [atoms[0], *(atoms[1 + i] for i in rng.permutation(len(atoms) - 1))]
        assert _same(entry_from_structure(_structure(tmp_path, shuffled), partner_chains="B"), want)
    moved = [replace(atoms[0], place=(0.1, 0.0, 0.0)), *atoms[1:]]
    assert not _same(entry_from_structure(_structure(tmp_path, moved), partner_chains="B"), want)


def _same(left: Entry, right: Entry) -> bool:
    return all(
        np.array_equal(getattr(left, item.name), getattr(right, item.name))
        for item in fields(Entry)
        if item.name not in ("values", "terms")
    )


def test_ligand_and_partner_must_touch(tmp_path: Path) -> None:
    """No affinity is given for a ligand 448 Å away, nor for chains of two different frames."""
    structure = _structure(tmp_path, peptide(["ALA", "GLY"]) + peptide(["GLY"], "B", 1, 8.0))
    end = structure.coords[structure.residue_chain[structure.atom_residue] == 0].max(axis=0)
    near, far = (tuple((end + np.array([step, 0, 0])).tolist()) for step in (7.5, 448.0))
    assert entry_from_structure(structure, ligand=_ligand(near)).entity[-1] == 2
    with pytest.raises(ContactError, match=r"x: the ligand is 4\d\d\.\d Å from .*more than 8 Å"):
        entry_from_structure(structure, ligand=_ligand(far))
    # one atom in reach is enough
    entry_from_structure(structure, ligand=_ligand(far, near))
    assert entry_from_structure(structure, ligand=_ligand(far), contact=float("inf")).num_nodes == 4
    with pytest.raises(ContactError, match="the partner B is"):
        entry_from_structure(structure, partner_chains="B", contact=1.0)
    apart = _structure(tmp_path, peptide(["ALA"]) + peptide(["GLY"], "B", 1, 40.0))
    with pytest.raises(ContactError, match="the partner B is"):
        entry_from_structure(apart, partner_chains="B")
    # without partners named there is nothing to be apart
    assert entry_from_structure(apart).num_chains == 2
    assert entry_from_structure(apart, partner_chains="AB").num_chains == 2


def test_errors(tmp_path: Path) -> None:
    structure = _structure(tmp_path, keep_hetero=True)
    known = r"protein chains are \['A', 'B'\]"
    with pytest.raises(ValueError, match=rf"x: partner chains \['C', 'b'\] are not in .*{known}"):
        entry_from_structure(structure, partner_chains=["b", "C", "A"])
    with pytest.raises(ValueError, match=r"values \{'lba': nan\} are not finite"):
        entry_from_structure(structure, values={"lba": float("nan")})
    with pytest.raises(ValueError, match=r"task ec for chains \[2\], but the structure has 2"):
        entry_from_structure(structure, terms={"ec": {2: np.array([0], np.int32)}})


@needs_shared
def test_complexes_of_the_sample() -> None:
    assert SAMPLE is not None
    for folder in sorted((SAMPLE / "refined-set").iterdir())[::4]:
        structure = read_structure(folder / f"{folder.name}_protein.pdb", keep_hetero=True)
        ligand = read_ligand(folder / f"{folder.name}_ligand.sdf")
        entry = entry_from_structure(structure, ligand=ligand, kind="lba")
        assert entry.node_atoms.sum() == entry.num_atoms
        assert (entry.entity == 2).sum() >= ligand.num_atoms
        assert (entry.node_chain[entry.entity == 2] == -1).all()
        assert entry.node_type.max() < 30
        assert (np.diff(entry.node_chain[entry.entity < 2]) >= 0).all()
