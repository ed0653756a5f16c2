"""Atoms of the demo's items: single chains, and complexes with a ligand or a second chain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hemenet_lab.protein_mt.demo.dyads import place_dyad
from hemenet_lab.protein_mt.demo.families import Protein
from hemenet_lab.protein_mt.demo.fold import vary
from hemenet_lab.protein_mt.demo.geometry import Floats, build_backbones, random_rotations
from hemenet_lab.protein_mt.demo.ligands import Molecule
from hemenet_lab.protein_mt.demo.sidechains import Packer, Site

_LIGAND_GAP, _CHAIN_GAP = 3.7, 5.2
"""Least distance of a docked body from the backbone (with CB) before side chains are placed, Å."""
_DEPTH = 14.0
"""Depth under the patch to which a chain's points count when it is docked, Å."""


@dataclass(frozen=True)
class Chain:
    """A protein with coordinates."""

    protein: Protein
    residues: tuple[Floats, ...]
    """Atoms of each residue, [atoms, 3], Å, in the order of `vocabulary.RESIDUE_ATOMS`."""


@dataclass(frozen=True)
class Model:
    """Structure of an item: its chains, and its ligand if it has one."""

    chains: tuple[Chain, ...]
    ligand: Molecule | None = None
    ligand_coords: Floats | None = None
    """[A, 3], Å."""


@dataclass(frozen=True)
class _Body:
    """A backbone in place: atoms [L, 5, 3] (N, CA, C, O, CB), Å, and frames [L, 3, 3]."""

    protein: Protein
    atoms: Floats
    rotation: Floats

    def patch(self) -> tuple[Floats, Floats]:
        """Centre of the binding patch's CB atoms [3], and the direction out of the protein [3]."""
        centre = self.atoms[list(self.protein.family.slots.patch), 4].mean(axis=0)
        normal = centre - self.atoms[:, 4].mean(axis=0)
        return centre, normal / np.linalg.norm(normal)

    def moved(self, rotation: Floats, shift: Floats) -> _Body:
        atoms = self.atoms @ rotation.T + shift
        return _Body(self.protein, atoms, rotation @ self.rotation)


def build_model(
    proteins: tuple[Protein, ...],
    ligand: Molecule | None,
    rng: np.random.Generator,
    attempts: int = 12,
) -> Model | None:
    """Fold, dock and pack until nothing clashes; None where no attempt succeeds."""
    for _ in range(attempts):
        model = _attempt(proteins, ligand, rng)
        if model is not None:
            return model
    return None


def _attempt(
    proteins: tuple[Protein, ...], ligand: Molecule | None, rng: np.random.Generator
) -> Model | None:
    bodies = [_backbone(protein, rng) for protein in proteins]
    if len(bodies) == 2:
        bodies[1] = _dock_chain(bodies[0], bodies[1], rng)
    posed = None if ligand is None else _dock_ligand(bodies[0], ligand, rng)
    packer = _pack(bodies, posed, rng)
    if packer is None:
        return None
    return Model(_split(bodies, packer), ligand, posed)


def _backbone(protein: Protein, rng: np.random.Generator) -> _Body:
    """A jittered copy of the family's fold, anywhere in space."""
    fold = vary(protein.family.fold, rng, draws=6, regular=0.6, loop=1.5)
    omega = 180.0 + 1.5 * rng.standard_normal((1, fold.num_residues))
    atoms, rotation = build_backbones(fold.phi[None], fold.psi[None], omega)
    body = _Body(protein, atoms[0] - atoms[0].mean(axis=(0, 1)), rotation[0])
    return body.moved(random_rotations(rng, 1)[0], rng.uniform(-20.0, 20.0, 3))


def _dock_chain(first: _Body, second: _Body, rng: np.random.Generator) -> _Body:
    target, axis = first.patch()
    centre, normal = second.patch()
    fixed, moving = _surface(first, target, axis), _surface(second, centre, normal) - centre
    turns = facing(axis, normal, rng, 12)
    rotation, shift = dock(fixed, target, axis, moving, turns, _CHAIN_GAP)
    return second.moved(rotation, shift - rotation @ centre)


def _surface(body: _Body, centre: Floats, normal: Floats) -> Floats:
    """Points that stand for a chain while it is docked: CA, O and CB of the side that it shows."""
    points = body.atoms[:, [1, 3, 4]].reshape(-1, 3)
    return points[(points - centre) @ normal > -_DEPTH]


def _dock_ligand(body: _Body, ligand: Molecule, rng: np.random.Generator) -> Floats:
    target, axis = body.patch()
    near = body.atoms.reshape(-1, 3)
    near = near[((near - target) ** 2).sum(-1) < 18.0**2]
    turns = random_rotations(rng, 24)
    rotation, shift = dock(near, target, axis, ligand.coords, turns, _LIGAND_GAP)
    return np.round(ligand.coords @ rotation.T + shift, 4)


