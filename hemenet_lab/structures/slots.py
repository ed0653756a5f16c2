"""Slots (channels) of the atoms in their residue nodes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hemenet_lab.structures.residues import SAME_SLOT, parent_residue
from hemenet_lab.structures.select import Groups
from hemenet_lab.structures.table import AtomTable
from hemenet_lab.structures.text import map_rows
from hemenet_lab.structures.vocabulary import BACKBONE, NUM_CHANNELS, RESIDUE_ATOMS

NO_SLOT = -1
TERMINAL_OXYGEN = -2

_FIRST_OXYGEN = frozenset({"OT1", "OC1", "O1"})
_SECOND_OXYGEN = frozenset({"OXT", "OT2", "OC2", "O2"})
"""Names that simulation programs give to the two oxygens of the last residue."""


def slots_of_atoms(
    table: AtomTable, groups: Groups, polymer: NDArray[np.bool_]
) -> NDArray[np.int8]:
    """Slot of every atom, int8 [A]: 0-13, `NO_SLOT` or `TERMINAL_OXYGEN`; 0 outside polymers."""
    slots = np.zeros(len(table), np.int8)
    rows = np.flatnonzero(polymer)
    if not len(rows):
        return slots
    residue_name, name = table.residue_name.take(rows), table.name.take(rows)
    slots[rows] = map_rows(atom_slot, residue_name, name)
    unknown = rows[residue_name.map(lambda name: parent_residue(name) == "UNK")]
    for group in np.unique(groups.of_atom[unknown]):
        members = unknown[groups.of_atom[unknown] == group]
        slots[members] = unknown_residue_slots(table.name.take(members).array().tolist())
    return slots


def atom_slot(residue_name: str, atom_name: str) -> int:
    """Slot of an atom by its name and its residue's; `NO_SLOT` or `TERMINAL_OXYGEN`."""
    parent = parent_residue(residue_name)
    slots = RESIDUE_ATOMS.get(parent, BACKBONE)
    atom_name = SAME_SLOT.get((parent, atom_name), atom_name)
    if residue_name == parent and atom_name in _FIRST_OXYGEN:
        atom_name = "O"
    if atom_name in slots:
        return slots.index(atom_name)
    if atom_name == "OXT" or (residue_name == parent and atom_name in _SECOND_OXYGEN):
        return TERMINAL_OXYGEN
    return NO_SLOT


def unknown_residue_slots(names: list[str]) -> list[int]:
    """Slots in a residue without a known parent: the backbone's, then the others by name."""
    others = sorted(set(names) - {*BACKBONE, "OXT"})
    slots = {name: index for index, name in enumerate(BACKBONE)} | {"OXT": TERMINAL_OXYGEN}
    for slot, name in enumerate(others, start=len(BACKBONE)):
        slots[name] = slot if slot < NUM_CHANNELS else NO_SLOT
    return [slots[name] for name in names]
