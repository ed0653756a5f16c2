"""Folds: secondary-structure layouts, a search for compact backbones, and variants of one fold."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hemenet_lab.protein_mt.demo.geometry import Floats, build_backbones

HELIX, STRAND = (-63.0, -43.0), (-115.0, 128.0)
"""(phi, psi) of the regular elements, degrees."""
_LOOP = ((-65.0, -40.0), (-115.0, 130.0), (-68.0, 145.0), (-80.0, 70.0), (57.0, 42.0))
_LOOP_WEIGHTS = (0.3, 0.2, 0.25, 0.1, 0.15)
_EXTENDED, _LEFT = (1, 2), 4
"""Loop regions that may precede a proline; the region that needs glycine."""
_BENDS = (40.0, 5.0, 24)
"""Width of the first and of the last bends of loops, degrees, and their number."""
_POINTS = ("N", "CA", "C", "O", "CB")
_SECOND_ROOM = 3.0
"""Least distance between atoms of residues i and i + 2, Å."""
_OXYGEN_ROOM = 2.8
"""Least distance between the oxygens of neighbouring residues, Å."""
_ROOM = {
    ("CB", "CB"): (5.4, 5.0),
    ("CA", "CB"): (4.8, 4.5),
    ("O", "CB"): (4.0, 3.2),
    ("O", "O"): (3.4, 3.2),
    ("O", "N"): (3.1, 2.9),
    ("O", "C"): (3.3, 3.1),
}
"""Least distances of atoms of residues four or more apart, and of residues three apart, Å."""


@dataclass(frozen=True)
class Fold:
    """Secondary structure and backbone torsions of a chain of L residues."""

    elements: str
    """L letters: H helix, E strand, L loop."""
    phi: Floats
    """[L], degrees."""
    psi: Floats
    """[L], degrees."""
    prolines: NDArray[np.bool_]
    """[L], loop residues whose torsions suit proline."""
    left: NDArray[np.bool_]
    """[L], loop residues with positive phi: glycine."""

    @property
    def num_residues(self) -> int:
        return len(self.elements)

    def runs(self, letter: str) -> list[range]:
        """Stretches of one kind of element, in order."""
        edges = [
            0,
            *(i for i in range(1, len(self.elements)) if self._turns(i)),
            len(self.elements),
        ]
        spans = [range(a, b) for a, b in itertools.pairwise(edges)]
        return [span for span in spans if self.elements[span.start] == letter]

    def _turns(self, i: int) -> bool:
        return self.elements[i] != self.elements[i - 1]


def make_fold(layout: str, rng: np.random.Generator, beam: int, draws: int) -> Fold:
    """A compact backbone without clashes: grown one element at a time, then bent in its loops.

    Args:
        layout: Secondary structure, one letter (H, E, L) per residue.
        rng: Source of randomness.
        beam: Partial chains kept after each step of growth.
        draws: Ways that are tried to continue each of them, and to bend the loops.
    """
    angles, kinds = _draw(layout, 1, rng)
    grown = 0
    for end in _growth_steps(layout):
        parents = np.repeat(np.arange(len(angles)), draws)
        new, new_kinds = _draw(layout, len(parents), rng)
        new[:, :grown], new_kinds[:, :grown] = angles[parents, :grown], kinds[parents, :grown]
        score = compactness(new[:, :end, 0], new[:, :end, 1])
        best = np.argsort(-score, kind="stable")[:beam]
        angles, kinds, grown = new[best], new_kinds[best], end
    return _bend(_finish(layout, angles[0], kinds[0]), rng, draws)


def _bend(fold: Fold, rng: np.random.Generator, draws: int) -> Fold:
    """Climb to a better score by turning two loop residues at a time, less and less."""
    loops = np.array([i for i, letter in enumerate(fold.elements) if letter == "L"])
    stiff = np.where(fold.prolines, 0.0, np.where(fold.left, 0.3, 1.0))
    best = compactness(fold.phi[None], fold.psi[None])[0]
    for width in np.geomspace(*_BENDS):
        move = np.zeros((2, draws, fold.num_residues))
        rows = np.arange(draws)[:, None]
        move[:, rows, rng.choice(loops, (draws, 2))] = width * rng.standard_normal((2, draws, 2))
        phi, psi = fold.phi + stiff * move[0], fold.psi + move[1]
        score = compactness(phi, psi)
        winner = int(np.argmax(score))
        if score[winner] > best:
            best, fold = score[winner], replace(fold, phi=phi[winner], psi=psi[winner])
    return fold


def vary(fold: Fold, rng: np.random.Generator, draws: int, regular: float, loop: float) -> Fold:
    """The best of some copies of a fold with jittered torsions.

    Args:
        fold: Where to start.
        rng: Source of randomness.
        draws: Copies that are made.
        regular: Standard deviation of the torsions of helices and strands, degrees.
        loop: The same for loops.
    """
    width = np.where(np.array(list(fold.elements)) == "L", loop, regular)
    shape = (draws, fold.num_residues)
    phi = fold.phi + width * np.where(fold.prolines, 0.3, 1.0) * rng.standard_normal(shape)
    psi = fold.psi + width * rng.standard_normal(shape)
    best = int(np.argmax(compactness(phi, psi)))
    return replace(fold, phi=phi[best], psi=psi[best])


def _growth_steps(layout: str) -> list[int]:
    """Lengths of the partial chains: up to the end of each regular element."""
    ends = [i + 1 for i in range(len(layout) - 1) if layout[i] != "L" and layout[i + 1] == "L"]
    return [*ends, len(layout)]


def _draw(layout: str, count: int, rng: np.random.Generator) -> tuple[Floats, NDArray[np.int64]]:
    """Random torsions [count, L, 2] (phi, psi) and loop regions [count, L], -1 outside loops."""
    letters = np.array(list(layout))
    kinds = rng.choice(len(_LOOP), (count, len(layout)), p=_LOOP_WEIGHTS)
    kinds[:, letters != "L"] = -1
    angles = np.array(_LOOP)[kinds]
    angles[:, letters == "H"], angles[:, letters == "E"] = HELIX, STRAND
    width = np.where(letters == "L", 10.0, 3.0)[:, None]
    return angles + width * rng.standard_normal(angles.shape), kinds


def _finish(layout: str, angles: Floats, kinds: NDArray[np.int64]) -> Fold:
    phi, psi = angles.T
    extended = np.isin(kinds, _EXTENDED)
    prolines = (kinds == 2) & (np.abs(phi + 68.0) < 14.0)
    prolines[1:] &= extended[:-1]
    prolines[0] = False
    return Fold(layout, phi, psi, prolines, kinds == _LEFT)


def compactness(phi: Floats, psi: Floats) -> Floats:
    """Score of backbones [B]: contacts between distant residues, less clashes and extent.

    Residues five or more apart are in contact when their CB are less than 9 Å apart; they clash
    where CA, CB or O come closer than `_ROOM`, which leaves space for side chains.
    """
    atoms, _ = build_backbones(phi, psi, np.full_like(phi, 180.0))
    second = np.linalg.norm(atoms[:, :-2, :, None] - atoms[:, 2:, None], axis=-1)
    oxygens = np.linalg.norm(atoms[:, :-1, 3] - atoms[:, 1:, 3], axis=-1)
    clash = _overlap(second, np.array(_SECOND_ROOM)) + _overlap(oxygens, np.array(_OXYGEN_ROOM))
    points = {name: atoms[:, :, i].astype(np.float32) for i, name in enumerate(_POINTS)}
    index = np.arange(phi.shape[1])
    gap = np.subtract.outer(index, index)
    between_cb = distances(points["CB"], points["CB"])
    for (a, b), (room, third) in _ROOM.items():
        gaps = between_cb if a == b == "CB" else distances(points[a], points[b])
        counted = gap if a == b else np.abs(gap)
        clash += _overlap(gaps, np.where(counted > 3, room, np.where(counted == 3, third, 0.0)))
    contacts = ((between_cb < 9.0) & (gap >= 5)).sum((1, 2))
    spread = np.sqrt(((points["CA"] - points["CA"].mean(1, keepdims=True)) ** 2).sum(-1).mean(-1))
    return np.asarray(contacts - 25.0 * clash - 12.0 * spread, np.float64)


def _overlap(gaps: Floats | NDArray[np.float32], room: Floats) -> NDArray[np.float32]:
    """Sum [B] of the squares of what distances [B, ...] lack of ``room``."""
    lack = np.subtract(room.astype(np.float32), gaps, dtype=np.float32)
    np.maximum(lack, 0.0, out=lack)
    return np.square(lack, out=lack).reshape(len(lack), -1).sum(axis=1)


def distances(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """Distances [B, n, m] between points, by the expanded square: a matrix product per chain."""
    square = (a**2).sum(-1)[:, :, None] + (b**2).sum(-1)[:, None] - 2 * a @ b.swapaxes(-1, -2)
    return np.sqrt(np.clip(square, 1e-6, None))
