"""Side chains of the 20 residues from internal coordinates, and a library of their rotamers."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import shortest_path

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
