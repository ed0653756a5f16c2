"""Side chains onto a backbone: rotamers chosen one residue at a time, clashes repaired."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from hemenet_lab.protein_mt.demo.geometry import Floats
from hemenet_lab.protein_mt.demo.sidechains import rotamers
from hemenet_lab.structures import RESIDUE_ATOMS

_SOFT, _HARD, _CLASH = 3.5, 2.7, 2.2
"""Contacts cost something below the first, are repaired below the second, refused below the last
distance, Å."""
_BOND = 1.5
"""No bond between residues is longer, Å."""


@dataclass(frozen=True)
class Site:
    """What side chains are placed on: L residues of one or more chains.

    Args:
        names: L three-letter residue names.
        backbone: N, CA, C, O of each residue, [L, 4, 3], Å.
        rotation: Residue frames, [L, 3, 3].
        obstacles: Other atoms that are in the way, such as a ligand, [K, 3], Å.
        starts: First residue of each chain.
    """

    names: tuple[str, ...]
    backbone: Floats
    rotation: Floats
    obstacles: Floats
    starts: tuple[int, ...] = (0,)

    def candidates(self, i: int) -> Floats:
        """All rotamers of residue i in place, [R, atoms, 3], Å."""
        return rotamers(self.names[i]) @ self.rotation[i].T + self.backbone[i, 1]


class Packer:
    """Places the side chains of a `Site`.

    Args:
        site: Backbone, residue names and obstacles.
        rng: Breaks ties between rotamers.
        lures: For some residues, atoms [K, 3] that their side chains are drawn to.
    """

    def __init__(
        self, site: Site, rng: np.random.Generator, lures: dict[int, Floats] | None = None
    ) -> None:
        self.site, self.rng, self.lures = site, rng, lures or {}
        self.side: dict[int, Floats] = {}
        count = len(site.names)
        self._fixed = np.concatenate([site.backbone.reshape(-1, 3), site.obstacles])
        self._fixed_owner = np.concatenate(
            [np.repeat(np.arange(count), 4), np.full(len(site.obstacles), -1)]
        )
        # the residue's own N, CA and C are bonded to its side chain; its O is kept
        self._own_backbone = np.tile(np.array([True, True, True, False]), count)

    def surroundings(self, i: int) -> Floats:
        """Placed atoms, not of residue i, that its side chain may come near, [K, 3], Å."""
        keep = ~((self._fixed_owner == i) & _padded(self._own_backbone, len(self._fixed)))
        others = [side for j, side in self.side.items() if j != i]
        atoms = np.concatenate([self._fixed[keep], *others])
        reach = _length(self.site.names[i]) + _SOFT
        return atoms[((atoms - self.site.backbone[i, 1]) ** 2).sum(-1) < reach**2]

    def gaps(self, i: int, candidates: Floats) -> Floats:
        """Distances [R, atoms beyond CB, K] of rotamers to their surroundings, Å."""
        near, tips = self.surroundings(i), candidates[:, 1:]
        flat = cdist(np.ascontiguousarray(tips).reshape(-1, 3), near)
        return flat.reshape(*tips.shape[:2], len(near))

    def cost(self, i: int, candidates: Floats) -> Floats:
        """Penalty [R] of rotamers for close contacts, less a reward for contacts with lures."""
        gaps = self.gaps(i, candidates)
        cost = (np.maximum(_SOFT - gaps, 0.0) ** 2).sum((1, 2))
        cost += 100.0 * (gaps < _CLASH + 0.1).sum((1, 2))
        if i in self.lures:
            tips = np.ascontiguousarray(candidates).reshape(-1, 3)
            touching = (cdist(tips, self.lures[i]) < 4.5).reshape(*candidates.shape[:2], -1)
            cost -= 0.15 * touching.sum((1, 2))
        return cost + self.rng.uniform(0.0, 0.5, len(cost))

    def place(self, residues: Iterable[int]) -> None:
        """Give each residue its cheapest rotamer, in this order."""
        for i in residues:
            candidates = self.site.candidates(i)
            choice = int(np.argmin(self.cost(i, candidates))) if len(candidates) > 1 else 0
            self.side[i] = candidates[choice]

    def run(self, rounds: int = 5) -> bool:
        """Place all residues that are not placed yet, the largest first; True without clashes."""
        free = [i for i in range(len(self.site.names)) if i not in self.side]
        free.sort(key=lambda i: -len(RESIDUE_ATOMS[self.site.names[i]]))
        self.place(free)
        for _ in range(rounds):
            tight = sorted(set(free) & self.crowded(_HARD))
            if not tight:
                break
            self.place(tight)
        return not self.crowded(_CLASH)

    def crowded(self, distance: float) -> set[int]:
        """Residues with an atom closer than this to another residue's or an obstacle's, Å."""
        atoms, owner, backbone = self._all_atoms()
        pairs = cKDTree(atoms).query_pairs(distance, output_type="ndarray")
        a, b = owner[pairs[:, 0]], owner[pairs[:, 1]]
        later = np.maximum(a, b)
        neighbours = (np.abs(a - b) == 1) & ~np.isin(later, self.site.starts)
        gaps = np.linalg.norm(atoms[pairs[:, 0]] - atoms[pairs[:, 1]], axis=1)
        # the peptide bond, and distances over two or three bonds
        joined = neighbours & backbone[pairs].all(axis=1) & ((gaps < _BOND) | (gaps > _CLASH))
        bad = (a != b) & ~joined
        return {int(i) for i in np.concatenate([a[bad], b[bad]]) if i >= 0}

    def _all_atoms(self) -> tuple[Floats, NDArray[np.int64], NDArray[np.bool_]]:
        sides = sorted(self.side.items())
        owner = [np.full(len(side), i) for i, side in sides]
        atoms = np.concatenate([self._fixed, *(side for _, side in sides)])
        backbone = np.zeros(len(atoms), bool)
        backbone[: len(self._own_backbone)] = True
        return atoms, np.concatenate([self._fixed_owner, *owner]), backbone


def _padded(flags: NDArray[np.bool_], length: int) -> NDArray[np.bool_]:
    return np.concatenate([flags, np.zeros(length - len(flags), bool)])


@cache
def _length(residue: str) -> float:
    """Largest distance of a side-chain atom from the CA, Å."""
    return float(np.linalg.norm(rotamers(residue), axis=-1).max(initial=0.0))
