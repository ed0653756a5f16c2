"""Morgan fingerprints and SMILES of ligands, to tell how similar those of complexes are."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hemenet_lab.structures import read_ligand, unzipped

if TYPE_CHECKING:
    from rdkit.Chem import Mol

RADIUS, BITS = 2, 2048
"""ECFP4 (Rogers and Hahn 2010, doi 10.1021/ci100050t), folded."""


def read_fingerprint(paths: Iterable[Path]) -> bytes:
    """Fingerprint of the first file that RDKit reads and sanitizes, packed; empty if none.

    Args:
        paths: SDF or mol2 files of one ligand, in the order in which they are tried.
    """
    from rdkit.Chem import rdFingerprintGenerator  # slow to import

    for path in paths:
        molecule = _molecule(path)
        if molecule is not None and molecule.GetNumHeavyAtoms():
            generator = rdFingerprintGenerator.GetMorganGenerator(radius=RADIUS, fpSize=BITS)
            bits = generator.GetFingerprintAsNumPy(molecule)
            return np.packbits(bits.astype(np.uint8)).tobytes()
    return b""


def read_smiles(paths: Iterable[Path]) -> str:
    """Canonical SMILES of the first file that RDKit reads and sanitizes; empty if none.

    Args:
        paths: SDF or mol2 files of one ligand, in the order in which they are tried.
    """
    from rdkit import Chem

    for path in paths:
        molecule = _molecule(path)
        if molecule is not None and molecule.GetNumHeavyAtoms():
            return str(Chem.MolToSmiles(molecule))
    return ""


def _molecule(path: Path) -> Mol | None:
    """The sanitized molecule without hydrogens; None where the chemistry is not accepted."""
    from rdkit import Chem, rdBase

    try:
        text = unzipped(path.read_bytes(), path.name, ValueError).decode("latin-1")
    except (OSError, ValueError):
        return None
    is_mol2 = "@<TRIPOS>" in text
    read = Chem.MolFromMol2Block if is_mol2 else Chem.MolFromMolBlock
    with rdBase.BlockLogs():
        try:
            molecule = read(text)
            if molecule is None or (is_mol2 and not read_ligand(path).sanitized):
                return None  # RDKit takes types of other schemes than SYBYL's for elements
            return Chem.RemoveHs(molecule)
        except (RuntimeError, ValueError):
            return None
