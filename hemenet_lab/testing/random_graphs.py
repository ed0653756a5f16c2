"""Random protein-like entries and graphs, made by the same path as real ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch_geometric.data import Batch

from hemenet_lab.graphs import GraphView, ProteinGraph, build_graph
from hemenet_lab.store import LIGAND, PARTNER, PROTEIN, Entry
from hemenet_lab.structures import (
    BACKBONE,
    CA_SLOT,
    RESIDUE_ATOMS,
    RESIDUES,
    element_class,
    ligand_node_type,
)

CA_STEP = 3.8
"""Distance of neighbouring alpha carbons, Å."""
BOND = 1.5
"""Distance of neighbouring ligand atoms, Å."""
LIGAND_ELEMENTS = ("C", "N", "O", "S", "P", "F", "ZN")

Floats = NDArray[np.float64]


def random_entry(
    seed: int,
    residues: Sequence[int] = (12, 9),
    ligand_atoms: int = 5,
    missing_atoms: float = 0.1,
    partner_chains: Sequence[int] = (1,),
) -> Entry:
    """An entry with protein-like coordinates: a chain of alpha carbons with atoms around each.

    Alpha carbons are 3.8 Å apart and at least 3.5 Å from all others, atoms 1.2-3 Å from their
    alpha carbon, and the chains and the ligand touch. Sequences skip a position here and there.

    Args:
        seed: Same seed, same entry.
        residues: Number of residues of each chain; 1 gives a chain of one residue.
        ligand_atoms: Number of ligand atoms, 0 for no ligand.
        missing_atoms: Probability that an atom of a residue, alpha carbons included, is missing;
            each residue keeps at least one.
        partner_chains: Chains that count as the partner (`hemenet_lab.store.entry.PARTNER`).

    Raises:
        ValueError: A chain without residues.
    """
    if not residues or min(residues) < 1:
        raise ValueError(f"residues per chain are {list(residues)}; each chain needs one or more")
    rng = np.random.default_rng(seed)
    chain = np.repeat(np.arange(len(residues)), residues)
    kinds = rng.integers(0, len(RESIDUES), len(chain))
    alphas = _alpha_carbons(rng, residues)
    slots = [_kept_slots(rng, kind, missing_atoms) for kind in kinds]
    atoms = [_residue_coords(rng, at, kept) for at, kept in zip(alphas, slots, strict=True)]
    symbols = [
        _atom_names(kind)[slot][0] for kind, own in zip(kinds, slots, strict=True) for slot in own
    ]
    symbols += list(rng.choice(LIGAND_ELEMENTS, ligand_atoms))
    atoms.append(_ligand_coords(rng, alphas, ligand_atoms))
    element = np.array([element_class(symbol) for symbol in symbols])
    entity = np.where(np.isin(chain, list(partner_chains)), PARTNER, PROTEIN)
    sequence = _sequence_index(rng, residues)
    none = np.zeros(ligand_atoms, dtype=np.int64)
    return Entry(
        id=f"random-{seed}",
        kind="user",
        node_type=np.append(
            kinds, [ligand_node_type(e) for e in element[len(element) - ligand_atoms :]]
        ).astype(np.int8),
        entity=np.append(entity, none + LIGAND).astype(np.int8),
        node_chain=np.append(chain, none - 1).astype(np.int16),
        sequence_index=np.append(sequence, none).astype(np.int32),
        residue_number=np.append(sequence + 1, none).astype(np.int32),
        insertion_code=np.zeros(len(chain) + ligand_atoms, dtype=np.uint8),
        node_atoms=np.append([len(own) for own in slots], none + 1).astype(np.uint8),
        coords=np.concatenate(atoms).astype(np.float32),
        atom_element=element.astype(np.int8),
        atom_slot=np.append(np.concatenate(slots), none).astype(np.int8),
        chain_names=tuple(chr(ord("A") + number) for number in range(len(residues))),
    )


def _atom_names(kind: int) -> tuple[str, ...]:
    return RESIDUE_ATOMS.get(RESIDUES[kind], BACKBONE)


def _kept_slots(rng: np.random.Generator, kind: int, missing: float) -> NDArray[np.int64]:
    slots = np.arange(len(_atom_names(kind)))
    kept = slots[rng.random(len(slots)) >= missing]
    return kept if len(kept) else slots[:1]


def _directions(rng: np.random.Generator, count: int) -> Floats:
    vectors = rng.normal(size=(count, 3))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _alpha_carbons(rng: np.random.Generator, residues: Sequence[int]) -> Floats:
    """Self-avoiding walks [R, 3]; each chain starts beside an earlier one."""
    placed = np.zeros((0, 3))
    for length in residues:
        last = placed[rng.integers(len(placed))] if len(placed) else np.zeros(3)
        for number in range(length):
            step = CA_STEP if number else 2 * CA_STEP
            last = _free_place(rng, last, step, placed)
            placed = np.vstack([placed, last])
    return placed


def _free_place(rng: np.random.Generator, start: Floats, step: float, taken: Floats) -> Floats:
    """A place at distance ``step``, of some tries the one farthest from what is there."""
    tries = start + step * _directions(rng, 20)
    if not len(taken):
        return tries[0]
    room = np.linalg.norm(tries[:, None] - taken[None], axis=-1).min(axis=1)
    free = np.flatnonzero(room >= 3.5)
    return tries[free[0]] if len(free) else tries[room.argmax()]


def _residue_coords(rng: np.random.Generator, alpha: Floats, slots: NDArray[np.int64]) -> Floats:
    coords = alpha + rng.uniform(1.2, 3.0, (len(slots), 1)) * _directions(rng, len(slots))
    coords[slots == CA_SLOT] = alpha
    return coords


def _ligand_coords(rng: np.random.Generator, alphas: Floats, count: int) -> Floats:
    start = alphas[rng.integers(len(alphas))] + 5.0 * _directions(rng, 1)
    return start + BOND * np.cumsum(_directions(rng, count), axis=0)


def _sequence_index(rng: np.random.Generator, residues: Sequence[int]) -> NDArray[np.int64]:
    steps = [np.where(rng.random(length) < 0.1, 3, 1) for length in residues]
    return np.concatenate([np.cumsum(own) - own[0] for own in steps])


def random_graph(
    view: GraphView, seed: int, *, dtype: torch.dtype = torch.float64, **options: Any
) -> ProteinGraph:
    """The graph of `random_entry` (which takes the other options) in a view.

    With the default ``dtype`` the coordinates are the float32 ones as float64, so that symmetries
    can be tested to rounding errors of float64.
    """
    return cast(build_graph(random_entry(seed, **options), view), dtype)


def random_graphs(
    view: GraphView, seeds: Sequence[int] = (0, 1, 2), *, dtype: torch.dtype = torch.float64
) -> list[ProteinGraph]:
    """Random graphs of different sizes, one per seed: with and without a ligand, 1-3 chains."""
    sizes = ((12, 9), (7,), (10, 3, 4))
    return [
        random_graph(view, seed, dtype=dtype, residues=sizes[number % 3], ligand_atoms=3 * number)
        for number, seed in enumerate(seeds)
    ]


def random_batch(
    view: GraphView, seeds: Sequence[int] = (0, 1, 2), *, dtype: torch.dtype = torch.float64
) -> ProteinGraph:
    """`random_graphs` as one batch."""
    return Batch.from_data_list(random_graphs(view, seeds, dtype=dtype))


def cast(graph: ProteinGraph, dtype: torch.dtype) -> ProteinGraph:
    """A copy with coordinates of another floating type."""
    graph = graph.clone()
    graph.pos, graph.coords = graph.pos.to(dtype), graph.coords.to(dtype)
    return graph
