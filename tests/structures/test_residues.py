from __future__ import annotations

import pytest

from hemenet_lab.structures.assemble import (
    NO_SLOT,
    TERMINAL_OXYGEN,
    atom_slot,
    unknown_residue_slots,
)
from hemenet_lab.structures.residues import mapped_element, parent_residue, residue_class
from hemenet_lab.structures.vocabulary import NUM_CHANNELS, RESIDUE_ATOMS


@pytest.mark.parametrize(
    ("name", "group"),
    [
        *[(water, "water") for water in ("HOH", "WAT", "DOD", "H2O", "TIP", "SOL")],
        *[(amino, "amino acid") for amino in ("ALA", "MSE", "HIE", "UNK", "ASX", "SEP", "DAL")],
        *[(nucleic, "nucleic acid") for nucleic in ("DA", "DG", "A", "U")],
        *[(cap, "cap") for cap in ("ACE", "NH2", "NME")],
        *[(other, "other") for other in ("HEM", "ZN", "CA", "XYZ", "")],
    ],
)
def test_class(name: str, group: str) -> None:
    assert residue_class(name) == group


@pytest.mark.parametrize(
    ("name", "parent"),
    [
        ("TRP", "TRP"),
        ("MSE", "MET"),
        ("SEC", "CYS"),
        ("PYL", "LYS"),
        ("HYP", "PRO"),
        ("HSD", "HIS"),
        ("ASX", "UNK"),
        ("UNK", "UNK"),
        ("PH8", "UNK"),
        ("HEM", "UNK"),
    ],
)
def test_parent(name: str, parent: str) -> None:
    assert parent_residue(name) == parent


def test_slots_of_standard_residues_are_their_places_in_the_table() -> None:
    for name, atoms in RESIDUE_ATOMS.items():
        assert [atom_slot(name, atom) for atom in atoms] == list(range(len(atoms)))


@pytest.mark.parametrize(
    ("residue", "atom", "slot"),
    [
        ("MSE", "SE", 6),
        ("SEC", "SE", 5),
        ("ILE", "CD", 7),
        ("SEP", "OG", 5),
        ("SEP", "P", NO_SLOT),
        ("ALA", "OXT", TERMINAL_OXYGEN),
        ("ALA", "OT1", 3),
        ("ALA", "OT2", TERMINAL_OXYGEN),
        ("KCX", "O1", NO_SLOT),
        ("GLY", "CB", NO_SLOT),
    ],
)
def test_slot(residue: str, atom: str, slot: int) -> None:
    assert atom_slot(residue, atom) == slot


def test_unknown_residue_has_the_backbone_first_and_the_rest_by_name() -> None:
    names = ["CZ", "N", "OXT", "CA", "CB", "CG1", "O", "C"]
    assert unknown_residue_slots(names) == [6, 0, TERMINAL_OXYGEN, 1, 4, 5, 3, 2]


def test_unknown_residue_overflows_after_the_last_channel() -> None:
    names = [f"X{i:02d}" for i in range(12)]
    slots = unknown_residue_slots(names)
    assert slots == [*range(5, NUM_CHANNELS), NO_SLOT, NO_SLOT, NO_SLOT]


def test_selenium_counts_as_sulphur_in_its_parent_only() -> None:
    assert mapped_element("MSE", "SE", "SE") == "S"
    assert mapped_element("MSE", "CE", "C") == "C"
    assert mapped_element("SEO", "SE", "SE") == "SE"
