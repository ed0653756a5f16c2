"""Atoms of the demo's items: single chains, and complexes with a ligand or a second chain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hemenet_lab.protein_mt.demo.dock import dock, facing
from hemenet_lab.protein_mt.demo.dyads import place_dyad
from hemenet_lab.protein_mt.demo.families import Protein
from hemenet_lab.protein_mt.demo.fold import vary
from hemenet_lab.protein_mt.demo.geometry import Floats, build_backbones, random_rotations
from hemenet_lab.protein_mt.demo.ligands import Molecule
from hemenet_lab.protein_mt.demo.pack import Packer, Site

_LIGAND_GAP, _CHAIN_GAP = 3.7, 5.2
"""Least distance of a docked body from the backbone (with CB) before side chains are placed, Å."""
_DEPTH = 14.0
"""How deep under the patch a chain's points count when it is docked, Å."""


@dataclass(frozen=True)
class Chain:
    """A protein with coordinates."""

    protein: Protein
    residues: tuple[Floats, ...]
    """Atoms of each residue, [atoms, 3], Å, in the order of `vocabulary.RESIDUE_ATOMS`."""


@dataclass(frozen=True)
class Model:
    """One item of the demo: its chains, and its ligand if it has one."""

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
