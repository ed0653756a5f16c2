from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hemenet_lab.structures.parse import read_structure
from hemenet_lab.structures.structure import Structure
from tests.structures.files import Atom, peptide, residue, write_pdb


def _read(tmp_path: Path, atoms: list[Atom]) -> Structure:
    return read_structure(write_pdb(tmp_path / "x.pdb", atoms))


def _only(atoms: list[Atom], *names: str) -> list[Atom]:
    return [atom for atom in atoms if atom.name in names]


@pytest.mark.parametrize(
    ("second", "start", "names", "step"),
    [
        (2, 3.8, "N CA C", 1),  # C-N 1.3 Å
        (7, 3.8, "N CA C", 1),  # bonded although the numbers jump
        (2, 4.9, "N CA C", 1),  # C-N 2.4 Å
        (2, 5.1, "N CA C", 6),  # C-N 2.6 Å: a gap that the numbers do not show
        (5, 9.0, "N CA C", 4),  # a gap of three residues
        (3, 9.0, "N CA C", 2),
        (-4, 9.0, "N CA C", 6),  # numbers that fall
        (5, 3.8, "CA", 1),  # CA-CA 3.8 Å
        (5, 5.1, "CA", 4),  # CA-CA 5.1 Å
        (2, 5.1, "CA", 6),
        (2, 50.0, "N", 1),  # cannot be measured: by number
        (1, 50.0, "N", 1),
        (3, 50.0, "N", 2),
        (-1, 50.0, "N", 6),
    ],
)
def test_steps(tmp_path: Path, second: int, start: float, names: str, step: int) -> None:
    insertion = "A" if second == 1 else ""
    atoms = residue("GLY", "A", 1, 0.0) + residue("GLY", "A", second, start, insertion=insertion)
    structure = _read(tmp_path, _only(atoms, *names.split()))
    assert structure.sequence_index.tolist() == [0, step]


def test_missing_n_falls_back_to_alpha_carbons(tmp_path: Path) -> None:
    """As behind the unreadable record in 1EXB."""
    atoms = residue("GLY", "A", 1, 0.0) + residue("GLY", "A", 2, 3.8)[1:]
    assert _read(tmp_path, atoms).sequence_index.tolist() == [0, 1]


def test_index_starts_anew_in_each_chain(tmp_path: Path) -> None:
    atoms = peptide(["ALA", "GLY"], "B", 7) + peptide(["ALA", "GLY"], "A", 3, 20.0)
    structure = _read(tmp_path, atoms)
    assert structure.chain_id == ("B", "A")
    assert structure.sequence_index.tolist() == [0, 1, 0, 1]


def test_pieces_of_a_chain_are_put_together_in_sequence_order(tmp_path: Path) -> None:
    chain, other = peptide(["ALA", "GLY", "SER", "GLY"]), peptide(["ALA"], "B", 1, 30.0)
    middle = len(_only(chain, "N"))  # not a residue border
    assert middle == 4
    want = _read(tmp_path, chain + other)
    first, last = chain[:9], chain[9:]
    for atoms in (first + other + last, last + other + first):
        got = _read(tmp_path, atoms)
        assert got.sequence_index.tolist() == [
            *([0] if got.chain_id[0] == "B" else []),
            0,
            1,
            2,
            3,
            0,
        ]
        assert np.array_equal(got.coords, want.coords)


def test_hetatm_residues_listed_at_the_end_return_to_their_place(tmp_path: Path) -> None:
    chain = peptide(["ALA", "MSE", "GLY"])
    at_end = [a for a in chain if not a.hetero] + [a for a in chain if a.hetero]
    structure = _read(tmp_path, at_end)
    assert structure.residue_name.tolist() == ["ALA", "MSE", "GLY"]
    assert structure.sequence_index.tolist() == [0, 1, 2]


def test_bonded_file_order_stays_where_numbers_jump(tmp_path: Path) -> None:
    """A fusion protein with its insert numbered from 1001, as in 6WQA."""
    numbers = [1, 2, 1001, 1002, 3, 4]
    atoms = [a for i, n in enumerate(numbers) for a in residue("GLY", "A", n, 3.8 * i)]
    structure = _read(tmp_path, atoms)
    assert structure.residue_number.tolist() == numbers
    assert structure.sequence_index.tolist() == [0, 1, 2, 3, 4, 5]


def test_order_of_atoms_does_not_matter(tmp_path: Path) -> None:
    atoms = peptide(["ALA", "MSE", "GLY", "SER"]) + peptide(["GLY", "ALA"], "B", 1, 20.0)
    want = _read(tmp_path, atoms)
    rng = np.random.default_rng(3)
    head = [atoms[0]]  # the first atom decides which chain comes first
    for _ in range(5):
        got = _read(tmp_path, head + [atoms[1 + i] for i in rng.permutation(len(atoms) - 1)])
        for name in ("coords", "atom_name", "slot", "residue_number", "sequence_index"):
            assert np.array_equal(getattr(got, name), getattr(want, name)), name


def test_alpha_carbons_only(tmp_path: Path) -> None:
    structure = _read(tmp_path, _only(peptide(["ALA", "GLY", "SER"]), "CA"))
    assert structure.sequence_index.tolist() == [0, 1, 2]
    assert structure.slot.tolist() == [1, 1, 1]


def test_chain_of_hetatm_records_is_read_by_its_bonds(tmp_path: Path) -> None:
    atoms = [replace(atom, hetero=True) for atom in peptide(["ALA", "GLY"])]
    assert _read(tmp_path, atoms).num_residues == 2
