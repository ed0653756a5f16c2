"""One chain of a structure, for the items that are single chains."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hemenet_lab.structures.parse import StructureError
from hemenet_lab.structures.structure import Drop, Structure

ATOM_ARRAYS = ("coords", "element", "atom_name", "slot", "occupancy", "b_factor")
RESIDUE_ARRAYS = (
    *("residue_name", "residue_type", "residue_number", "insertion_code"),
    *("is_polymer", "sequence_index"),
)


def protein_chains(structure: Structure) -> tuple[str, ...]:
    """Author ids of the chains with residues; chains of ions and cofactors only have none."""
    chains = np.unique(structure.residue_chain[structure.is_polymer])
    return tuple(structure.chain_id[chain] for chain in chains)


def select_chain(structure: Structure, chain: str) -> Structure:
    """The structure with one chain only; the atoms of the others are counted as dropped.

    A file with a single chain is taken whatever it calls the chain (files in PDB format cut chain
    names of several letters), and the chain gets the name that was asked for.

    Raises:
        StructureError: There are several chains and none has this name.
    """
    names = protein_chains(structure)
    if chain not in names and len(names) != 1:
        raise StructureError(
            f"{structure.id}: chain {chain!r} is not in the file, which has the chains "
            f"{', '.join(map(repr, names)) or 'none'}; check the file's name"
        )
    index = structure.chain_id.index(chain if chain in names else names[0])
    residues = structure.residue_chain == index
    atoms = residues[structure.atom_residue]
    others = int((~atoms).sum())
    drops = (Drop("other chain", "not the chain of this item", others),) if others else ()
    return replace(
        structure,
        **{name: getattr(structure, name)[atoms] for name in ATOM_ARRAYS},
        **{name: getattr(structure, name)[residues] for name in RESIDUE_ARRAYS},
        atom_residue=(np.cumsum(residues, dtype=np.int32) - 1)[structure.atom_residue[atoms]],
        residue_chain=np.zeros(int(residues.sum()), dtype=np.int32),
        chain_id=(chain,),
        chain_label=(structure.chain_label[index],),
        drops=structure.drops + drops,
    )
