"""Sequence families: a fold with places for motifs, and member proteins that fill them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hemenet_lab.protein_mt.demo.fold import Fold, make_fold
from hemenet_lab.protein_mt.demo.geometry import Floats, build_backbones, random_rotations

_ELEMENTS = {"helical": "HHHEE", "mixed": "HHEEE", "stranded": "HEEEE"}
_STRAND = 8
_SCAFFOLD = {
    "H": ("ALA", "LEU", "GLN", "ILE", "VAL", "SER", "ASN", "THR"),
    "E": ("VAL", "THR", "ILE", "LEU", "GLN", "SER", "ALA", "ASN"),
    "L": ("SER", "ASN", "THR", "GLN", "ALA", "VAL", "LEU"),
}
"""Residues of the scaffold by secondary structure; those of the motifs are kept for the motifs."""
_PATCH, _DYADS = 9, 6
"""Residues of a patch; most dyads of a chain."""
_INERT = ("ALA", "SER", "THR")


@dataclass(frozen=True)
class Slots:
    """Places of motifs, as indices of residues."""

    dyads: tuple[int, ...]
    """First residues of H-x-D dyads on strands."""
    pairs: tuple[int, ...]
    """First residues of C-W or W-C pairs."""
    triples: tuple[int, ...]
    """First residues of M-Y-x or M-x-Y triples."""
    patch: tuple[int, ...]
    """Residues of the binding patch, close together on the surface; its middle first."""
    charges: tuple[int, ...]
    """Residues that carry the chain's net charge."""


@dataclass(frozen=True)
class Family:
    """A fold, its places for motifs, and the sequence in between."""

    index: int
    fold: Fold
    slots: Slots
    scaffold: tuple[str, ...]


@dataclass(frozen=True)
class Protein:
    """Member of a family, with its own sequence and planted states."""

    family: Family
    uniprot: str
    names: tuple[str, ...]
    formed: bool
    """True where the side chains of its H-x-D dyads point to each other."""


def make_family(index: int, rng: np.random.Generator, fold_draws: int) -> Family:
    """Draw a family; its class of fold goes round with the index."""
    kind = list(_ELEMENTS)[index % len(_ELEMENTS)]
    fold = make_fold(_layout(_ELEMENTS[kind], rng), rng, beam=2, draws=fold_draws)
    slots = _choose_slots(fold, rng)
    return Family(index, fold, slots, _scaffold(fold, rng))


def _layout(elements: str, rng: np.random.Generator) -> str:
    parts = ["LL"]
    for letter in rng.permutation(list(elements)):
        length = _STRAND if letter == "E" else int(rng.integers(9, 12))
        parts.append(letter * length + "L" * int(rng.integers(3, 6)))
    return "".join(parts)


def _scaffold(fold: Fold, rng: np.random.Generator) -> tuple[str, ...]:
    names = [str(rng.choice(_SCAFFOLD[letter])) for letter in fold.elements]
    for i in range(fold.num_residues):
        if fold.left[i]:
            names[i] = "GLY"
        elif fold.prolines[i]:
            names[i] = "PRO"
    return tuple(names)


def _choose_slots(fold: Fold, rng: np.random.Generator) -> Slots:
    """The patch where it is best; dyads, pairs and triples, each in most families; charges."""
    free = ~(fold.left | fold.prolines)
    patch = _find_patch(fold, [int(i) for i in np.flatnonzero(free)], rng)
    taken = set(patch)
    dyads = _dyad_places(fold, taken, rng) if rng.random() < 0.95 else []
    pairs = _windows(fold, free, taken, 2, 3, rng) if rng.random() < 0.9 else []
    triples = _windows(fold, free, taken, 3, 3, rng) if rng.random() < 0.9 else []
    rest = rng.permutation([int(i) for i in np.flatnonzero(free) if i not in taken])
    charges = sorted(int(i) for i in rest[:7])
    return Slots(*(tuple(group) for group in (dyads, pairs, triples, patch, charges)))


