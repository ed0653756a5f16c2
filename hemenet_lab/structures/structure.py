"""A parsed protein structure as frozen, typed arrays: what every reader returns."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Drop:
    """Something left out while reading: what, why, and how much of it."""

    kind: str
    """Class of what was dropped, such as ``water`` or ``hydrogen``."""
    reason: str
    count: int
    """Atoms; lines for ``record``, numbers for ``value``, molecules for ``molecule``."""


@dataclass(frozen=True)
class Structure:
    """Heavy atoms of a structure's polymer residues (and kept single-atom groups), in Å.

    Atoms lie grouped by residue in slot order, residues by chain along the sequence, kept
    single-atom groups behind their chain's residues. Arrays of the same level have the same
    length: A atoms, R residues, C chains.
    """

    id: str
    # atoms
    coords: NDArray[np.float32]
    """[A, 3], Å."""
    element: NDArray[np.str_]
    """[A], symbols in upper case."""
    atom_name: NDArray[np.str_]
    """[A], such as ``CA``."""
    slot: NDArray[np.int8]
    """[A], channel of the atom in its residue node, 0-13 (see `vocabulary.RESIDUE_ATOMS`)."""
    occupancy: NDArray[np.float32]
    b_factor: NDArray[np.float32]
    """[A], Å²."""
    atom_residue: NDArray[np.int32]
    """[A], index of the atom's residue, ascending."""
    # residues
    residue_name: NDArray[np.str_]
    """[R], as in the file (``MSE`` stays ``MSE``)."""
    residue_type: NDArray[np.int8]
    """[R], index into `vocabulary.RESIDUES`; modified residues have their parent's."""
    residue_number: NDArray[np.int32]
    """[R], author numbering."""
    insertion_code: NDArray[np.str_]
    """[R], one letter or empty."""
    residue_chain: NDArray[np.int32]
    """[R], index of the residue's chain, ascending."""
    is_polymer: NDArray[np.bool_]
    """[R], False for ions and cofactor atoms kept on request as single-atom nodes."""
    sequence_index: NDArray[np.int32]
    """[R], position along the chain: +1 per bonded neighbour, a larger step over a gap."""
    # chains
    chain_id: tuple[str, ...]
    """[C], author chain ids."""
    chain_label: tuple[str, ...]
    """[C], mmCIF label ids; the author id where the format has only one."""
    drops: tuple[Drop, ...] = field(default=())

    @property
    def num_atoms(self) -> int:
        return len(self.coords)

    @property
    def num_residues(self) -> int:
        return len(self.residue_type)

    @property
    def num_chains(self) -> int:
        return len(self.chain_id)


@dataclass(frozen=True)
class Ligand:
    """Heavy atoms of a small molecule, in Å; file order."""

    name: str
    coords: NDArray[np.float32]
    """[A, 3], Å."""
    element: NDArray[np.str_]
    """[A], symbols in upper case."""
    sanitized: bool
    """False when RDKit's chemistry checks failed and the file was read without them."""
    note: str = ""
    drops: tuple[Drop, ...] = field(default=())

    @property
    def num_atoms(self) -> int:
        return len(self.coords)
