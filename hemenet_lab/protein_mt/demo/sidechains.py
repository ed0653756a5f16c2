"""Side chains of the 20 residues from internal coordinates, and a library of their rotamers."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import shortest_path
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from hemenet_lab.protein_mt.demo.geometry import (
    LOCAL_C,
    LOCAL_CA,
    LOCAL_CB,
    LOCAL_N,
    Floats,
    place,
)
from hemenet_lab.structures import RESIDUE_ATOMS

# One line per atom beyond CB (proline has its own CB, so that its ring closes): name, the three
# atoms it hangs on (torsion, angle, bond), length in Å, angle in degrees, torsion: a number in
# degrees, or which chi (x1 is chi 1) with an offset. Lengths and angles after Engh & Huber (1991).
_TABLE = """
ARG: CG N CA CB 1.520 114.1 x1; CD CA CB CG 1.520 111.3 x2; NE CB CG CD 1.461 112.0 x3;
     CZ CG CD NE 1.329 124.2 x4; NH1 CD NE CZ 1.326 120.0 0; NH2 CD NE CZ 1.326 119.7 180
ASN: CG N CA CB 1.516 112.6 x1; OD1 CA CB CG 1.231 120.8 x2; ND2 CA CB CG 1.328 116.4 x2+180
ASP: CG N CA CB 1.516 112.6 x1; OD1 CA CB CG 1.249 118.4 x2; OD2 CA CB CG 1.249 118.4 x2+180
CYS: SG N CA CB 1.808 113.8 x1
GLN: CG N CA CB 1.520 114.1 x1; CD CA CB CG 1.516 112.6 x2; OE1 CB CG CD 1.231 120.8 x3;
     NE2 CB CG CD 1.328 116.4 x3+180
GLU: CG N CA CB 1.520 114.1 x1; CD CA CB CG 1.516 112.6 x2; OE1 CB CG CD 1.249 118.4 x3;
     OE2 CB CG CD 1.249 118.4 x3+180
HIS: CG N CA CB 1.497 113.8 x1; ND1 CA CB CG 1.378 122.7 x2; CD2 CA CB CG 1.354 131.2 x2+180;
     CE1 CB CG ND1 1.321 109.3 180; NE2 CB CG CD2 1.374 107.2 180
ILE: CG1 N CA CB 1.530 110.4 x1; CG2 N CA CB 1.521 110.5 x1-122.6; CD1 CA CB CG1 1.513 113.8 x2
LEU: CG N CA CB 1.530 116.3 x1; CD1 CA CB CG 1.521 110.7 x2; CD2 CA CB CG 1.521 110.7 x2+122.9
LYS: CG N CA CB 1.520 114.1 x1; CD CA CB CG 1.520 111.3 x2; CE CB CG CD 1.520 111.3 x3;
     NZ CG CD CE 1.489 111.9 x4
MET: CG N CA CB 1.520 114.1 x1; SD CA CB CG 1.803 112.7 x2; CE CB CG SD 1.791 100.9 x3
PHE: CG N CA CB 1.502 113.8 x1; CD1 CA CB CG 1.384 120.7 x2; CD2 CA CB CG 1.384 120.7 x2+180;
     CE1 CB CG CD1 1.382 120.7 180; CE2 CB CG CD2 1.382 120.7 180; CZ CG CD1 CE1 1.382 120.0 0
PRO: CB N C CA 1.530 110.1 113.73; CG N CA CB 1.492 104.41 x1; CD CA CB CG 1.503 105.83 x2
SER: OG N CA CB 1.417 111.1 x1
THR: OG1 N CA CB 1.433 109.6 x1; CG2 N CA CB 1.521 110.5 x1-121.0
TRP: CG N CA CB 1.498 113.6 x1; CD1 CA CB CG 1.365 126.9 x2; CD2 CA CB CG 1.433 126.8 x2+180;
     NE1 CB CG CD1 1.374 110.2 180; CE2 CB CG CD2 1.409 107.2 180; CE3 CB CG CD2 1.398 133.9 0;
     CZ2 CG CD2 CE2 1.394 122.4 180; CZ3 CG CD2 CE3 1.382 118.6 180; CH2 CD2 CE2 CZ2 1.368 117.5 0
TYR: CG N CA CB 1.512 113.8 x1; CD1 CA CB CG 1.389 120.8 x2; CD2 CA CB CG 1.389 120.8 x2+180;
     CE1 CB CG CD1 1.382 121.2 180; CE2 CB CG CD2 1.382 121.2 180; CZ CG CD1 CE1 1.378 119.6 0;
     OH CD1 CE1 CZ 1.376 119.9 180
