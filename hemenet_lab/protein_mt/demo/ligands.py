"""A fixed list of small molecules, with conformers made by RDKit."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from hemenet_lab.protein_mt.demo.geometry import Floats

if TYPE_CHECKING:  # slow to import
    from rdkit import Chem

SMILES: tuple[str, ...] = (
    "OCC(O)CO",
    "NCC(=O)O",
    "CC(O)C(=O)O",
    "OC1CCCCC1",
    "Nc1ccccn1",
    "Oc1ccccc1",
    "CC(C)CC(N)C(=O)O",
    "NC(=O)c1cccnc1",
    "Nc1ncnc2[nH]cnc12",
    "OCC1OC(O)C(O)C(O)C1O",
    "CC(=O)Nc1ccc(O)cc1",
    "Cc1ccc(Cl)cc1",
    "c1ccc2ccccc2c1",
    "CCCCCCCC(=O)O",
    "NC(=N)NCCCC(N)C(=O)O",
    "O=C(O)c1ccccc1O",
    "CC(C)Cc1ccc(cc1)C(C)C(=O)O",
    "Cn1cnc2c1c(=O)n(C)c(=O)n2C",
    "NCCc1c[nH]c2ccc(O)cc12",
    "OCC1OC(n2ccc(=O)[nH]c2=O)C(O)C1O",
    "c1ccc(cc1)-c1ccccc1",
    "O=C(NCc1ccccc1)c1ccccc1",
    "NS(=O)(=O)c1ccc(cc1)C(=O)NCCO",
    "Nc1ncnc2c1ncn2C1OC(CO)C(O)C1O",
    "O=C(O)CCC(NC(=O)c1ccc(N)cc1)C(=O)O",
    "CCCCc1ccc(cc1)-c1ccc(F)cc1",
    "COc1ccc(cc1)C(=O)NCCc1ccccc1",
    "Fc1ccc(cc1)C(=O)N1CCN(CC1)c1ccccc1",
    "OC1C(O)C(O)C(OC1CO)OC1C(O)C(O)C(O)OC1CO",
    "O=C(NCCCN1CCOCC1)c1ccc2ccccc2c1",
    "Cc1ccc(cc1)S(=O)(=O)NC(Cc1ccccc1)C(=O)O",
    "NC(=N)c1ccc(cc1)OCCCCCOc1ccc(cc1)C(N)=N",
)
"""From 6 to 25 heavy atoms, some polar, some not."""


@dataclass(frozen=True)
class Molecule:
    """A ligand with one conformer: the RDKit molecule and what docking needs of it."""

    smiles: str
    mol: Chem.Mol
    coords: Floats
    """[A, 3], Å, centred."""
    elements: tuple[str, ...]
    """A element symbols."""


@cache
def library() -> tuple[Molecule, ...]:
    """All molecules of `SMILES`, each embedded with a fixed seed; without hydrogens."""
    return tuple(_embed(smiles) for smiles in SMILES)


def _embed(smiles: str) -> Molecule:
    from rdkit import Chem
    from rdkit.Chem import rdDistGeom, rdForceFieldHelpers

    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    if rdDistGeom.EmbedMolecule(mol, randomSeed=7) != 0:
        raise RuntimeError(f"RDKit found no 3D conformer of {smiles}")
    rdForceFieldHelpers.MMFFOptimizeMolecule(mol, maxIters=200)
    heavy = Chem.RemoveHs(mol)
    # three decimals, so that no last bit of the embedding reaches a file or a docking choice
    coords = np.round(heavy.GetConformer().GetPositions(), 3)
    coords -= np.round(coords.mean(axis=0), 3)
    return Molecule(smiles, heavy, coords, tuple(a.GetSymbol() for a in heavy.GetAtoms()))


def sdf_block(molecule: Molecule, coords: Floats, name: str) -> str:
    """SDF record of a molecule at other coordinates [A, 3], Å."""
    from rdkit import Chem

    placed = Chem.Mol(molecule.mol)
    conformer = placed.GetConformer()
    for i, point in enumerate(coords):
        conformer.SetAtomPosition(i, [float(x) for x in point])
    placed.SetProp("_Name", name)
    return Chem.MolToMolBlock(placed) + "> <REMARK>\nSYNTHETIC\n\n$$$$\n"
