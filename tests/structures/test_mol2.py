"""Elements of mol2 files: SYBYL types, atom names, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from hemenet_lab.structures import Ligand, LigandError, read_ligand, read_ligands
from tests.structures.test_ligand import FIVE_BONDS, METHANOL, MOL2


def _mol2(atoms: list[tuple[str, str]], bonds: list[tuple[int, int]]) -> str:
    """Atoms (name, type) on a spiral; places mean nothing to the elements."""
    head = f"@<TRIPOS>MOLECULE\nx\n {len(atoms)} {len(bonds)} 1 0 0\nSMALL\nNO_CHARGES\n\n"
    rows = "".join(
        f"{i} {name} {1.4 * i:.3f} {i % 3:.3f} {i % 2 + 0.5:.3f} {kind} 1 LIG 0.0\n"
        for i, (name, kind) in enumerate(atoms, start=1)
    )
    lines = "".join(f"{i} {a} {b} 1\n" for i, (a, b) in enumerate(bonds, start=1))
    return head + "@<TRIPOS>ATOM\n" + rows + ("@<TRIPOS>BOND\n" + lines if bonds else "")


def _read(tmp_path: Path, atoms: list[tuple[str, str]], bonds: list[tuple[int, int]]) -> Ligand:
    (tmp_path / "a.mol2").write_text(_mol2(atoms, bonds))
    return read_ligand(tmp_path / "a.mol2")


RING = [(1, 2), (2, 3), (3, 4), (4, 5), (5, 6), (6, 1)]
GAFF_ANISOLE = (
    [(f"C{i}", "ca") for i in range(1, 7)]
    + [("O1", "os"), ("C7", "c3"), ("O2", "oh"), ("HO2", "ho"), ("CL1", "cl"), ("N1", "nh")]
    + [("S1", "ss"), ("H1", "ha"), ("H2", "h1"), ("H3", "hn"), ("CA", "ca")]
)
GAFF_BONDS = [*RING, (1, 7), (7, 8), (2, 9), (9, 10), (3, 11), (4, 12), (5, 13), (6, 14), (8, 15)]
GAFF_BONDS += [(12, 16), (13, 17), (17, 12)]


def test_gaff_types_are_no_metals(tmp_path: Path) -> None:
    ligand = _read(tmp_path, GAFF_ANISOLE, GAFF_BONDS)
    heavy = ["C"] * 6 + ["O", "C", "O", "CL", "N", "S", "C"]
    assert ligand.element.tolist() == heavy
    assert {drop.kind: drop.count for drop in ligand.drops} == {"hydrogen": 4}
    assert not ligand.sanitized
    assert "types are not SYBYL's (ca, os, c3)" in ligand.note
    assert "Stacktrace" not in ligand.note


def test_amber_and_charmm_types(tmp_path: Path) -> None:
    amber = [("CA", "CA"), ("CB", "CT"), ("OS1", "OS"), ("HO", "HO"), ("NA", "NA"), ("ZN", "ZN")]
    bonds = [(1, 2), (2, 3), (3, 4), (2, 5)]
    assert _read(tmp_path, amber, bonds).element.tolist() == ["C", "C", "O", "N", "ZN"]
    charmm = [("C1", "CG2R61"), ("O1", "OG311"), ("H1", "HGP1"), ("BR", "BRGR1")]
    bonds = [(1, 2), (2, 3), (1, 4)]
    assert _read(tmp_path, charmm, bonds).element.tolist() == ["C", "O", "BR"]


@pytest.mark.parametrize(
    ("kinds", "elements"),
    [
        (["C.ar", "Ca", "Cl", "O.co2", "Co.oh", "N.pl3"], ["C", "CA", "CL", "O", "CO", "N"]),
        (["C.AR", "CL", "BR", "N.AM", "S.O2", "P.3"], ["C", "CL", "BR", "N", "S", "P"]),
        (["C", "Cl", "Zn", "Pt", "Se", "B"], ["C", "CL", "ZN", "PT", "SE", "B"]),
    ],
)
def test_sybyl_types_and_symbols_are_elements(
    tmp_path: Path, kinds: list[str], elements: list[str]
) -> None:
    atoms = [(f"Q{i}", kind) for i, kind in enumerate(kinds)]
    ligand = _read(tmp_path, atoms, [])
    assert ligand.element.tolist() == elements
    assert "SYBYL" not in ligand.note


@pytest.mark.parametrize(
    ("atoms", "bonds", "message"),
    [
        ([("1", "opls_145"), ("2", "opls_146")], [(1, 2)], r"atom 1 \(1, type opls_145, 1 bonds\)"),
        ([("X1", "ca"), ("C2", "ca")], [(1, 2)], "atom 1 .* fits no element"),
        ([("N1", "ca"), ("C2", "ca")], [(1, 2)], "atom 1 .* fits no element"),
        ([("CA", "CA"), ("HO", "HO")], [], "atom 1 .* may be CA or C"),
        (
            [("H1", "x1")] + [(f"C{i}", "x2") for i in range(2, 5)],
            [(1, 2), (1, 3), (1, 4)],
            "atom 1 .H1, type x1, 3 bonds. fits no element",
        ),
    ],
)
def test_elements_that_cannot_be_told_are_refused_with_a_hint(
    tmp_path: Path, atoms: list[tuple[str, str]], bonds: list[tuple[int, int]], message: str
) -> None:
    with pytest.raises(LigandError, match=message + ".*SYBYL atom types"):
        _read(tmp_path, atoms, bonds)


def test_dummies_are_no_atoms(tmp_path: Path) -> None:
    atoms = [("C1", "C.3"), ("LP1", "LP"), ("DU", "Du"), ("C2", "C.3"), ("X", "Any")]
    ligand = _read(tmp_path, atoms, [(1, 4)])
    assert ligand.element.tolist() == ["C", "C"]
    assert {drop.kind: drop.count for drop in ligand.drops} == {"dummy": 3}


@pytest.mark.parametrize("symbol", ["R# ", "*  ", "A  ", "Q  ", "L  ", "LP ", "Du "])
def test_dummies_of_sdf(tmp_path: Path, symbol: str) -> None:
    (tmp_path / "a.sdf").write_text(METHANOL.replace("O  ", symbol))
    ligand = read_ligand(tmp_path / "a.sdf")
    assert ligand.element.tolist() == ["C"]
    assert {drop.kind: drop.count for drop in ligand.drops} == {"hydrogen": 2, "dummy": 1}


@pytest.mark.parametrize("symbol", ["C1 ", "Xx ", "OH ", "123"])
def test_symbols_of_sdf_that_are_no_elements_are_refused(tmp_path: Path, symbol: str) -> None:
    (tmp_path / "a.sdf").write_text(METHANOL.replace("O  ", symbol))
    with pytest.raises(LigandError, match=f"'{symbol.strip()}' is not an element"):
        read_ligand(tmp_path / "a.sdf")


def test_notes_hold_no_stack_of_calls(tmp_path: Path) -> None:
    (tmp_path / "a.sdf").write_text(METHANOL.replace("  2  3  1  0", "  2 99  1  0"))
    note = read_ligand(tmp_path / "a.sdf").note
    assert "Range Error" in note
    assert "Stacktrace" not in note
    assert "/" not in note


POSES = "".join(METHANOL.replace("1.4000", f"1.4{i}00") + "$$$$\n" for i in range(3))


def test_poses(tmp_path: Path) -> None:
    path = tmp_path / "a.sdf"
    path.write_text(POSES)
    poses = read_ligands(path)
    assert [(ligand.pose, round(float(ligand.coords[1, 0]), 2)) for ligand in poses] == [
        (1, 1.4),
        (2, 1.41),
        (3, 1.42),
    ]
    assert all(drop.kind == "hydrogen" for ligand in poses for drop in ligand.drops)
    second = read_ligand(path, pose=2)
    assert second.coords.tolist() == poses[1].coords.tolist()
    assert (second.drops[0].reason, second.drops[0].count) == ("not the chosen molecule", 2)
    with pytest.raises(LigandError, match=r"a\.sdf: no molecule 4; the file has 1 to 3"):
        read_ligand(path, pose=4)
    [only] = read_ligands(path, pose=3)
    assert only.pose == 3


def test_poses_of_mol2(tmp_path: Path) -> None:
    (tmp_path / "a.mol2").write_text("# docked\n" + MOL2 + MOL2.replace("1.4 0.5", "1.5 0.5"))
    poses = read_ligands(tmp_path / "a.mol2")
    assert [round(float(pose.coords[1, 0]), 1) for pose in poses] == [1.4, 1.5]


def test_a_bad_pose_spares_the_others(tmp_path: Path) -> None:
    path = tmp_path / "a.sdf"
    path.write_text(f"{METHANOL}$$$$\nx\n$$$$\n{FIVE_BONDS}$$$$\n")
    with pytest.raises(LigandError, match=r"a\.sdf, molecule 2: not a whole sdf file"):
        read_ligands(path)
    errors: list[LigandError] = []
    found = read_ligands(path, on_error=errors.append)
    assert [ligand.pose for ligand in found] == [1, 3]
    assert [ligand.sanitized for ligand in found] == [True, False]
    assert len(errors) == 1
