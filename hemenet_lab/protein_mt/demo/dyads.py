"""His-x-Asp dyads on strands: side chains that point to each other, or apart."""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import cdist

from hemenet_lab.protein_mt.demo.geometry import Floats
from hemenet_lab.protein_mt.demo.sidechains import Packer
from hemenet_lab.structures import RESIDUE_ATOMS

FORMED, OPEN = 3.4, 8.5
"""Smallest His N to Asp O distance: at most the first when formed, at least the second when open,
Å."""
TIPS = {"HIS": ("ND1", "NE2"), "ASP": ("OD1", "OD2")}
"""Atoms between which the distance is measured."""


def place_dyad(packer: Packer, first: int, formed: bool) -> bool:
    """Choose the rotamers of residues ``first`` (HIS) and ``first + 2`` (ASP) together.

    Returns:
        False where no pair of rotamers without clashes has the wanted distance.
    """
    pair = (first, first + 2)
    his, asp = (packer.site.candidates(i) for i in pair)
    reach = _closest(_tips("HIS", his), _tips("ASP", asp))
    fits = reach <= FORMED if formed else reach >= OPEN
    fits &= _closest(his, asp) >= 2.7
    cost = packer.cost(pair[0], his)[:, None] + packer.cost(pair[1], asp)
    cost[~fits] = np.inf
    a, b = np.unravel_index(int(np.argmin(cost)), cost.shape)
    packer.side[pair[0]], packer.side[pair[1]] = his[a], asp[b]
    return bool(cost[a, b] < 60.0)


def _tips(residue: str, side: Floats) -> Floats:
    names = RESIDUE_ATOMS[residue][4:]
    return side[:, [names.index(atom) for atom in TIPS[residue]]]


def _closest(a: Floats, b: Floats) -> Floats:
    """Smallest distances [R, S] between the atoms of side chains [R, n, 3] and [S, m, 3], Å."""
    flat = cdist(a.reshape(-1, 3), b.reshape(-1, 3))
    return flat.reshape(len(a), a.shape[1], len(b), b.shape[1]).min(axis=(1, 3))
