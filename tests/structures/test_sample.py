"""All real files of the sample: against a slow reader of PDB lines, and against gemmi."""

from __future__ import annotations

from pathlib import Path

import gemmi
import numpy as np
import pytest

from hemenet_lab.structures.parse import read_atoms, read_structure
from hemenet_lab.structures.structure import Structure
from hemenet_lab.structures.vocabulary import RESIDUE_ATOMS, RESIDUES
from tests.shared import SAMPLE, needs_shared

pytestmark = needs_shared


def _files(pattern: str) -> list[Path]:
    assert SAMPLE is not None
    files = sorted(SAMPLE.glob(pattern))
    assert files, pattern
    return files


Place = tuple[str, int, str, str]


def _slowly(path: Path) -> dict[Place, tuple[float, float, float]]:
    """Heavy atoms of standard residues, line by line: the first of each name, altlocs blank or A.

    Enough for files whose first location has the highest occupancy.
    """
    atoms: dict[Place, tuple[float, float, float]] = {}
    for line in path.read_text(encoding="latin-1").splitlines():
        if line[:6] != "ATOM  " or line[16] not in " A":
            continue
        residue, name = line[17:20].strip(), line[12:16].strip()
        if name in RESIDUE_ATOMS.get(residue, ()):
            chain = line[21] if line[21] != " " else "_"
            place = (chain, int(line[22:26]), line[26].strip(), name)
            x, y, z = (float(line[start : start + 8]) for start in (30, 38, 46))
            atoms.setdefault(place, (x, y, z))
    return atoms


def _atoms(structure: Structure) -> dict[Place, tuple[float, float, float]]:
    residue = structure.atom_residue
    chains = np.array(structure.chain_id)[structure.residue_chain[residue]]
    columns = (
        chains.tolist(),
        structure.residue_number[residue].tolist(),
        structure.insertion_code[residue].tolist(),
        structure.atom_name.tolist(),
    )
    return dict(zip(zip(*columns, strict=True), map(tuple, structure.coords), strict=True))


@pytest.mark.parametrize("pattern", ["PP/*.pdb", "refined-set/*/*_protein.pdb"])
def test_equals_the_slow_reader(pattern: str) -> None:
    for path in _files(pattern)[::5]:
        got, want = _atoms(read_structure(path)), _slowly(path)
        assert got.keys() == want.keys(), path.name
        for place, coords in want.items():
            assert got[place] == tuple(np.float32(coords)), (path.name, place)


@pytest.mark.parametrize(
    "pattern",
    ["PP/*.pdb", "refined-set/*/*_protein.pdb", "EnzymeCommission/all/*", "GeneOntology/all/*"],
)
def test_every_file_is_read_and_every_atom_kept_or_counted(pattern: str) -> None:
    for path in _files(pattern):
        structure, table = read_structure(path), read_atoms(path)
        assert structure.num_residues > 0, path.name
        dropped = sum(drop.count for drop in structure.drops)
        in_file = len(table) + sum(drop.count for drop in table.drops)
        assert structure.num_atoms + dropped == in_file, path.name
        _check_consistent(structure)


def _check_consistent(structure: Structure) -> None:
    residue, chain = structure.atom_residue, structure.residue_chain
    assert set(residue.tolist()) == set(range(structure.num_residues))
    assert set(chain.tolist()) == set(range(structure.num_chains))
    order = residue.astype(int) * 20 + structure.slot
    assert (np.diff(order) > 0).all()
    assert (np.diff(chain) >= 0).all()
    inside = np.diff(chain) == 0
    assert (np.diff(structure.sequence_index)[inside] > 0).all()
    assert (structure.sequence_index[np.append(True, ~inside)] == 0).all()
    assert not set(structure.element.tolist()) - {"C", "N", "O", "S"}
    known = structure.residue_type[residue] < len(RESIDUE_ATOMS)
    names = np.array(RESIDUES)[structure.residue_type[residue]]
    pairs = zip(structure.atom_name[known], names[known], structure.slot[known], strict=True)
    spelled = {(atom, RESIDUE_ATOMS[residue][slot]) for atom, residue, slot in pairs}
    assert {(atom, slot) for atom, slot in spelled if atom != slot} <= {("SE", "SD")}


@pytest.mark.parametrize("name", ["4ZHL", "6WQA", "7CFN"])
def test_residues_equal_those_of_gemmi(name: str) -> None:
    assert SAMPLE is not None
    path = SAMPLE / "hard_cases" / f"{name}.cif"
    structure = read_structure(path)
    peer = gemmi.read_structure(str(path))
    peer.setup_entities()
    for index, chain in enumerate(peer[0]):
        want = [(r.name, r.seqid.num, r.seqid.icode.strip()) for r in chain.get_polymer()]
        mine = structure.residue_chain == index
        names, numbers = structure.residue_name[mine], structure.residue_number[mine]
        codes = structure.insertion_code[mine]
        assert list(zip(names, numbers, codes, strict=True)) == want
