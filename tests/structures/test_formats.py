"""The same content as PDB, mmCIF and BinaryCIF; and what is wrong with broken CIF files."""

from __future__ import annotations

import gzip
from dataclasses import fields, replace
from pathlib import Path

import gemmi
import numpy as np
import pytest

from hemenet_lab.structures import StructureError, read_structure
from hemenet_lab.structures.structure import Structure
from tests.structures.files import Atom, pdb_text, peptide, residue, write_cif, write_pdb


def _content() -> list[Atom]:
    """Two chains, MSE, altlocs, insertion codes, hydrogens, a gap, waters, an ion, a cofactor."""
    first = peptide(["ALA", "MSE", "GLY"], first=-1)
    first += residue("SER", "A", 1, 11.4, insertion="A")
    first += residue("ALA", "A", 9, 40.0)
    side = [replace(atom, altloc="A", occupancy=0.4) for atom in first[-1:]]
    side += [replace(side[0], altloc="B", occupancy=0.6, place=(41.0, 2.5, 1.0))]
    second = peptide(["GLY", "SER"], "B", 5, 10.0)
    hydrogen = Atom("H", "SER", "B", 6, (3.0, 11.0, 1.0), "H")
    other = [
        Atom("ZN", "ZN", "B", 101, (9.0, 9.0, 9.0), "ZN", hetero=True),
        Atom("C1", "LIG", "B", 102, (9.0, 9.0, 4.0), "C", hetero=True),
        Atom("O2", "LIG", "B", 102, (9.0, 9.0, 5.0), "O", hetero=True),
        Atom("O", "HOH", "B", 201, (1.0, 9.0, 9.0), "O", hetero=True),
    ]
    return [*first[:-1], *side, *second, hydrogen, *other]


def _same(left: Structure, right: Structure) -> bool:
    return all(
        np.array_equal(getattr(left, item.name), getattr(right, item.name))
        for item in fields(Structure)
        if item.name != "chain_label"
    )


def _gemmi_cif(path: Path) -> Path:
    """gemmi's mmCIF of its reading of the PDB text: real label ids, null ``label_seq_id``."""
    structure = gemmi.read_pdb_string(pdb_text(_content()))
    structure.setup_entities()
    structure.assign_label_seq_id()
    structure.make_mmcif_document().write_file(str(path))
    return path


@pytest.mark.parametrize("keep_hetero", [False, True])
def test_all_formats_give_the_same_structure(tmp_path: Path, keep_hetero: bool) -> None:
    pdb = write_pdb(tmp_path / "x.pdb", _content())
    (tmp_path / "zipped.pdb.gz").write_bytes(gzip.compress(pdb.read_bytes()))
    bcif = write_cif(tmp_path / "x.bcif", _content())
    (tmp_path / "zipped.bcif.gz").write_bytes(gzip.compress(bcif.read_bytes()))
    others = [write_cif(tmp_path / "x.cif", _content()), bcif, _gemmi_cif(tmp_path / "gemmi.cif")]
    others += [tmp_path / "zipped.pdb.gz", tmp_path / "zipped.bcif.gz"]
    want = read_structure(pdb, id="x", keep_hetero=keep_hetero)
    for path in others:
        got = read_structure(path, id="x", keep_hetero=keep_hetero)
        assert _same(got, want), path.name


def test_what_is_read(tmp_path: Path) -> None:
    structure = read_structure(write_pdb(tmp_path / "x.pdb", _content()))
    assert structure.chain_id == ("A", "B")
    assert structure.residue_name.tolist() == ["ALA", "MSE", "GLY", "SER", "ALA", "GLY", "SER"]
    assert structure.residue_number.tolist() == [-1, 0, 1, 1, 9, 5, 6]
    assert structure.insertion_code.tolist() == ["", "", "", "A", "", "", ""]
    assert structure.sequence_index.tolist() == [0, 1, 2, 3, 11, 0, 1]
    assert structure.residue_chain.tolist() == [0, 0, 0, 0, 0, 1, 1]
    assert {drop.kind: drop.count for drop in structure.drops} == {
        "water": 1,
        "hydrogen": 1,
        "alternative": 1,
        "hetero": 3,
    }


def test_other_content_is_told_apart(tmp_path: Path) -> None:
    want = read_structure(write_pdb(tmp_path / "x.pdb", _content()), id="x")
    moved = [replace(atom, place=(*atom.place[:2], 0.5)) for atom in _content()]
    assert not _same(read_structure(write_cif(tmp_path / "x.cif", moved), id="x"), want)


def test_hetero_atoms_become_residues_of_one_atom(tmp_path: Path) -> None:
    path = write_pdb(tmp_path / "x.pdb", _content())
    structure = read_structure(path, keep_hetero=True)
    free = ~structure.is_polymer
    assert structure.residue_name[free].tolist() == ["ZN", "LIG", "LIG"]
    assert structure.element[free[structure.atom_residue]].tolist() == ["ZN", "C", "O"]
    assert set(structure.residue_type[free].tolist()) == {20}
    assert not structure.slot[free[structure.atom_residue]].any()