def _pack(bodies: list[_Body], ligand: Floats | None, rng: np.random.Generator) -> Packer | None:
    """Side chains of all chains at once: dyads first, patches drawn to their partner."""
    starts = np.cumsum([0, *(len(body.atoms) for body in bodies)])
    names = tuple(name for body in bodies for name in body.protein.names)
    backbone = np.concatenate([body.atoms[:, :4] for body in bodies])
    rotation = np.concatenate([body.rotation for body in bodies])
    obstacles = np.zeros((0, 3)) if ligand is None else ligand
    site = Site(names, backbone, rotation, obstacles, tuple(int(start) for start in starts[:-1]))
    packer = Packer(site, rng, _lures(bodies, ligand, starts))
    for body, start in zip(bodies, starts, strict=False):
        for first in body.protein.family.slots.dyads:
            if not place_dyad(packer, int(start) + first, body.protein.formed):
                return None
    return packer if packer.run() else None


def _lures(bodies: list[_Body], ligand: Floats | None, starts: np.ndarray) -> dict[int, Floats]:
    """For each patch residue, the atoms of the ligand or of the other chain's patch."""
    lures = {}
    for number, (body, start) in enumerate(zip(bodies, starts, strict=False)):
        if ligand is None and len(bodies) == 1:
            continue
        other = bodies[1 - number].atoms.reshape(-1, 3) if ligand is None else ligand
        for i in body.protein.family.slots.patch:
            lures[int(start) + i] = other
    return lures


def _split(bodies: list[_Body], packer: Packer) -> tuple[Chain, ...]:
    chains, start = [], 0
    for body in bodies:
        rows = range(start, start + len(body.atoms))
        pairs = zip(body.atoms, rows, strict=True)
        residues = [np.concatenate([atoms[:4], packer.side[i]]) for atoms, i in pairs]
        chains.append(Chain(body.protein, tuple(np.round(x, 3) for x in residues)))
        start += len(body.atoms)
    return tuple(chains)


def dock(
    fixed: Floats,
    target: Floats,
    axis: Floats,
    moving: Floats,
    rotations: Floats,
    distance: float,
) -> tuple[Floats, Floats]:
    """The rotation and shift of a body that bring it closest to a target without clashes.

    Args:
        fixed: Atoms that stay, [A, 3], Å.
        target: Point on the surface that the body is to meet, [3], Å.
        axis: Direction out of the surface, [3], of length 1.
        moving: Atoms of the body, centred on the point that is to meet the target, [B, 3], Å.
        rotations: Orientations to try, [n, 3, 3].
        distance: Least distance between atoms of the two, Å.

    Returns:
        Rotation [3, 3] and shift [3] of the orientation with the most contacts (pairs of atoms
        closer than ``distance`` + 3 Å).
    """
    best: tuple[float, Floats, Floats] = (-1.0, np.eye(3), np.zeros(3))
    for rotation in rotations:
        turned = moving @ rotation.T + target
        shift = touch(fixed, turned, axis, distance) * axis
        gaps = ((fixed[:, None] - (turned + shift)) ** 2).sum(-1)
        contacts = float((gaps < (distance + 3.0) ** 2).sum())
        if contacts > best[0]:
            best = (contacts, rotation, target + shift)
    return best[1], best[2]


def touch(fixed: Floats, moving: Floats, axis: Floats, distance: float) -> float:
    """Shift along the axis at which a body that comes from outside just touches, Å.

    Solves |moving + t·axis − fixed| = distance for each pair and takes the largest t.
    """
    between = (moving[:, None] - fixed).reshape(-1, 3)
    along = between @ axis
    room = distance**2 - ((between**2).sum(-1) - along**2)
    hits = room > 0.0
    if not hits.any():
        return 0.0
    return float((np.sqrt(room[hits]) - along[hits]).max())


def facing(axis: Floats, normal: Floats, rng: np.random.Generator, count: int) -> Floats:
    """Rotations [count, 3, 3] that turn ``normal`` against ``axis``, with random spin and tilt."""
    start = _turn(normal, -axis)
    angles = rng.uniform(0.0, 2.0 * np.pi, count)
    tilts = random_rotations(rng, count)
    spins = np.stack([_spin(axis, angle) @ start for angle in angles])
    tilted = -axis + 0.35 * tilts[:, 0]
    tilted /= np.linalg.norm(tilted, axis=-1, keepdims=True)
    return np.stack([_turn(-axis, t) @ spin for t, spin in zip(tilted, spins, strict=True)])


def _spin(axis: Floats, angle: float) -> Floats:
    """Rotation about an axis of length 1 (Rodrigues)."""
    x, y, z = axis
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.eye(3) + np.sin(angle) * cross + (1.0 - np.cos(angle)) * cross @ cross


def _turn(start: Floats, end: Floats) -> Floats:
    """The shortest rotation from one direction to another; both of length 1."""
    cross = np.cross(start, end)
    sine, cosine = float(np.linalg.norm(cross)), float(start @ end)
    if sine < 1e-9:
        other = np.eye(3)[int(np.argmin(np.abs(start)))]
        normal = np.cross(start, other)
        return np.eye(3) if cosine > 0 else _spin(normal / np.linalg.norm(normal), np.pi)
    return _spin(cross / sine, float(np.arctan2(sine, cosine)))
