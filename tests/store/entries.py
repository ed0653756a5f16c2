"""Small random entries for the tests: helical chains with side-chain atoms, and ligands."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hemenet_lab.store.entry import Entry
from hemenet_lab.structures import ELEMENT_CLASS_INDEX, RESIDUE_ATOMS, RESIDUES
from hemenet_lab.tasks import BP, CC, EC, LBA, MF, PPA, Task

TASKS: tuple[Task, ...] = (
    LBA,
    PPA,
    EC.with_terms([f"1.1.1.{i}" for i in range(5)]),
    MF.with_terms([f"GO:{i}" for i in range(4)]),
    BP.with_terms([f"GO:{i}" for i in range(10, 16)]),
    CC.with_terms([f"GO:{i}" for i in range(20, 23)]),
)
CARBON = ELEMENT_CLASS_INDEX["C"]


def random_entry(
    seed: int,
    chains: tuple[int, ...] = (12, 7),
    ligand: int = 5,
    missing: float = 0.1,
    entry_id: str = "",
    values: dict[str, float] | None = None,
    terms: dict[str, dict[int, list[int]]] | None = None,
    kind: str = "user",
) -> Entry:
    """An entry with chains of the given lengths, gaps in sequence and missing atoms."""
    rng = np.random.default_rng(seed)
    node_type, node_chain, sequence, slots, coords = [], [], [], [], []
    for chain, length in enumerate(chains):
        centre = rng.normal(scale=6.0, size=3) * (chain > 0)
        position = 0
        for residue in range(length):
            position += 1 + 3 * int(rng.random() < 0.05)
            code = int(rng.integers(0, 20))
            count = len(RESIDUE_ATOMS[RESIDUES[code]])
            held = np.flatnonzero(rng.random(count) >= missing)
            held = held if len(held) else np.array([1])
            anchor = centre + _helix(residue)
            node_type.append(code)
            node_chain.append(chain)
            sequence.append(position)
            slots.append(held)
            coords.append(anchor + rng.normal(scale=1.5, size=(len(held), 3)))
    for _ in range(ligand):
        node_type.append(len(RESIDUES) + int(rng.integers(1, 4)))
        node_chain.append(-1)
        sequence.append(0)
        slots.append(np.array([0]))
        coords.append(rng.normal(scale=5.0, size=(1, 3)))
    return make_entry(
        *(node_type, node_chain, sequence, slots, coords),
        entry_id=entry_id or f"e{seed:05d}",
        values=values,
        terms=terms,
        kind=kind,
    )


def make_entry(
    node_type: list[int],
    node_chain: list[int],
    sequence: list[int],
    slots: list[NDArray[np.int_]],
    coords: list[NDArray[np.float64]],
    entry_id: str = "hand",
    values: dict[str, float] | None = None,
    terms: dict[str, dict[int, list[int]]] | None = None,
    kind: str = "user",
) -> Entry:
    """An entry from per-node lists; all atoms are carbon."""
    slot = np.concatenate(slots).astype(np.int8)
    num_chains = max(node_chain, default=-1) + 1
    ligand = np.array(node_chain) < 0
    return Entry(
        id=entry_id,
        kind=kind,
        node_type=np.array(node_type, dtype=np.int8),
        entity=np.where(ligand, 2, 0).astype(np.int8),
        node_chain=np.array(node_chain, dtype=np.int16),
        sequence_index=np.array(sequence, dtype=np.int32),
        residue_number=np.array(sequence, dtype=np.int32),
        insertion_code=np.zeros(len(node_type), dtype=np.uint8),
        node_atoms=np.array([len(held) for held in slots], dtype=np.uint8),
        coords=np.concatenate(coords).astype(np.float32),
        atom_element=(CARBON + slot % 3).astype(np.int8),
        atom_slot=slot,
        chain_names=tuple(chr(ord("A") + chain) for chain in range(num_chains)),
        chain_uniprot=tuple(f"P{chain:05d}" for chain in range(num_chains)),
        values=values or {},
        terms={
            task: {chain: np.array(found, dtype=np.int32) for chain, found in rows.items()}
            for task, rows in (terms or {}).items()
        },
    )


def _helix(residue: int) -> NDArray[np.float64]:
    turn = np.deg2rad(100.0) * residue
    return np.array([2.3 * np.cos(turn), 2.3 * np.sin(turn), 1.5 * residue])
