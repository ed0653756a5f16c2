"""Entry: one item of the benchmark as flat arrays, the record that the store keeps."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

PROTEIN, PARTNER, LIGAND = 0, 1, 2
"""Values of ``entity``; cofactor atoms count as ligand."""


@dataclass(frozen=True)
class Entry:
    """A complex or a single chain: nodes with their atoms, chains, and labels.

    Nodes are residues (by chain, in sequence order), then ligand atoms; N nodes, A atoms, C chains.
    Atoms lie grouped by node, in ascending slot order.
    """

    id: str
    kind: str
    """Where it comes from: ``lba``, ``ppa``, ``chain``, or ``user`` for one's own structure."""
    # nodes
    node_type: NDArray[np.int8]
    """[N], 0-20 residue, 21-29 ligand atom by element class."""
    entity: NDArray[np.int8]
    """[N], 0 protein, 1 partner, 2 ligand or cofactor."""
    node_chain: NDArray[np.int16]
    """[N], chain of a residue; -1 for ligand and cofactor atoms."""
    sequence_index: NDArray[np.int32]
    """[N], position along the chain with steps over gaps; 0 for ligand atoms."""
    residue_number: NDArray[np.int32]
    """[N], author numbering; 0 for ligand atoms."""
    insertion_code: NDArray[np.uint8]
    """[N], ASCII code of the letter, 0 for none."""
    node_atoms: NDArray[np.uint8]
    """[N], number of atoms of each node, 1-14."""
    # atoms
    coords: NDArray[np.float32]
    """[A, 3], Å."""
    atom_element: NDArray[np.int8]
    """[A], element class."""
    atom_slot: NDArray[np.int8]
    """[A], channel, 0-13; 0 for ligand atoms."""
    # chains
    chain_names: tuple[str, ...]
    """[C], author chain ids."""
    chain_uniprot: tuple[str, ...] = ()
    """[C], UniProt ids joined by ``;``, empty where unknown."""
    # labels: absent keys and chains are unlabelled
    values: dict[str, float] = field(default_factory=dict)
    """Complex-level regression: task name → value."""
    terms: dict[str, dict[int, NDArray[np.int32]]] = field(default_factory=dict)
    """Chain-level multi-label: task name → {chain: indices of its terms}."""

    @property
    def num_nodes(self) -> int:
        return len(self.node_type)

    @property
    def num_atoms(self) -> int:
        return len(self.coords)

    @property
    def num_chains(self) -> int:
        return len(self.chain_names)
