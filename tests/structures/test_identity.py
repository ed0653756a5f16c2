"""Chains of one id told apart; files made here, with two peptides 40 Å apart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hemenet_lab.structures import Structure, StructureError, read_structure, read_structures
from tests.structures.files import Atom, peptide, residue, write_cif, write_pdb

FIRST, SECOND = ["ALA", "GLY", "SER", "GLY"], ["GLY", "SER", "ALA"]
NUM_ATOMS = 5 + 4 + 6 + 4, 4 + 6 + 5


def _lines(names: list[str], chain: str, number: int = 1, y: float = 0.0, segment: str = "") -> str:
    lines = (atom.line() for atom in peptide(names, chain, number, y))
    return "".join(f"{line[:72]}{segment:4}{line[76:]}\n" for line in lines)


def _read(tmp_path: Path, text: str, name: str = "x.pdb", **options: int) -> Structure:
    (tmp_path / name).write_text(text)
    return read_structure(tmp_path / name, **options)


def _atoms_per_chain(structure: Structure) -> list[int]:
    return np.bincount(structure.residue_chain[structure.atom_residue]).tolist()


@pytest.mark.parametrize("between", ["", "TER\n", "END\n"])
@pytest.mark.parametrize(
    ("chain", "segments", "ids"),
    [
        (" ", ("PROA", "PROB"), ("PROA", "PROB")),
        ("P", ("PROA", "PROB"), ("P", "P-2")),
        (" ", ("", ""), ("_", "_-2")),
        ("A", ("", ""), ("A", "A-2")),
        ("A", ("1ABC", "1ABC"), ("A", "A-2")),
    ],
)
def test_a_dimer_of_one_chain_id(
    tmp_path: Path, between: str, chain: str, segments: tuple[str, str], ids: tuple[str, str]
) -> None:
    text = _lines(FIRST, chain, 1, 0.0, segments[0]) + between
    text += _lines(SECOND, chain, 1, 40.0, segments[1])
    structure = _read(tmp_path, text)
    assert structure.chain_id == ids
    assert _atoms_per_chain(structure) == list(NUM_ATOMS)
    assert structure.residue_name.tolist() == FIRST + SECOND
    assert structure.sequence_index.tolist() == [0, 1, 2, 3, 0, 1, 2]
    assert structure.drops == ()
    assert any("told apart" in note for note in structure.notes)


def test_segments_are_chains_where_there_are_no_chain_ids(tmp_path: Path) -> None:
    text = _lines(FIRST, " ", 1, 0.0, "PROA") + _lines(SECOND, " ", 5, 40.0, "PROB")
    assert _read(tmp_path, text).chain_id == ("PROA", "PROB")
    assert _read(tmp_path, text.replace("PROB", "PROA")).chain_id == ("_",)


def test_old_text_that_differs_within_residues_is_no_segment(tmp_path: Path) -> None:
    lines = _lines(FIRST, " ").splitlines()
    text = "".join(f"{line[:72]}{i:4d}{line[76:]}\n" for i, line in enumerate(lines))
    assert _read(tmp_path, text).chain_id == ("_",)


@pytest.mark.parametrize(
    ("number", "y", "chains"),
    [(5, 40.0, 2), (1, 40.0, 2), (30, 40.0, 1)],
    ids=["numbers go on", "numbers start anew", "a gap"],
)
def test_ter_in_a_file_without_chain_ids(
    tmp_path: Path, number: int, y: float, chains: int
) -> None:
    """Numbers that go on over a gap in space are those of another molecule (AMBER)."""
    text = _lines(FIRST, " ") + "TER\n" + _lines(SECOND, " ", number, y) + "TER\n"
    assert _read(tmp_path, text).num_chains == chains


def test_ter_between_bonded_residues_without_chain_ids_splits_nothing(tmp_path: Path) -> None:
    lines = _lines(FIRST, " ").splitlines(keepends=True)
    structure = _read(tmp_path, "".join([*lines[:9], "TER\n", *lines[9:]]))
    assert structure.num_chains == 1


def test_oxt_ends_a_chain_before_ter(tmp_path: Path) -> None:
    oxt = Atom("OXT", "GLY", " ", 4, (15.0, 1.0, 0.0), "O").line() + "\n"
    text = _lines(FIRST, " ") + oxt + "TER\n" + _lines(SECOND, " ", 30, 40.0)
    assert _read(tmp_path, text).num_chains == 2


def test_three_copies_and_their_ligands(tmp_path: Path) -> None:
    text = "".join(_lines(FIRST, "A", 1, y) + "TER\n" for y in (0.0, 40.0, 80.0))
    for y in (44.0, 84.0, 4.0):
        ligand = Atom("C1", "LIG", "A", 90, (3.0, y, 3.0), "C", hetero=True)
        text += ligand.line() + "\n"
    structure = read_structure_with_hetero(tmp_path, text)
    assert structure.chain_id == ("A", "A-2", "A-3")
    assert structure.coords[structure.atom_name == "C1", 1].tolist() == [4, 44, 84]
    assert np.bincount(structure.residue_chain).tolist() == [5, 5, 5]


def read_structure_with_hetero(tmp_path: Path, text: str) -> Structure:
    (tmp_path / "x.pdb").write_text(text)
    return read_structure(tmp_path / "x.pdb", keep_hetero=True)


def test_a_repeat_within_3_angstrom_is_an_alternative(tmp_path: Path) -> None:
    text = _lines(FIRST, "A") + _lines(FIRST, "A", 1, 1.5)
    structure = _read(tmp_path, text)
    assert structure.chain_id == ("A",)
    assert [(drop.kind, drop.count) for drop in structure.drops] == [("duplicate", NUM_ATOMS[0])]


def test_residues_of_two_molecules_that_alternate_are_refused(tmp_path: Path) -> None:
    one, two = (
        [residue(name, "A", i + 1, 3.8 * i, y) for i, name in enumerate(FIRST)] for y in (0.0, 40.0)
    )
    atoms = [atom for pair in zip(one, two, strict=True) for part in pair for atom in part]
    with pytest.raises(StructureError, match=r"x\.pdb: residues of several molecules alternate"):
        read_structure(write_pdb(tmp_path / "x.pdb", atoms))


def test_waters_whose_numbers_start_anew_make_no_chains(tmp_path: Path) -> None:
    waters = [Atom("O", "SOL", "A", 1, (9.0, 9.0 * i, 9.0), "O") for i in range(1, 5)]
    structure = read_structure(write_pdb(tmp_path / "x.pdb", [*peptide(FIRST), *waters]))
    assert structure.chain_id == ("A",)
    assert [(drop.kind, drop.count) for drop in structure.drops] == [("water", 4)]


def test_author_ids_that_repeat_in_mmcif(tmp_path: Path) -> None:
    atoms = peptide(FIRST) + peptide(SECOND, "A", 1, 40.0)
    structure = read_structure(write_cif(tmp_path / "x.cif", atoms))
    assert structure.chain_id == ("A", "A-2")
    assert _atoms_per_chain(structure) == list(NUM_ATOMS)


def _models(*texts: str) -> str:
    return "".join(f"MODEL     {i:4d}\n{text}ENDMDL\n" for i, text in enumerate(texts, start=1))


@pytest.mark.parametrize(
    ("name", "second", "ids", "model"),
    [
        ("x.pdb", ("B", 40.0), ("A", "B"), 0),  # other chains beside the first
        ("x.pdb", ("A", 40.0), ("A",), 1),
        ("x.pdb1", ("A", 40.0), ("A", "A-2"), 0),  # a copy in an assembly's file
        ("x.pdb1.gz", ("A", 40.0), ("A", "A-2"), 0),
        ("1abc-assembly1.pdb", ("A", 40.0), ("A", "A-2"), 0),
        ("1abc_bioassembly_1.pdb", ("A", 40.0), ("A", "A-2"), 0),
        ("x.pdb1", ("A", 0.2), ("A",), 1),  # an ensemble
        ("x.pdb", ("B", 0.2), ("A",), 1),  # another form with another id
    ],
)
def test_models(
    tmp_path: Path, name: str, second: tuple[str, float], ids: tuple[str, ...], model: int
) -> None:
    text = _models(_lines(FIRST, "A"), _lines(FIRST, second[0], 1, second[1]))
    structure = _read(tmp_path, text, name)
    assert structure.chain_id == ids
    assert structure.model == model
    assert structure.num_atoms == NUM_ATOMS[0] * len(ids)
    hinted = any("stand beside each other" in note for note in structure.notes)
    assert hinted == (name == "x.pdb" and second == ("A", 40.0))
    assert len(structure.notes) == 1 + hinted
    kinds = [drop.kind for drop in structure.drops]
    assert kinds == (["model"] if model else [])
    if second[0] == "B" and model:
        assert "the others have chains B" in structure.notes[0]
    assert structure.id == (name.split(".")[0])


def test_choice_of_a_model(tmp_path: Path) -> None:
    text = _models(*(_lines(FIRST, "A", 1, y) for y in (0.0, 0.5, 1.0)))
    text = text.replace("MODEL        3", "MODEL        7")
    assert _read(tmp_path, text, model=7).coords[0, 1] == 1
    assert _read(tmp_path, text, model=2).drops[0].reason == "not in the chosen model"
    found = read_structures(tmp_path / "x.pdb")
    assert [(one.model, one.coords[0, 1]) for one in found] == [(1, 0), (2, 0.5), (7, 1)]
    assert [one.id for one in found] == ["x"] * 3
    [first] = read_structures(tmp_path / "x.pdb", model=None)
    assert first.model == 1
    with pytest.raises(StructureError, match=r"x\.pdb: no model 3; the file has 1, 2, 7"):
        _read(tmp_path, text, model=3)


def test_a_file_of_one_model_has_no_number(tmp_path: Path) -> None:
    structure = _read(tmp_path, _models(_lines(FIRST, "A")))
    assert (structure.model, structure.notes) == (0, ())


def test_models_of_mmcif(tmp_path: Path) -> None:
    atoms = peptide(FIRST) + peptide(SECOND, "B", 1, 40.0)
    path = write_cif(tmp_path / "x.cif", atoms)
    text = path.read_text()
    rows = [line for line in text.splitlines() if line.startswith("ATOM")]
    head = [line for line in text.splitlines() if line.startswith("_atom_site.")]
    number = (
        head.index("_atom_site.pdbx_PDB_model_num ")
        if "_atom_site.pdbx_PDB_model_num " in (head)
        else [line.strip() for line in head].index("_atom_site.pdbx_PDB_model_num")
    )
    new = []
    for row, atom in zip(rows, atoms, strict=True):
        words = row.split()
        words[number] = "1" if atom.chain == "A" else "2"
        new.append(" ".join(words))
    body = "\n".join(["data_x", "loop_", *head, *new, ""])
    structure = _read(tmp_path, body, "y.cif")
    assert structure.chain_id == ("A", "B")
    assert _read(tmp_path, body, "y.cif", model=2).chain_id == ("B",)


def _four(names: dict[int, str], chain: str = "A") -> str:
    """A peptide whose residues have names of four letters in columns 18-21."""
    lines = _lines(["ALA", "GLY", "SER", "GLY"], chain).splitlines()
    text = ""
    for line in lines:
        name = names.get(int(line[22:26]), f"{line[17:20]:4}")
        text += f"{line[:17]}{name}{line[21:]}\n"
    return text


@pytest.mark.parametrize("chain", ["A", " "])
@pytest.mark.parametrize(
    ("names", "parents"),
    [
        ({1: "NALA", 4: "CGLY"}, [0, 7, 15, 7]),
        ({1: "LYSH", 3: "HISB"}, [11, 7, 8, 7]),
        ({1: "NHIE", 2: "CYS2", 3: "ASPP"}, [8, 4, 3, 7]),
        ({1: "NLEU", 4: "CVAL"}, [10, 7, 15, 19]),
    ],
)
def test_residue_names_of_four_letters(
    tmp_path: Path, chain: str, names: dict[int, str], parents: list[int]
) -> None:
    structure = _read(tmp_path, _four(names, chain))
    assert structure.chain_id == ("_" if chain == " " else chain,)
    assert structure.residue_type.tolist() == parents
    assert structure.residue_name[0] == names[1]


def test_chain_ids_of_two_letters_stay(tmp_path: Path) -> None:
    """Chain HA has lysine, but other residues too."""
    text = _four({1: "LYSH", 2: "GLYH", 3: "SERH", 4: "GLYH"})
    assert _read(tmp_path, text).chain_id == ("HA",)


def test_two_letters_of_insertion_are_refused(tmp_path: Path) -> None:
    atoms = [replace(atom, insertion="AB") for atom in peptide(["ALA"])]
    with pytest.raises(StructureError, match=r"row 1 has the insertion code 'AB'; one letter"):
        read_structure(write_cif(tmp_path / "x.cif", atoms))
