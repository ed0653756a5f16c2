"""One chain of a structure, for the items that are single chains."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hemenet_lab.structures import Drop, Structure, StructureError

OTHER_CHAIN = "other chain"
"""Kind of drop: the atoms of the chains that were not asked for."""
MOST_SHOWN = 20
"""Chains that an error names."""
ATOM_ARRAYS = ("coords", "element", "atom_name", "slot", "occupancy", "b_factor")
RESIDUE_ARRAYS = (
    *("residue_name", "residue_type", "residue_number", "insertion_code"),
    *("is_polymer", "sequence_index"),
)


class ChainNotFound(StructureError):
    """The file has no protein chain with the author id that was asked for."""


def protein_chains(structure: Structure) -> tuple[str, ...]:
    """Author ids of the chains with residues; chains of ions and cofactors only have none."""
    chains = np.unique(structure.residue_chain[structure.is_polymer])
    return tuple(structure.chain_id[chain] for chain in chains)


def select_chain(structure: Structure, chain: str, *, by_author_id: bool = False) -> Structure:
    """The structure with one chain only; the atoms of the others are counted as dropped.

    Chains are named by their author ids, as in SIFTS's tables and DeepFRI's lists (which have
    ``1A`` and ``3O``; mmCIF's label ids have no digits); a label id is never taken for one.

    Args:
        structure: Structure of a file.
        chain: Author id of the chain.
        by_author_id: The file holds a whole entry, in which the chain must have this id. Else a
            file with a single chain is taken whatever it calls the chain (files in PDB format cut
            names of several letters), and the chain gets the name that was asked for.

    Raises:
        ChainNotFound: No chain with residues has this author id.
    """
    names = protein_chains(structure)
    if chain not in names and (by_author_id or len(names) != 1):
        raise ChainNotFound(_not_found(structure, chain, names))
    index = structure.chain_id.index(chain if chain in names else names[0])
    residues = structure.residue_chain == index
    atoms = residues[structure.atom_residue]
    others = int((~atoms).sum())
    drops = (Drop(OTHER_CHAIN, "not the chain of this item", others),) if others else ()
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


def _not_found(structure: Structure, chain: str, names: tuple[str, ...]) -> str:
    labels = dict(zip(structure.chain_id, structure.chain_label, strict=True))
    shown = [
        repr(name) if labels[name] == name else f"{name!r} (label id {labels[name]!r})"
        for name in names[:MOST_SHOWN]
    ]
    shown += [f"… {len(names)} in all"] if len(names) > MOST_SHOWN else []
    return (
        f"{structure.id}: chain {chain!r} is not among the protein chains of the file, whose "
        f"author ids are {', '.join(shown)}; is it another version of the entry, or the wrong name?"
    )
