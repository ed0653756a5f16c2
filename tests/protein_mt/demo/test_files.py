"""The demo's raw files: sound structures in the public layouts, marked as synthetic."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import gemmi
import numpy as np
import pytest
from rdkit import Chem
from scipy.spatial import cKDTree

from hemenet_lab.protein_mt.demo import write_demo
from hemenet_lab.protein_mt.demo.dataset import make_items
from hemenet_lab.protein_mt.demo.ligands import SMILES, library
from hemenet_lab.protein_mt.demo.settings import settings_for
from hemenet_lab.protein_mt.demo.sidechains import bonds
from hemenet_lab.protein_mt.labels.affinity import read_affinity_csv, read_pdbbind_index
from hemenet_lab.protein_mt.raw.layout import find_raw
from hemenet_lab.structures import RESIDUE_ATOMS, Structure, read_ligand, read_structure


@pytest.fixture(scope="module")
def raw(tiny_store: Path) -> Path:
    return tiny_store.parent / "raw"


def pdb_files(raw: Path) -> list[Path]:
    return sorted(path for path in raw.rglob("*.pdb"))


def clashes(coords: np.ndarray, bonded: set[frozenset[int]], distance: float = 2.0) -> list[str]:
    """Pairs of atoms closer than a distance that no bond joins."""
    pairs = cKDTree(coords).query_pairs(distance)
    return [f"{i}-{j}" for i, j in sorted(pairs) if frozenset((i, j)) not in bonded]


def protein_bonds(structure: Structure) -> set[frozenset[int]]:
    """Bonds inside residues and the peptide bonds between them."""
    atoms: dict[int, dict[str, int]] = {}
    for i, residue in enumerate(structure.atom_residue):
        atoms.setdefault(int(residue), {})[str(structure.atom_name[i])] = i
    found = set()
    for residue, own in atoms.items():
        for pair in bonds(str(structure.residue_name[residue])):
            found.add(frozenset(own[name] for name in pair))
        following = residue + 1
        same = following in atoms and (
            structure.residue_chain[following] == structure.residue_chain[residue]
        )
        if same:
            found.add(frozenset((own["C"], atoms[following]["N"])))
    return found


def test_what_is_there(raw: Path) -> None:
    found = find_raw(raw)
    assert found.synthetic
    kinds = [source.kind for source in found.sources]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == {"lba": 8, "ppa": 8, "chain": 8}
    assert all(source.code.startswith("0") for source in found.sources)
    assert None not in (found.ec, found.go, found.sifts)
    assert not found.unused


def test_every_structure_says_that_it_is_synthetic(raw: Path) -> None:
    assert "SYNTHETIC" in (raw / "SYNTHETIC").read_text()
    for path in pdb_files(raw):
        head = path.read_text().splitlines()[:2]
        assert head[0].startswith("HEADER    SYNTHETIC"), path.name
        assert head[1].startswith("REMARK 999 SYNTHETIC"), path.name
        assert all(len(line) <= 80 for line in head)
    for path in raw.rglob("*_ligand.sdf"):
        assert "SYNTHETIC" in path.read_text().splitlines()[0]


def test_structures_are_whole_and_free_of_clashes(raw: Path) -> None:
    for path in pdb_files(raw):
        structure = read_structure(path)
        assert not structure.drops, path.name
        for residue, name in enumerate(structure.residue_name):
            own = structure.atom_name[structure.atom_residue == residue]
            assert tuple(own) == RESIDUE_ATOMS[str(name)], path.name
        coords = structure.coords.astype(float)
        assert clashes(coords, protein_bonds(structure)) == [], path.name
        bonded = np.array([sorted(pair) for pair in protein_bonds(structure)])
        lengths = np.linalg.norm(coords[bonded[:, 0]] - coords[bonded[:, 1]], axis=1)
        assert ((lengths > 1.2) & (lengths < 1.85)).all(), path.name


def test_a_clash_is_found() -> None:
    """The check above sees two atoms that no bond explains, and ignores those that one does."""
    coords = np.array([[0.0, 0, 0], [1.5, 0, 0], [5, 0, 0], [5, 1.9, 0]])
    assert clashes(coords, {frozenset((0, 1))}) == ["2-3"]


def test_other_programs_read_the_structures(raw: Path) -> None:
    for path in pdb_files(raw):
        ours, theirs = read_structure(path), gemmi.read_structure(str(path))
        chains = [chain.name for chain in theirs[0]]
        assert tuple(chains) == ours.chain_id
        atoms = [atom for chain in theirs[0] for residue in chain for atom in residue]
        assert [atom.element.name.upper() for atom in atoms] == list(ours.element)


def test_chains_are_proteins_of_l_amino_acids(raw: Path) -> None:
    for path in pdb_files(raw):
        structure = read_structure(path)
        slots = [structure.coords[structure.slot == slot].astype(float) for slot in range(3)]
        n, ca, c = slots
        with_cb = structure.residue_name != "GLY"
        cb = structure.coords[structure.slot == 4].astype(float)
        normal = np.cross(n - ca, c - ca)[with_cb]
        assert (((cb - ca[with_cb]) * normal).sum(-1) > 2.0).all(), path.name


def test_residues_far_apart_in_sequence_meet_in_space(raw: Path) -> None:
    for path in pdb_files(raw):
        structure = read_structure(path)
        ca = structure.coords[
            (structure.slot == 1) & (structure.residue_chain[structure.atom_residue] == 0)
        ]
        gaps = np.linalg.norm(ca[:, None] - ca, axis=-1)
        far = np.triu(np.ones_like(gaps), 5) > 0
        assert (gaps[far] < 9.0).sum() > len(ca) / 8, path.name


def test_ligands_touch_their_protein(raw: Path) -> None:
    for path in sorted(raw.glob("refined-set/*/*_ligand.sdf")):
        ligand = read_ligand(path)
        assert ligand.sanitized
        assert ligand.num_atoms >= 5
        protein = read_structure(path.with_name(path.name.replace("_ligand.sdf", "_protein.pdb")))
        gaps = cKDTree(protein.coords).query(ligand.coords)[0]
        assert gaps.min() > 2.0
        assert (gaps < 5.0).sum() >= 2


def test_pairs_have_an_interface(raw: Path) -> None:
    sides = {row.id: row for row in read_affinity_csv(raw / "pp_affinity.csv").records}
    for path in sorted(raw.glob("PP/*.ent.pdb")):
        structure = read_structure(path)
        row = sides[path.name[:4]]
        assert structure.chain_id == row.receptor_chains + row.partner_chains == ("A", "B")
        chain = structure.residue_chain[structure.atom_residue]
        gaps = cKDTree(structure.coords[chain == 0]).query(structure.coords[chain == 1])[0]
        assert gaps.min() > 2.0
        assert (gaps < 6.0).sum() >= 10


def test_affinities_agree_between_files(raw: Path) -> None:
    index = read_pdbbind_index(raw / "index" / "INDEX_general_PP.2020")
    table = read_affinity_csv(raw / "pp_affinity.csv")
    assert not index.problems
    assert not table.problems
    assert {row.id: row.pk for row in index.records} == {row.id: row.pk for row in table.records}
    assert not any("column" in row.note for row in index.records)  # the constant gives the same pKd


def test_molecules() -> None:
    for smiles, molecule in zip(SMILES, library(), strict=True):
        assert Chem.MolToSmiles(molecule.mol) == Chem.MolToSmiles(Chem.MolFromSmiles(smiles))
        gaps = np.linalg.norm(molecule.coords[:, None] - molecule.coords, axis=-1)
        assert gaps[np.triu_indices(len(gaps), 1)].min() > 1.1


def test_same_seed_same_bytes(raw: Path, tmp_path: Path) -> None:
    def digests(folder: Path) -> dict[str, str]:
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        return {
            path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in files
        }

    assert digests(write_demo(tmp_path / "again", "tiny")) == digests(raw)


def test_another_seed_makes_another_demo() -> None:
    settings = settings_for("tiny")
    first, other = (next(make_items(replace(settings, seed=seed))) for seed in (7, 8))
    assert first.code == other.code
    assert first.model.chains[0].protein.names != other.model.chains[0].protein.names


def test_a_folder_with_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("mine")
    with pytest.raises(ValueError, match="not an empty folder"):
        write_demo(tmp_path, "tiny")
    with pytest.raises(ValueError, match=r"huge.*choose one of full, tiny"):
        write_demo(tmp_path / "new", "huge")
