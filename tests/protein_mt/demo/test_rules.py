"""The planted labels follow their rules, recomputed here from the files alone."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from hemenet_lab.protein_mt.demo.geometry import build_backbones
from hemenet_lab.protein_mt.demo.rules import (
    TERMS,
    Traits,
    dyad_distances,
    find_traits,
    helix_share,
    ligand_affinity,
    pair_affinity,
    planted_residues,
    strength,
    terms_of,
)
from hemenet_lab.protein_mt.labels.affinity import read_affinity_csv, read_pdbbind_index
from hemenet_lab.protein_mt.labels.deepfri import FunctionTable, read_ec, read_go
from hemenet_lab.structures import Structure, read_ligand, read_structure


@pytest.fixture(scope="module")
def raw(tiny_store: Path) -> Path:
    return tiny_store.parent / "raw"


def structure_of(raw: Path, chain: str) -> tuple[Structure, int]:
    """Structure that holds a chain such as ``0LAA-A``, and the chain's index."""
    code, letter = chain.lower()[:4], chain[5:]
    (path,) = {
        *list(raw.glob(f"*/all/{chain}.pdb"))[:1],
        *raw.glob(f"PP/{code}.ent.pdb"),
        *raw.glob(f"refined-set/{code}/{code}_protein.pdb"),
    }
    structure = read_structure(path)
    return structure, structure.chain_id.index(letter)


def atoms_of(structure: Structure, residue: int, *names: str) -> np.ndarray:
    own = structure.atom_residue == residue
    return structure.coords[own & np.isin(structure.atom_name, names)].astype(float)


def annotated(table: FunctionTable, task: str) -> dict[str, set[str]]:
    """Chain → ids of its terms, for the chains that the table labels for a task."""
    terms = next(t.terms for t in table.tasks if t.name == task)
    return {
        chain: {terms[i] for i in labels[task]}
        for chain, labels in table.chains.items()
        if task in labels
    }


def agreement(found: dict[str, set[str]], expected: dict[str, bool], term: str) -> float:
    """Share of chains for which the table says what the rule says."""
    return float(np.mean([(term in found[chain]) == rule for chain, rule in expected.items()]))


def test_dyads_need_side_chains(raw: Path) -> None:
    """EC 9.1.1.- where HIS nitrogens and ASP oxygens of H-x-D meet, 9.1.2.- where they do not."""
    found = annotated(read_ec(raw / "EnzymeCommission" / "nrPDB-EC_2020.04_annot.tsv"), "ec")
    formed, opened = {}, {}
    alpha: dict[bool, list[float]] = {True: [], False: []}
    for chain in found:
        structure, index = structure_of(raw, chain)
        residues = np.flatnonzero(structure.residue_chain == index).tolist()
        distances = []
        for first, third in zip(residues, residues[2:], strict=False):
            if (structure.residue_name[first], structure.residue_name[third]) != ("HIS", "ASP"):
                continue
            his = atoms_of(structure, first, "ND1", "NE2")
            asp = atoms_of(structure, third, "OD1", "OD2")
            distances.append(cdist(his, asp).min())
            ca = cdist(atoms_of(structure, first, "CA"), atoms_of(structure, third, "CA"))
            alpha[bool(distances[-1] < 5.0)].append(ca.item())
        formed[chain] = len(distances) >= 2 and max(distances) < 3.4
        opened[chain] = len(distances) >= 2 and min(distances) > 8.5
    assert agreement(found, formed, "9.1.1.-") > 0.9
    assert agreement(found, opened, "9.1.2.-") > 0.9
    assert min(sum(formed.values()), sum(opened.values())) >= 3
    # what alpha carbons alone show is the same for both
    assert np.mean(alpha[True]) == pytest.approx(np.mean(alpha[False]), abs=0.1)


def test_order_of_residues_decides(raw: Path) -> None:
    """EC 9.2.1.- for C-W, 9.2.2.- for W-C: the same residues in another order."""
    found = annotated(read_ec(raw / "EnzymeCommission" / "nrPDB-EC_2020.04_annot.tsv"), "ec")
    cw, wc = {}, {}
    for chain in found:
        structure, index = structure_of(raw, chain)
        names = list(structure.residue_name[structure.residue_chain == index])
        text = "".join({"CYS": "C", "TRP": "W"}.get(name, "-") for name in names)
        cw[chain] = text.count("CW") >= 2 and text.count("CW") > text.count("WC")
        wc[chain] = text.count("WC") >= 2 and text.count("WC") > text.count("CW")
    assert agreement(found, cw, "9.2.1.-") > 0.9
    assert agreement(found, wc, "9.2.2.-") > 0.9
    assert min(sum(cw.values()), sum(wc.values())) >= 3


def test_charge_decides_the_compartment(raw: Path) -> None:
    found = annotated(read_go(raw / "GeneOntology" / "nrPDB-GO_2019.06.18_annot.tsv"), "cc")
    positive = {}
    for chain in found:
        structure, index = structure_of(raw, chain)
        names = structure.residue_name[structure.residue_chain == index]
        positive[chain] = (names == "LYS").sum() >= 4
    assert agreement(found, positive, "GO:9930001") > 0.9


