"""Split of protein-ligand complexes by the scaffolds of their ligands."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hemenet_lab.protein_mt.splits.inputs import Split, SplitInputs
from hemenet_lab.protein_mt.splits.taskwise import split_by_hash

FEWEST = 3
"""Scaffolds: one for each part."""
RULE = (
    "complexes with a ligand only, by the Bemis-Murcko scaffold of the ligand (a ligand without "
    "rings is one of its own); a hash of the scaffold decides: 15 % test, 10 % val. Proteins are "
    "on both sides: see the leakage report. Ligands whose chemistry is not readable, and all other "
    "entries, are unused"
)


def scaffold_split(inputs: SplitInputs) -> Split:
    """Splits complexes by the ligand's scaffold.

    Raises:
        ValueError: Fewer than three different scaffolds.
    """
    of = {name: scaffold(smiles) for name, smiles in inputs.smiles.items() if smiles}
    rows = [row for row, item in enumerate(inputs.items) if of.get(item.id)]
    items = [inputs.items[row] for row in rows]
    keys = sorted({of[item.id] for item in items})
    if len(keys) < FEWEST:
        raise ValueError(
            f"{len(items)} complexes have a readable ligand, of {len(keys)} scaffolds; the scheme "
            f"scaffold needs {FEWEST}: use the scheme taskwise"
        )
    number = {key: index for index, key in enumerate(keys)}
    groups = np.array([number[of[item.id]] for item in items], dtype=np.int64)
    # a chain's labels are no reason to hold a ligand out
    affinity = [replace(item, labelled=item.labelled & {"lba"}) for item in items]
    here = replace(inputs, items=affinity, copies=inputs.copies[rows])
    found = split_by_hash(here, groups, keys, RULE)
    parts = dict.fromkeys((item.id for item in inputs.items), "unused") | found.parts
    unreadable = sum(not smiles for smiles in inputs.smiles.values())
    about = {**found.about, "scaffolds": len(keys), "unused_unreadable": unreadable}
    return Split(parts, about)


def scaffold(smiles: str) -> str:
    """Bemis-Murcko scaffold as SMILES; the molecule itself without rings; empty if unreadable."""
    from rdkit import Chem, rdBase
    from rdkit.Chem.Scaffolds import MurckoScaffold

    with rdBase.BlockLogs():
        molecule = Chem.MolFromSmiles(smiles)
        if molecule is None:
            return ""
        return str(MurckoScaffold.MurckoScaffoldSmiles(mol=molecule)) or smiles