def test_label_ids(tmp_path: Path) -> None:
    structure = read_structure(_gemmi_cif(tmp_path / "gemmi.cif"))
    assert structure.chain_id == ("A", "B")
    assert structure.chain_label == ("Axp", "Bxp")


TAGS = (
    *("group_PDB", "type_symbol", "label_atom_id", "label_comp_id", "label_asym_id"),
    *("label_seq_id", "auth_seq_id", "Cartn_x", "Cartn_y", "Cartn_z"),
)
CIF_HEAD = "data_x\nloop_\n" + "".join(f"_atom_site.{tag}\n" for tag in TAGS)
CIF_ROWS = "ATOM N N GLY A 1 7 0 0 0\nATOM C CA GLY A 1 7 1.4 0 0\n"


def _cif(tmp_path: Path, text: str) -> Structure:
    (tmp_path / "x.cif").write_text(text)
    return read_structure(tmp_path / "x.cif")


def test_columns_that_may_be_missing(tmp_path: Path) -> None:
    structure = _cif(tmp_path, "# comment\n\n" + CIF_HEAD + CIF_ROWS)
    assert structure.chain_id == structure.chain_label == ("A",)
    assert structure.occupancy.tolist() == [1, 1]
    assert structure.b_factor.tolist() == [0, 0]


def test_chain_without_a_name_and_quoted_names(tmp_path: Path) -> None:
    rows = CIF_ROWS.replace(" A 1 7", " ? 1 7").replace(" CA ", ' "CA" ')
    structure = _cif(tmp_path, CIF_HEAD + rows)
    assert structure.chain_id == ("_",)
    assert structure.atom_name.tolist() == ["N", "CA"]


def test_one_atom_written_without_a_loop(tmp_path: Path) -> None:
    tags = [line for line in CIF_HEAD.splitlines() if line.startswith("_")]
    pairs = zip(tags, CIF_ROWS.split("\n")[0].split(), strict=True)
    text = "data_x\n" + "".join(f"{tag} {value}\n" for tag, value in pairs)
    assert _cif(tmp_path, text).num_atoms == 1


def test_label_numbers_where_author_numbers_are_null(tmp_path: Path) -> None:
    structure = _cif(tmp_path, CIF_HEAD + CIF_ROWS.replace(" 1 7 ", " 3 ? "))
    assert structure.residue_number.tolist() == [3]


def test_free_amino_acid_without_a_sequence_position_is_no_residue(tmp_path: Path) -> None:
    rows = CIF_ROWS + "".join(
        f"HETATM {element} {name} GLU A . 90 {x} 0 0\n"
        for name, element, x in (("N", "N", 3.7), ("CA", "C", 5.1), ("C", "C", 6.2))
    )
    structure = _cif(tmp_path, CIF_HEAD + rows)
    assert structure.residue_name.tolist() == ["GLY"]
    assert [(drop.kind, drop.count) for drop in structure.drops] == [("hetero", 3)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("data_x\n_cell.length_a 1\n", "a mmCIF file without atoms .no _atom_site category"),
        (CIF_HEAD + CIF_ROWS[:-9], "not a whole mmCIF file .*Wrong number of values"),
        (f"data_x\n_a.b 1\n#\n{CIF_HEAD[7:]}{CIF_ROWS[:24]}", "ends with an atom, while its other"),
        (CIF_HEAD + CIF_ROWS.replace("1.4", "abc"), "Cartn_x holds a value that is not a number"),
        (CIF_HEAD + CIF_ROWS.replace("1.4", "?"), "1 of 2 atoms have coordinates that are not"),
        (CIF_HEAD + CIF_ROWS.replace(" 1 7 ", " ? ? "), "2 atoms have neither auth_seq_id nor"),
        (CIF_HEAD + CIF_ROWS.replace(" 1 7 ", " 1 7.5 "), "residue numbers that are not whole"),
        (CIF_HEAD + CIF_ROWS.replace(" 1 7 ", " 1 x "), "auth_seq_id holds a value that is not"),
        (CIF_HEAD.replace("Cartn_z", "x") + CIF_ROWS, r"has no column \['Cartn_z'\]"),
        (CIF_HEAD.replace("type_symbol", "x") + CIF_ROWS, "none of the columns"),
    ],
)
def test_errors_of_mmcif(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(StructureError, match=message):
        _cif(tmp_path, text)


def test_errors_of_binary_cif(tmp_path: Path) -> None:
    path = write_cif(tmp_path / "x.bcif", _content())
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(StructureError, match=r"x\.bcif: not a whole BinaryCIF file"):
        read_structure(path)
    path.write_bytes(data.replace(b"atom_site", b"atom_sitx"))
    with pytest.raises(StructureError, match="a BinaryCIF file without atoms"):
        read_structure(path)