def test_affinities_follow_contacts(raw: Path) -> None:
    """pKd from residues within 5 Å, up to noise of 0.25."""
    weights = {"PHE": 1.0, "TYR": 0.5, "TRP": 0.5, "ARG": -0.5, "LYS": -0.5, "GLU": -0.5}
    errors = []
    for row in read_affinity_csv(raw / "pp_affinity.csv").records:
        structure = read_structure(raw / "PP" / f"{row.id}.ent.pdb")
        chain = structure.residue_chain[structure.atom_residue]
        total = 0.0
        for residue, name in enumerate(structure.residue_name):
            others = structure.coords[chain != structure.residue_chain[residue]]
            side = structure.coords[(structure.atom_residue == residue) & (structure.slot > 3)]
            if name in weights and cdist(side, others).min() < 5.0:
                total += weights[name]
        errors.append(row.pk - (7.0 + 4.0 * np.tanh((total - 1.5) / 3.8)))
    assert np.abs(errors).max() < 1.2
    assert 0.05 < np.std(errors) < 0.5


def test_ligand_affinities_follow_contacts_and_dyads(raw: Path) -> None:
    rows = read_pdbbind_index(raw / "index" / "INDEX_general_PL_data.2020").records
    assert len(rows) == 8
    for row in rows:
        folder = raw / "refined-set" / row.id
        structure = read_structure(folder / f"{row.id}_protein.pdb")
        ligand = read_ligand(folder / f"{row.id}_ligand.sdf").coords.astype(float)
        residues = [
            structure.coords[structure.atom_residue == i].astype(float)
            for i in range(structure.num_residues)
        ]
        names = [str(name) for name in structure.residue_name]
        formed = find_traits(names, residues).formed
        expected = ligand_affinity(strength(names, residues, ligand), formed)
        assert row.pk == pytest.approx(expected, abs=1.2)


def test_strength_by_hand() -> None:
    """One PHE in contact, one too far, one ARG in contact, one ALA that does not count."""
    residues = [np.tile([x, 0.0, 0.0], (5, 1)) for x in (4.0, 6.0, -4.9, 1.0)]
    names = ["PHE", "PHE", "ARG", "ALA"]
    assert strength(names, residues, np.zeros((1, 3))) == pytest.approx(0.5)


def test_affinities_saturate() -> None:
    assert pair_affinity(1.5) == 7.0
    assert ligand_affinity(0.0, True) == ligand_affinity(1.0, False) == 7.0
    assert pair_affinity(-100.0) == pytest.approx(3.0)
    assert ligand_affinity(100.0, False) == pytest.approx(11.0)


def test_dyad_distance_by_hand() -> None:
    """HIS at the origin and ASP shifted by 5 Å: the nearest of N and O are 5 - 1 Å apart."""
    his = np.zeros((10, 3))
    his[[6, 9]] = [[1.0, 0, 0], [0, 1.0, 0]]  # ND1, NE2
    asp = np.tile([5.0, 0.0, 0.0], (8, 1))
    middle = np.zeros((4, 3))
    assert dyad_distances(["HIS", "GLY", "ASP"], [his, middle, asp]) == [pytest.approx(4.0)]
    assert dyad_distances(["ASP", "GLY", "HIS"], [asp, middle, his]) == []


def test_helix_share_counts_runs_only() -> None:
    phi, psi = np.full((2, 1, 20), -120.0)
    phi[0, 5:13], psi[0, 5:13] = -63.0, -43.0
    phi[0, 16], psi[0, 16] = -63.0, -43.0
    atoms, _ = build_backbones(phi, psi, np.full((1, 20), 180.0))
    assert helix_share(list(atoms[0])) == pytest.approx(8 / 20)


def test_terms_need_all_their_traits() -> None:
    nothing = Traits(**{field.name: False for field in fields(Traits)})
    assert all(terms == () for terms in terms_of(nothing).values())
    both = Traits(**{field.name: field.name in ("formed", "cw") for field in fields(Traits)})
    assert terms_of(both)["ec"] == ("9.1.1.-", "9.1.1.1", "9.2.1.-")
    assert terms_of(both)["bp"] == ()


def test_terms_are_in_use_and_named(raw: Path) -> None:
    go = read_go(raw / "GeneOntology" / "nrPDB-GO_2019.06.18_annot.tsv")
    ec = read_ec(raw / "EnzymeCommission" / "nrPDB-EC_2020.04_annot.tsv")
    for table in (ec, go):
        assert not table.problems
        for task in table.tasks:
            assert task.terms == tuple(term.id for term in TERMS[task.name])
            assert table.support(task.name).min() >= 1
    assert all(name.startswith("synthetic") for task in go.tasks for name in task.term_names)


def test_planted_residues_by_hand() -> None:
    names = ["HIS", "ALA", "ASP", "ALA", "ASP", *["PHE"] * 5, "HIS", "GLY"]
    residues = [np.tile([4.0 * place, 0.0, 0.0], (5, 1)) for place in range(len(names))]
    residues[9] = residues[9] + 100.0  # the last PHE lies far from the others
    assert planted_residues(names, residues, "formed").tolist() == [0, 2]
    assert planted_residues(names, residues, "open").tolist() == [0, 2]
    assert planted_residues(names, residues, "aromatic").tolist() == [5, 6, 7, 8]
    assert planted_residues(names, residues, "polar").tolist() == []
    with pytest.raises(ValueError, match="allowed: formed"):
        planted_residues(names, residues, "positive")
