"""Rigid docking by sliding: a body comes in along an axis until it touches."""

from __future__ import annotations

import numpy as np

from hemenet_lab.protein_mt.demo.geometry import Floats, random_rotations


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
    """How far along the axis a body must be shifted to just touch when it comes from outside.

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
