"""Backbones, side chains, folds and docking of the demo against ideal and hand-computed values."""

from __future__ import annotations

import numpy as np
import pytest

from hemenet_lab.protein_mt.demo.fold import STRAND, compactness, make_fold
from hemenet_lab.protein_mt.demo.geometry import (
    LOCAL_C,
    LOCAL_CA,
    LOCAL_N,
    build_backbones,
    frames,
    place,
    random_rotations,
    torsion,
)
from hemenet_lab.protein_mt.demo.model import facing, touch
from hemenet_lab.protein_mt.demo.sidechains import Packer, Site, bond_distance, bonds, rotamers
from hemenet_lab.structures import RESIDUE_ATOMS


def angle(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Angle a-b-c, degrees."""
    left, right = a - b, c - b
    norms = np.linalg.norm(left, axis=-1) * np.linalg.norm(right, axis=-1)
    return np.degrees(np.arccos((left * right).sum(-1) / norms))


def test_place_by_hand() -> None:
    a, b, c = np.array([[0.0, 1, 0], [0, 0, 0], [1, 0, 0]])
    new = place(a, b, c, 2.0, 90.0, np.array([0.0, 180.0, 90.0]))
    np.testing.assert_allclose(new, [[1, 2, 0], [1, -2, 0], [1, 0, 2]], atol=1e-12)
    np.testing.assert_allclose(torsion(a, b, c, new), [0.0, 180.0, 90.0], atol=1e-9)


def test_backbone_has_ideal_bonds_and_the_torsions_asked_for() -> None:
    rng = np.random.default_rng(0)
    phi, psi = rng.uniform(-150, 150, (2, 3, 12))
    omega = 180.0 + rng.normal(0, 2, (3, 12))
    atoms, rotation = build_backbones(phi, psi, omega)
    n, ca, c, o, _ = np.moveaxis(atoms, 2, 0)
    length = np.linalg.norm
    np.testing.assert_allclose(length(ca - n, axis=-1), 1.458, atol=1e-9)
    np.testing.assert_allclose(length(c - ca, axis=-1), 1.525, atol=1e-9)
    np.testing.assert_allclose(length(n[:, 1:] - c[:, :-1], axis=-1), 1.329, atol=1e-9)
    np.testing.assert_allclose(length(o - c, axis=-1), 1.231, atol=1e-9)
    np.testing.assert_allclose(angle(n, ca, c), 111.2, atol=1e-6)
    np.testing.assert_allclose(angle(ca[:, :-1], c[:, :-1], n[:, 1:]), 116.2, atol=1e-6)
    np.testing.assert_allclose(torsion(c[:, :-1], n[:, 1:], ca[:, 1:], c[:, 1:]), phi[:, 1:])
    np.testing.assert_allclose(torsion(n[:, :-1], ca[:, :-1], c[:, :-1], n[:, 1:]), psi[:, :-1])
    turned = torsion(ca[:, :-1], c[:, :-1], n[:, 1:], ca[:, 1:])
    np.testing.assert_allclose(np.cos(np.radians(turned - omega[:, :-1])), 1.0, atol=1e-9)
    np.testing.assert_allclose(frames(n, ca, c), rotation, atol=1e-9)


def test_alpha_helix_rises_by_one_and_a_half_angstrom() -> None:
    torsions = np.full((1, 19), -63.0), np.full((1, 19), -43.0), np.full((1, 19), 180.0)
    ca = build_backbones(*torsions)[0][0, :, 1]
    assert np.linalg.norm(ca[18] - ca[0]) / 18 == pytest.approx(1.5, abs=0.1)


@pytest.mark.parametrize("residue", RESIDUE_ATOMS)
def test_side_chains(residue: str) -> None:
    """Bonds have the length of a bond, other pairs do not, and amino acids are L."""
    names = ("N", "CA", "C", *RESIDUE_ATOMS[residue][4:])
    side = rotamers(residue)
    backbone = np.broadcast_to(np.stack([LOCAL_N, LOCAL_CA, LOCAL_C]), (len(side), 3, 3))
    atoms = np.concatenate([backbone, side], axis=1)
    assert atoms.shape[1] == len(RESIDUE_ATOMS[residue]) - 1  # all but O
    apart = bond_distance(residue, names)
    gaps = np.linalg.norm(atoms[:, :, None] - atoms[:, None], axis=-1)
    assert ((gaps[:, apart == 1] > 1.2) & (gaps[:, apart == 1] < 1.85)).all()
    assert (gaps[:, apart == 2] > 2.1).all()
    assert (gaps[:, apart >= 4] > 2.9).all()
    if residue != "GLY":
        normal = np.cross(LOCAL_N - LOCAL_CA, LOCAL_C - LOCAL_CA)
        assert (side[:, 0] @ normal > 2.0).all()


def test_rings_close() -> None:
    assert frozenset(("CD", "N")) in bonds("PRO")
    ring = rotamers("PRO")[0]
    assert np.linalg.norm(ring[2] - LOCAL_N) == pytest.approx(1.474, abs=0.01)


def test_side_groups_have_their_natural_hand() -> None:
    """Isoleucine's and threonine's second centre: the torsion of CG2 follows that of the first."""
    for residue, first, second in (("ILE", "CG1", "CG2"), ("THR", "OG1", "CG2")):
        names = RESIDUE_ATOMS[residue][4:]
        side = rotamers(residue)
        ends = [
            torsion(LOCAL_N, LOCAL_CA, side[:, 0], side[:, names.index(name)])
            for name in (first, second)
        ]
        np.testing.assert_allclose((ends[1] - ends[0]) % 360.0, 238.5, atol=1.5)


def test_folds_are_compact_and_reproducible() -> None:
    layout = "LL" + "E" * 8 + "LLLL" + "H" * 10 + "LLLL" + "E" * 8 + "LL"
    fold = make_fold(layout, np.random.default_rng(3), beam=4, draws=16)
    again = make_fold(layout, np.random.default_rng(3), beam=4, draws=16)
    np.testing.assert_array_equal(fold.phi, again.phi)
    assert [len(run) for run in fold.runs("E")] == [8, 8]
    straight = np.full((1, len(layout)), STRAND[0]), np.full((1, len(layout)), STRAND[1])
    folded = compactness(fold.phi[None], fold.psi[None])
    assert folded[0] > compactness(*straight)[0] + 100.0


def test_touch_by_hand() -> None:
    """Two points on the axis stop 3 Å apart; beside the axis, by the circle; far off, never."""
    axis, origin = np.array([0.0, 0.0, 1.0]), np.zeros((1, 3))
    assert touch(origin, origin, axis, 3.0) == pytest.approx(3.0)
    assert touch(origin, np.array([[1.0, 0.0, 5.0]]), axis, 3.0) == pytest.approx(8**0.5 - 5.0)
    assert touch(origin, np.array([[4.0, 0.0, 5.0]]), axis, 3.0) == 0.0


def test_facing_turns_one_patch_to_the_other() -> None:
    rng = np.random.default_rng(1)
    axis, normal = random_rotations(rng, 2)[:, 0]
    for turn in facing(axis, normal, rng, 8):
        np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-9)
        assert np.linalg.det(turn) == pytest.approx(1.0)
        assert (turn @ normal) @ -axis > 0.9
    assert (facing(axis, -axis, rng, 1)[0] @ -axis) @ -axis > 0.9


def test_packing_finds_clashes() -> None:
    """An obstacle inside the only place that a side chain can take is reported."""
    phi = psi = np.full((1, 5), -120.0)
    atoms, rotation = build_backbones(phi, psi, np.full((1, 5), 180.0))
    names = ("ALA", "ALA", "PHE", "ALA", "ALA")
    free = Site(names, atoms[0, :, :4], rotation[0], np.zeros((0, 3)))
    packer = Packer(free, np.random.default_rng(0))
    assert packer.run()
    blocked = Site(names, atoms[0, :, :4], rotation[0], packer.side[1] + 0.5)
    packer = Packer(blocked, np.random.default_rng(0))
    assert not packer.run()
    assert 1 in packer.crowded(2.0)
