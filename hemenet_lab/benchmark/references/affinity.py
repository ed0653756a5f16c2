"""Affinities from what is simple to count: ligands, proteins alone, contacts of an interface."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem import rdFingerprintGenerator, rdMolDescriptors
from scipy.spatial import cKDTree
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression, RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from hemenet_lab.benchmark.references.items import Items, smiles_of
from hemenet_lab.store import LIGAND, PARTNER, PROTEIN, WHOLE, Entry, Store
from hemenet_lab.structures import ONE_LETTER

Values = NDArray[np.float64]
RADIUS, BITS = 2, 2048
"""ECFP4 (Rogers and Hahn 2010, doi 10.1021/ci100050t), folded."""
ALPHAS = (0.1, 1.0, 10.0, 100.0, 1000.0, 10_000.0)
"""Penalties that ridge regression chooses among by leaving one training item out."""
TREES = 500
CONTACT = 5.5
"""Å between heavy atoms of residues in contact (Vangone and Bonvin 2015, 10.7554/eLife.07454)."""
CLASSES = {"charged": "DEKRH", "polar": "STNQCYW", "apolar": "AGVLIMFP"}
"""Classes of residues, after the same paper; unknown residues are apolar."""

Regressor = tuple[Values, Callable[[int], Any]]
"""Features of all items [n, d], and a scikit-learn regressor made from a seed."""


def regressors(store: Store, items: Items) -> dict[str, Regressor]:
    """The reference methods of a regression task by name.

    Those on the ligand are there where some item has a ligand, those on an interface where some
    item has a partner.

    Args:
        store: The entries.
        items: Labelled items of the task.
    """
    entries = [store[index] for index in items.entry.tolist()]
    found: dict[str, Regressor] = {}
    chains = items.chain.tolist()
    proteins = np.array([composition(e, c) for e, c in zip(entries, chains, strict=True)])
    if any((entry.entity == LIGAND).any() for entry in entries):
        heavy = np.array([[np.count_nonzero(entry.entity == LIGAND)] for entry in entries], float)
        found["heavy atoms of the ligand, linear"] = heavy, _line
        found |= _of_molecules(items, store, proteins)
    if any((entry.entity == PARTNER).any() for entry in entries):
        contacts = np.array([interface(entry) for entry in entries])
        total = contacts[:, :NUM_PAIRS].sum(axis=1, keepdims=True)
        found["residue contacts, linear"] = total, _line
        found["contacts and interface by residue class, ridge"] = contacts, _ridge
        found["contacts and interface by residue class, random forest"] = contacts, _forest
    found["protein only: composition and length, ridge"] = proteins, _ridge
    found["protein only: composition and length, random forest"] = proteins, _forest
    return found


def _line(seed: int) -> Any:
    return LinearRegression()


def _ridge(seed: int) -> Any:
    return make_pipeline(StandardScaler(), RidgeCV(ALPHAS))


def _plain_ridge(seed: int) -> Any:
    """Ridge regression on bits, which share one scale already."""
    return RidgeCV(ALPHAS)


def _forest(seed: int) -> Any:
    return RandomForestRegressor(TREES, max_features=1 / 3, random_state=seed, n_jobs=1)


def _of_molecules(items: Items, store: Store, proteins: Values) -> dict[str, Regressor]:
    """Methods on fingerprints and descriptors; none where the store has no chemistry of ligands.

    Args:
        items: The labelled items.
        store: The entries.
        proteins: [n, 22], see `composition`, for the methods that know both sides.
    """
    smiles = smiles_of(store)
    molecules = [Chem.MolFromSmiles(smiles.get(store.ids[entry], "")) for entry in items.entry]
    if not any(molecule is not None and molecule.GetNumAtoms() for molecule in molecules):
        return {}
    bits = np.array([fingerprint(molecule) for molecule in molecules])
    numbers = np.array([descriptors(molecule) for molecule in molecules])
    # shares of residues are far smaller than bits: in units of their deviation they are not
    spread = proteins.std(axis=0)
    both = np.hstack([bits, (proteins - proteins.mean(axis=0)) / np.where(spread > 0, spread, 1)])
    return {
        "ligand fingerprint, ridge": (bits, _plain_ridge),
        "ligand fingerprint, random forest": (bits, _forest),
        "ligand descriptors, ridge": (numbers, _ridge),
        "ligand descriptors, random forest": (numbers, _forest),
        "ligand fingerprint and protein composition, ridge": (both, _plain_ridge),
    }


def fingerprint(molecule: Chem.Mol | None) -> Values:
    """[2048], Morgan bits; all 0 for a molecule that cannot be read."""
    if molecule is None:
        return np.zeros(BITS)
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=RADIUS, fpSize=BITS)
    return np.asarray(generator.GetFingerprintAsNumPy(molecule), dtype=np.float64)


HALOGENS = (9, 17, 35, 53)
"""Atomic numbers."""

DESCRIPTORS: Mapping[str, Callable[[Any], float]] = {
    "heavy atoms": lambda molecule: molecule.GetNumHeavyAtoms(),
    "molecular weight": rdMolDescriptors.CalcExactMolWt,
    "logP (Crippen)": lambda molecule: rdMolDescriptors.CalcCrippenDescriptors(molecule)[0],
    "molar refractivity": lambda molecule: rdMolDescriptors.CalcCrippenDescriptors(molecule)[1],
    "polar surface": rdMolDescriptors.CalcTPSA,
    "donors": rdMolDescriptors.CalcNumHBD,
    "acceptors": rdMolDescriptors.CalcNumHBA,
    "rotatable bonds": rdMolDescriptors.CalcNumRotatableBonds,
    "rings": rdMolDescriptors.CalcNumRings,
    "aromatic rings": rdMolDescriptors.CalcNumAromaticRings,
    "sp3 carbons, share": rdMolDescriptors.CalcFractionCSP3,
    "formal charge": Chem.GetFormalCharge,
    "hetero atoms": rdMolDescriptors.CalcNumHeteroatoms,
    "halogens": lambda molecule: sum(a.GetAtomicNum() in HALOGENS for a in molecule.GetAtoms()),
}


def descriptors(molecule: Chem.Mol | None) -> Values:
    """[14], see `DESCRIPTORS`; all 0 for a molecule that cannot be read."""
    if molecule is None:
        return np.zeros(len(DESCRIPTORS))
    return np.array([float(value(molecule)) for value in DESCRIPTORS.values()])


def composition(entry: Entry, chain: int = WHOLE) -> Values:
    """[22], shares of the residue types of a chain or of all, and the log of their number."""
    of = entry.node_chain >= 0 if chain == WHOLE else entry.node_chain == chain
    residues = entry.node_type[of]
    counts = np.bincount(residues, minlength=len(ONE_LETTER))[: len(ONE_LETTER)]
    length = max(1, len(residues))
    return np.append(counts / length, np.log(length))


PAIRS = tuple((a, b) for a in range(len(CLASSES)) for b in range(a, len(CLASSES)))
NUM_PAIRS = len(PAIRS)


def interface(entry: Entry) -> Values:
    """[14], numbers of contacts by pair of classes (6), residues in contact, and residues.

    A contact is a residue of the protein and one of the partner with heavy atoms within `CONTACT`.
    After the contacts come the residues in contact by class, of the protein (3) and of the partner
    (3), and the numbers of all residues of the protein and of the partner.
    """
    polymer = entry.node_chain >= 0
    sides = [polymer & (entry.entity == side) for side in (PROTEIN, PARTNER)]
    sizes = [float(side.sum()) for side in sides]
    if not all(sizes):
        return np.array([0.0] * (NUM_PAIRS + 2 * len(CLASSES)) + sizes)
    kind = _classes()[entry.node_type]
    node = np.repeat(np.arange(entry.num_nodes), entry.node_atoms)
    ours, theirs = (np.flatnonzero(side[node]) for side in sides)
    near = cKDTree(entry.coords[ours]).query_ball_tree(cKDTree(entry.coords[theirs]), CONTACT)
    pairs = {
        (int(node[ours[i]]), int(node[theirs[j]])) for i, found in enumerate(near) for j in found
    }
    counts = np.zeros(NUM_PAIRS)
    for first, second in pairs:
        low, high = sorted((int(kind[first]), int(kind[second])))
        counts[PAIRS.index((low, high))] += 1
    touching = [sorted({pair[side] for pair in pairs}) for side in (0, 1)]
    classes = [
        np.bincount(kind[residues].astype(np.int64), minlength=len(CLASSES))
        for residues in touching
    ]
    return np.concatenate([counts, *classes, sizes])


def _classes() -> NDArray[np.int64]:
    """Class of each residue type; ligand types are never asked for."""
    letters = list(CLASSES.values())
    apolar = list(CLASSES).index("apolar")
    found = [
        next((at for at, members in enumerate(letters) if letter in members), apolar)
        for letter in ONE_LETTER
    ]
    return np.array(found + [apolar] * 32, dtype=np.int64)
