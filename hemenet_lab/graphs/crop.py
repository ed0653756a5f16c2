"""Cutting an entry down to its binding site, for encoders that need not see the rest."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from hemenet_lab.store import ATOM_FIELDS, LIGAND, NODE_FIELDS, PARTNER, Entry


def crop_entry(entry: Entry, distance: float) -> Entry:
    """The entry with the nodes of its binding site only; labels and chains stay.

    With a partner these are the residues of each side with an atom closer than ``distance`` to one
    of the other side, and the hetero atoms closer than that to both. With a ligand only, they are
    the ligand and the residues closer than that to it. An entry with neither, or where nothing is
    that close, stays whole.

    Args:
        entry: A complex or a chain.
        distance: Å between heavy atoms; 0 keeps everything.
    """
    if not distance:
        return entry
    partner = entry.entity == PARTNER
    ligand = entry.entity == LIGAND
    protein = ~partner & ~ligand
    if partner.any():
        near_partner, near_protein = (_near(entry, side, distance) for side in (partner, protein))
        kept = (protein & near_partner) | (partner & near_protein)
        kept |= ligand & near_partner & near_protein
    else:
        kept = ligand | (protein & _near(entry, ligand, distance))
    if not (kept & ~ligand).any():
        return entry
    atoms = np.repeat(kept, entry.node_atoms)
    of_nodes = {field.name: getattr(entry, field.name)[kept] for field in NODE_FIELDS}
    of_atoms = {field.name: getattr(entry, field.name)[atoms] for field in ATOM_FIELDS}
    b_factor = None if entry.b_factor is None else entry.b_factor[kept]
    return replace(entry, **of_nodes, **of_atoms, b_factor=b_factor)


def _near(entry: Entry, side: NDArray[np.bool_], distance: float) -> NDArray[np.bool_]:
    """[N], nodes with an atom closer than ``distance`` to an atom of the nodes in ``side`` [N]."""
    node = np.repeat(np.arange(entry.num_nodes), entry.node_atoms)
    of_side = side[node]
    if not of_side.any():
        return np.zeros(entry.num_nodes, dtype=np.bool_)
    coords = entry.coords.astype(np.float64)
    # the bound speeds the search up and gives infinity beyond it
    found, _ = cKDTree(coords[of_side]).query(coords, distance_upper_bound=distance)
    near = np.zeros(entry.num_nodes, dtype=np.bool_)
    near[node[np.isfinite(found)]] = True
    return near
