"""Backbones from torsion angles with ideal bond lengths and angles, many at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Engh & Huber, Acta Cryst. A47 (1991) 392: means over small-molecule structures, Å and degrees.
N_CA, CA_C, C_N, C_O, CA_CB = 1.458, 1.525, 1.329, 1.231, 1.530
N_CA_C, CA_C_N, C_N_CA, CA_C_O, C_CA_CB = 111.2, 116.2, 121.7, 120.8, 110.1
CB_TORSION = 122.6
"""N-C-CA-CB of an L amino acid, degrees."""


def place(a: Floats, b: Floats, c: Floats, length: float, angle: float, torsion: Floats) -> Floats:
    """The atom bonded to ``c``, by its internal coordinates (natural extension reference frame).

    Args:
        a: [..., 3], Å; the torsion runs a-b-c-new.
        b: [..., 3], Å.
        c: [..., 3], Å.
        length: Bond length c-new, Å.
        angle: Bond angle b-c-new, degrees.
        torsion: [...], degrees.
    """
    bond = _unit(c - b)
    normal = _unit(np.cross(b - a, bond))
    side = np.cross(normal, bond)
    theta, chi = np.radians(angle), np.radians(torsion)[..., None]
    step = -np.cos(theta) * bond
    step = step + np.sin(theta) * (np.cos(chi) * side + np.sin(chi) * normal)
    return c + length * step


def _unit(vector: Floats) -> Floats:
    return vector / np.linalg.norm(vector, axis=-1, keepdims=True)


def frames(n: Floats, ca: Floats, c: Floats) -> Floats:
    """Rotations [..., 3, 3] of residues: columns are x along CA-C, y towards N, z = x × y."""
    x = _unit(c - ca)
    z = _unit(np.cross(x, n - ca))
    return np.stack([x, np.cross(z, x), z], axis=-1)


def torsion(a: Floats, b: Floats, c: Floats, d: Floats) -> Floats:
    """Torsion angles a-b-c-d of points [..., 3], degrees in (-180, 180]."""
    axis = _unit(c - b)
    left, right = np.cross(b - a, axis), np.cross(axis, d - c)
    sine = (np.cross(left, right) * axis).sum(-1)
    return np.degrees(np.arctan2(sine, (left * right).sum(-1)))


_ANGLE = np.radians(N_CA_C)
LOCAL_N = np.array([np.cos(_ANGLE) * N_CA, np.sin(_ANGLE) * N_CA, 0.0])
LOCAL_CA = np.zeros(3)
LOCAL_C = np.array([CA_C, 0.0, 0.0])
LOCAL_CB = place(LOCAL_N, LOCAL_C, LOCAL_CA, CA_CB, C_CA_CB, np.array(CB_TORSION))
"""Backbone atoms in the residue's own frame: origin at CA, axes as in `frames`, Å."""


def build_backbones(phi: Floats, psi: Floats, omega: Floats) -> tuple[Floats, Floats]:
    """Chains from their torsion angles.

    Args:
        phi: [B, L], degrees; the first of each chain is not used.
        psi: [B, L], degrees; the last of each chain places only its oxygen.
        omega: [B, L], degrees, of the bond between residue i and i + 1; the last is not used.

    Returns:
        Atoms [B, L, 5, 3] in the order N, CA, C, O, CB, Å (CB as of
        alanine, to keep room for side chains), and the residues' rotations [B, L, 3, 3].
    """
    n, ca, c = (np.broadcast_to(p, (*phi.shape, 3)) for p in (LOCAL_N, LOCAL_CA, LOCAL_C))
    next_n = place(n, ca, c, C_N, CA_C_N, psi)
    next_ca = place(ca, c, next_n, N_CA, C_N_CA, omega)
    next_c = place(c, next_n, next_ca, CA_C, N_CA_C, np.roll(phi, -1, axis=-1))
    rotation, origin = _chain_up(frames(next_n, next_ca, next_c), next_ca)
    o = place(n, ca, c, C_O, CA_C_O, psi + 180.0)
    local = np.stack([n, ca, c, o, np.broadcast_to(LOCAL_CB, n.shape)], axis=-2)
    return local @ rotation.swapaxes(-1, -2) + origin[..., None, :], rotation


def _chain_up(turns: Floats, steps: Floats) -> tuple[Floats, Floats]:
    """Compose each residue's move to the next one into rotations and origins along the chain."""
    rotation, origin = np.empty_like(turns), np.empty_like(steps)
    rotation[:, 0], origin[:, 0] = np.eye(3), 0.0
    for i in range(steps.shape[1] - 1):
        rotation[:, i + 1] = rotation[:, i] @ turns[:, i]
        origin[:, i + 1] = origin[:, i] + (rotation[:, i] @ steps[:, i, :, None])[..., 0]
    return rotation, origin


def random_rotations(rng: np.random.Generator, count: int) -> Floats:
    """Rotations [count, 3, 3], uniform (Shoemake 1992, by normalised quaternions)."""
    w, x, y, z = _unit(rng.standard_normal((count, 4))).T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    return np.moveaxis(np.array(rows), -1, 0)