def _dyad_places(fold: Fold, taken: set[int], rng: np.random.Generator) -> list[int]:
    """Up to six first residues of dyads on strands; adds both residues to ``taken``."""
    starts: list[int] = []
    for run in fold.runs("E"):
        for start in rng.permutation(range(run.start, run.stop - 2)):
            pair = {int(start), int(start) + 2}
            if not pair & taken and len(starts) < _DYADS:
                starts.append(int(start))
                taken |= pair
    return sorted(starts)


def _windows(
    fold: Fold,
    free: NDArray[np.bool_],
    taken: set[int],
    width: int,
    count: int,
    rng: np.random.Generator,
) -> list[int]:
    """Starts of up to ``count`` stretches outside strands that are free; adds them to ``taken``."""
    starts: list[int] = []
    for start in rng.permutation(fold.num_residues - width + 1):
        window = range(int(start), int(start) + width)
        usable = all(free[i] and i not in taken and fold.elements[i] != "E" for i in window)
        if usable and len(starts) < count:
            starts.append(int(start))
            taken.update(window)
    return sorted(starts)


def _find_patch(fold: Fold, free: list[int], rng: np.random.Generator) -> list[int]:
    """The free residues that lie most together on one side of the fold, the middle first."""
    atoms, _ = build_backbones(fold.phi[None], fold.psi[None], np.full((1, fold.num_residues), 180))
    points = atoms[0, :, 4] - atoms[0, :, 4].mean(axis=0)
    best: tuple[float, list[int]] = (-np.inf, [])
    for axis in random_rotations(rng, 60)[:, 0]:
        score = _cap(points[free], axis)
        order = np.argsort(-score, kind="stable")[:_PATCH]
        quality = float(score[order].mean() - 0.5 * max(_cap(points, axis).max() - score.max(), 0))
        if quality > best[0]:
            best = (quality, [free[k] for k in order])
    return best[1]


def _cap(points: Floats, axis: Floats) -> Floats:
    """Height along an axis, less a part of the distance from it."""
    height = points @ axis
    return height - 0.7 * np.sqrt(np.clip((points**2).sum(-1) - height**2, 0.0, None))


def make_protein(family: Family, uniprot: str, rng: np.random.Generator) -> Protein:
    """Draw a member: states for its motifs, and a few substitutions in between."""
    names = list(family.scaffold)
    _substitute(names, family.fold, rng)
    slots = family.slots
    order = ("CYS", "TRP") if rng.random() < 0.5 else ("TRP", "CYS")
    adjacent = rng.random() < 0.5
    charge = str(rng.choice(["LYS", "GLU", "GLN"], p=[0.36, 0.36, 0.28]))
    for i in slots.dyads:
        names[i], names[i + 2] = "HIS", "ASP"
    for i in slots.pairs:
        names[i], names[i + 1] = order
    for i in slots.triples:
        names[i], names[i + (1 if adjacent else 2)] = "MET", "TYR"
        names[i + (2 if adjacent else 1)] = "ALA"
    for i in slots.charges:
        names[i] = charge
    for i, name in zip(slots.patch, _patch_residues(len(slots.patch), rng), strict=True):
        names[i] = name
    return Protein(family, uniprot, tuple(names), bool(rng.random() < 0.5))


def _patch_residues(count: int, rng: np.random.Generator) -> list[str]:
    """An aromatic, a polar or an inert patch: its middle binds, and how wide that is varies."""
    kind = int(rng.choice(3, p=[0.38, 0.34, 0.28]))
    strong = int(rng.integers(4, count + 1)) if kind < 2 else int(rng.integers(0, 3))
    hot = ("PHE", "ARG", str(rng.choice(["PHE", "ARG"])))[kind]
    return [hot] * strong + [str(rng.choice(_INERT)) for _ in range(count - strong)]


def _substitute(names: list[str], fold: Fold, rng: np.random.Generator) -> None:
    """Replace up to a tenth of the scaffold; glycines and prolines stay for their torsions."""
    rate = rng.uniform(0.0, 0.12)
    for i, letter in enumerate(fold.elements):
        if names[i] not in ("GLY", "PRO") and rng.random() < rate:
            names[i] = str(rng.choice(_SCAFFOLD[letter]))