VAL: CG1 N CA CB 1.521 110.5 x1; CG2 N CA CB 1.521 110.5 x1+122.9
"""

_STAGGERED = (-65.0, 180.0, 62.0)
_CHI: dict[str, tuple[tuple[float, ...], ...]] = {
    "ARG": (_STAGGERED, (180.0, -68.0, 68.0), (180.0, -65.0, 65.0), (180.0, 90.0, -90.0)),
    "ASN": (_STAGGERED, (-40.0, 0.0, 60.0, 150.0)),
    "ASP": (_STAGGERED, (-30.0, 0.0, 45.0, 90.0)),
    "CYS": (_STAGGERED,),
    "GLN": (_STAGGERED, (180.0, -68.0, 68.0), (-40.0, 20.0, 90.0, 160.0)),
    "GLU": (_STAGGERED, (180.0, -68.0, 68.0), (-40.0, 10.0, 60.0, 95.0)),
    "HIS": (_STAGGERED, (-75.0, 75.0, 165.0, -165.0, -10.0)),
    "ILE": (_STAGGERED, (170.0, -60.0, 65.0)),
    "LEU": (_STAGGERED, (175.0, 65.0)),
    "LYS": (_STAGGERED, (180.0, -68.0, 68.0), (180.0, -65.0, 65.0), (180.0, -65.0, 65.0)),
    "MET": (_STAGGERED, (180.0, -65.0, 65.0), (180.0, -75.0, 75.0)),
    "PHE": (_STAGGERED, (90.0, 60.0, 120.0)),
    "PRO": ((27.49,), (-33.74,)),
    "SER": (_STAGGERED,),
    "THR": (_STAGGERED,),
    "TRP": (_STAGGERED, (-105.0, 90.0, 0.0, -15.0)),
    "TYR": (_STAGGERED, (90.0, 60.0, 120.0)),
    "VAL": (_STAGGERED,),
}
_SPREAD = (0.0, -12.0, 12.0)
"""Offsets of chi 1 around each staggered value, degrees."""
_SOFT, _HARD, _CLASH = 3.5, 2.7, 2.2
"""Contacts cost something below the first, are repaired below the second, refused below the last
distance, Å."""
_BOND = 1.5
"""No bond between residues is longer, Å."""


@dataclass(frozen=True)
class _Atom:
    name: str
    parents: tuple[str, str, str]
    length: float
    angle: float
    chi: int | None
    offset: float


def _read_atom(text: str) -> _Atom:
    name, a, b, c, length, angle, torsion = text.split()
    if not torsion.startswith("x"):
        return _Atom(name, (a, b, c), float(length), float(angle), None, float(torsion))
    offset = float(torsion[2:] or 0)
    return _Atom(name, (a, b, c), float(length), float(angle), int(torsion[1]) - 1, offset)


@cache
def _topology() -> dict[str, tuple[_Atom, ...]]:
    residues: dict[str, str] = {}
    for line in _TABLE.strip().splitlines():
        if line[3] == ":":
            name = line[:3]
            residues[name] = line[4:]
        else:
            residues[name] += line
    return {
        name: tuple(_read_atom(part) for part in text.split(";") if part.strip())
        for name, text in residues.items()
    }


def build_side_chain(residue: str, chi: Floats) -> Floats:
    """Side-chain atoms in the residue's own frame (see `geometry.frames`).

    Args:
        residue: Three-letter name of a standard residue.
        chi: [R, number of chi angles], degrees.

    Returns:
        [R, atoms, 3], Å, in the order of `vocabulary.RESIDUE_ATOMS` from slot 4 (CB) on.
    """
    count = len(chi)
    known = {"N": LOCAL_N, "CA": LOCAL_CA, "C": LOCAL_C, "CB": LOCAL_CB}
    atoms = {name: np.broadcast_to(point, (count, 3)) for name, point in known.items()}
    for atom in _topology().get(residue, ()):
        a, b, c = (atoms[parent] for parent in atom.parents)
        turn = np.full(count, atom.offset) + (0.0 if atom.chi is None else chi[:, atom.chi])
        atoms[atom.name] = place(a, b, c, atom.length, atom.angle, turn)
    names = RESIDUE_ATOMS[residue][4:]
    return np.stack([atoms[name] for name in names], axis=1) if names else np.zeros((count, 0, 3))


def bonds(residue: str) -> set[frozenset[str]]:
    """Pairs of bonded heavy atoms inside a residue, rings closed."""
    pairs = [("N", "CA"), ("CA", "C"), ("C", "O")]
    pairs += [] if residue == "GLY" else [("CA", "CB")]
    pairs += [(atom.parents[2], atom.name) for atom in _topology().get(residue, ())]
    pairs += _RING_CLOSURES.get(residue, [])
    return {frozenset(pair) for pair in pairs}


_RING_CLOSURES = {
    "HIS": [("CE1", "NE2")],
    "PHE": [("CE2", "CZ")],
    "PRO": [("CD", "N")],
    "TRP": [("NE1", "CE2"), ("CZ3", "CH2")],
    "TYR": [("CE2", "CZ")],
}


@cache
def rotamers(residue: str) -> Floats:
    """Library of side chains [R, atoms from CB on, 3] in the residue's own frame, Å."""
    if residue not in _CHI:
        return build_side_chain(residue, np.zeros((1, 0)))
    first, *rest = _CHI[residue]
    spread = (0.0,) if residue == "PRO" or len(rest) > 2 else _SPREAD
    around = [chi + offset for chi in first for offset in spread]
    atoms = build_side_chain(residue, np.array(list(itertools.product(around, *rest))))
    return atoms[_unfolded(residue, atoms)]


def _unfolded(residue: str, atoms: Floats) -> NDArray[np.bool_]:
    """Rotamers [R] whose atoms, four or more bonds apart, are over 2.9 Å apart."""
    names = ("N", "CA", "C", *RESIDUE_ATOMS[residue][4:])
    backbone = np.broadcast_to(np.stack([LOCAL_N, LOCAL_CA, LOCAL_C]), (len(atoms), 3, 3))
    points = np.concatenate([backbone, atoms], axis=1)
    apart = bond_distance(residue, names) >= 4
    gaps = np.linalg.norm(points[:, :, None] - points[:, None], axis=-1)
    return (gaps[:, apart] > 2.9).all(axis=1)


def bond_distance(residue: str, names: tuple[str, ...]) -> NDArray[np.int64]:
    """Number of bonds on the shortest way between the named atoms, [n, n]."""
    bonded = bonds(residue)
    edges = [[frozenset((a, b)) in bonded for b in names] for a in names]
    return shortest_path(np.array(edges, float), unweighted=True).astype(np.int64)


@dataclass(frozen=True)
class Site:
    """Backbone that side chains are placed on: L residues of one or more chains.

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
