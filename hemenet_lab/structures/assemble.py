"""Selected atoms → `Structure`: residues in their order, atoms in their slots."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hemenet_lab.structures.deposited import place_residues
from hemenet_lab.structures.residues import (
    SAME_SLOT,
    mapped_element,
    parent_residue,
    residue_class,
    simulated_residue,
)
from hemenet_lab.structures.select import Groups, group_residues
from hemenet_lab.structures.sequence import backbone, polymer_order, sequence_index
from hemenet_lab.structures.structure import Structure, StructureError
from hemenet_lab.structures.table import (
    AtomTable,
    PolymerHint,
    Text,
    is_repeated,
    join_codes,
    map_rows,
    rows_by_code,
)
from hemenet_lab.structures.vocabulary import (
    BACKBONE,
    NUM_CHANNELS,
    RESIDUE_ATOMS,
    RESIDUE_INDEX,
    UNKNOWN_RESIDUE,
)

_HETERO = "hetero"
_NUCLEIC = "nucleic acid"
_CAP = "cap"
_PLACEHOLDER = 999.0
"""Å; three equal coordinates of at least this size are no place."""
_RESIDUE_SIZE = 10.0
"""Å; two bonded atoms' distance many times over, and more than any side chain is long."""
_SHORT_BOND = 1.4
"""Å; N and CA are 1.46 Å apart, and nearer in a projection."""
_SEVERAL = 20
"""Residues from which on a flat protein cannot be what its author meant."""
_SHORTEST_BOND = 0.5
"""Å; half of any bond between heavy atoms."""
_REASONS = {
    _HETERO: "ion, cofactor, ligand or free amino acid; not part of a protein chain",
    _NUCLEIC: "nucleic acid; only protein chains are read",
    _CAP: "group without an alpha carbon inside a chain, such as ACE or NH2",
}


def assemble(table: AtomTable, id: str, keep_hetero: bool) -> Structure:
    """The protein chains of the selected atoms; see `parse.read_structure`.

    Raises:
        StructureError: There is no protein residue.
    """
    if not len(table):
        raise StructureError(_no_protein(table))
    groups = group_residues(table)
    places = backbone(table, groups)
    order = polymer_order(table, groups, places)
    polymer = np.isin(groups.of_atom, order)
    slots = slots_of_atoms(table, groups, polymer)
    keep, table = _count_unslotted(table, groups, slots, polymer)
    kind = _kinds(table, groups)[groups.of_atom]
    hetero = ~polymer & (kind == _HETERO) if keep_hetero else np.zeros(len(table), np.bool_)
    for name, reason in _REASONS.items():
        table = table.note(name, reason, int((~polymer & ~hetero & (kind == name)).sum()))
    order = order[np.isin(order, groups.of_atom[keep])]
    if not len(order):
        raise StructureError(_no_protein(table))
    _check_places(table, np.flatnonzero(keep))
    _check_insertions(table, np.flatnonzero(keep | hetero))
    layout = _lay_out(table, groups, order, keep, np.flatnonzero(hetero), slots)
    index = np.append(sequence_index(order, table, groups, places), np.zeros(hetero.sum(), int))
    return _build(table, id, layout, slots, index[layout.by_chain])


def _check_places(table: AtomTable, rows: NDArray[np.intp]) -> None:
    """Refuses placeholders, drawings, and coordinates in another unit than Å.

    Raises:
        StructureError: All atoms at one place or in one plane, 3 or more atoms of a chain at one
            place, such as 9999, 9999, 9999, an atom at 0, 0, 0 far from its residue, or alpha
            carbons too near to their N.
    """
    coords = table.coords[rows]
    if len(rows) > 1 and (coords == coords[0]).all():
        raise StructureError(
            f"{table.source}: all {len(rows)} atoms of the proteins are at one place "
            f"{_shown(coords[0])}; coordinates are missing: give a file that has them"
        )
    bits = np.ascontiguousarray(coords + 0.0).view(np.int32)  # + 0.0: -0 is 0
    crowded = _at_one_place(table.chain.take(rows), bits)
    huge = (coords == coords[:, :1]).all(axis=1) & (np.abs(coords[:, 0]) >= _PLACEHOLDER)
    residue = join_codes(table.chain.take(rows), table.number[rows], table.insertion.take(rows))
    bad = np.flatnonzero(crowded | huge | _strays_at_zero(coords, residue))
    if len(bad):
        raise StructureError(
            f"{table.source}: {len(bad)} of {len(rows)} atoms of the proteins have placeholders "
            f"for coordinates (several atoms at one place, or 9999), the first in "
            f"{table.line_word} {table.line[rows[bad[0]]]} at {_shown(coords[bad[0]])}; remove "
            "these atoms or model them"
        )
    _check_scale(table, rows, residue)


_MIX = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], np.uint64)
"""Odd numbers that spread bits."""


def _at_one_place(chain: Text, bits: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Mask of the atoms that share their place with two or more of their chain."""
    mixed = np.sort((bits.astype(np.uint64) * _MIX).sum(axis=1, dtype=np.uint64))
    if not (mixed[2:] == mixed[:-2]).any():  # no three places are the same: almost always
        return np.zeros(len(bits), np.bool_)
    codes = join_codes(chain, *bits.T)
    _, inverse, counts = np.unique(codes, return_inverse=True, return_counts=True)
    return counts[inverse] > 2


def _strays_at_zero(coords: NDArray[np.float32], residue: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Mask of the atoms at 0, 0, 0 whose residue has other atoms, all of them far away."""
    stray = np.zeros(len(coords), np.bool_)
    for row in np.flatnonzero((coords == 0).all(axis=1)):
        others = coords[(residue == residue[row]) & (np.arange(len(coords)) != row)]
        stray[row] = len(others) > 0 and np.linalg.norm(others, axis=1).min() > _RESIDUE_SIZE
    return stray


def _check_scale(table: AtomTable, rows: NDArray[np.intp], residue: NDArray[np.int64]) -> None:
    """Refuses a protein whose N and CA are no bond apart, or look so since it was made flat."""
    coords, name = table.coords[rows], table.name.take(rows)
    alpha, nitrogen = np.flatnonzero(name.equals("CA")), np.flatnonzero(name.equals("N"))
    _, left, right = np.intersect1d(residue[alpha], residue[nitrogen], return_indices=True)
    if not len(left):
        return
    gap = float(np.median(np.linalg.norm(coords[alpha[left]] - coords[nitrogen[right]], axis=1)))
    flat = [axis for axis, values in zip("xyz", coords.T, strict=True) if np.ptp(values) == 0]
    if flat and gap < _SHORT_BOND and len(left) >= _SEVERAL:
        raise StructureError(
            f"{table.source}: all atoms of the proteins have the same {flat[0]}; a structure needs "
            "three dimensions: export it again"
        )
    if gap < _SHORTEST_BOND:
        raise StructureError(
            f"{table.source}: N and CA are {gap:.2f} apart, 1.46 Å in proteins; the coordinates "
            "are in nanometres or scaled: write them in Å"
        )


def _check_insertions(table: AtomTable, rows: NDArray[np.intp]) -> None:
    """Refuses insertion codes that are not one letter of ASCII."""
    for code in table.insertion.take(rows).words():
        if code and not (len(code) == 1 and code.isascii()):
            first = rows[np.flatnonzero(table.insertion.take(rows).equals(code))[0]]
            raise StructureError(
                f"{table.source}: {table.line_word} {table.line[first]} has the insertion code "
                f"{code!r}; one letter is allowed: renumber the residue"
            )


def _shown(place: NDArray[np.float32]) -> str:
    return "(" + ", ".join(f"{value:.3f}" for value in place.tolist()) + ")"


def _count_unslotted(
    table: AtomTable, groups: Groups, slots: NDArray[np.int8], polymer: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], AtomTable]:
    """Mask of the polymer atoms that are kept, and the table with the others counted."""
    terminal, unslotted = polymer & (slots == TERMINAL_OXYGEN), polymer & (slots == NO_SLOT)
    keep = polymer & (slots >= 0)
    repeated = keep & is_repeated(join_codes(groups.of_atom, np.where(keep, slots, -1)))
    table = table.note("terminal oxygen", "OXT has no slot", int(terminal.sum()))
    reason = "atom that its residue (or the residue's parent) has no slot for"
    table = table.note("no slot", reason, int(unslotted.sum()))
    table = table.note("duplicate", "two names of one slot; the first is kept", int(repeated.sum()))
    return keep & ~repeated, table


def _kinds(table: AtomTable, groups: Groups) -> NDArray[np.str_]:
    """For every group: what it would be dropped as, if it is not a protein residue."""
    sugar = np.zeros(len(groups), np.bool_)
    sugar[groups.of_atom[table.name.equals("C1'", "C1*")]] = True
    in_chain = (table.hint == PolymerHint.YES) | ~table.hetero
    placed = table.hint[groups.first] == PolymerHint.YES
    names = table.residue_name.take(groups.first)
    nucleotide = sugar & in_chain[groups.first]
    return map_rows(_kind, names, _flags(nucleotide), _flags(placed))


def _flags(mask: NDArray[np.bool_]) -> Text:
    return Text(np.array(["", "yes"]), mask.astype(np.int64))


def _kind(name: str, is_nucleotide: str, is_placed: str) -> str:
    group = residue_class(name)
    if group == "nucleic acid" or (group == "other" and is_nucleotide):
        return _NUCLEIC
    return _CAP if group == "cap" or (group == "other" and is_placed) else _HETERO


def _no_protein(table: AtomTable) -> str:
    found = ", ".join(f"{drop.count} {drop.kind}" for drop in table.drops) or "nothing"
    return (
        f"{table.source}: no protein residue; atoms found and not usable: {found}. "
        "At least one amino acid residue is needed: give a file with a protein chain"
    )


@dataclass(frozen=True)
class _Layout:
    """Atoms and residues of a structure, in their order."""

    rows: NDArray[np.intp]
    """[A], rows of the atom table."""
    residue: NDArray[np.intp]
    """[A], residue of each atom."""
    head: NDArray[np.intp]
    """[R], first row of each residue."""
    by_chain: NDArray[np.intp]
    """[R], place of each residue among the polymer residues and then the hetero atoms."""
    polymer: NDArray[np.bool_]
    """[R]."""
    chain: NDArray[np.intp]
    """[R], index of the chain."""


def _lay_out(
    table: AtomTable,
    groups: Groups,
    order: NDArray[np.intp],
    keep: NDArray[np.bool_],
    hetero: NDArray[np.intp],
    slots: NDArray[np.int8],
) -> _Layout:
    """Polymer residues ``order`` and one residue per atom of ``hetero``, sorted by chain."""
    head = np.concatenate([groups.first[order], hetero])
    codes = table.chain.codes[head]
    chain_rank = {code: rank for rank, code in enumerate(dict.fromkeys(codes.tolist()))}
    chain = np.array([chain_rank[code] for code in codes.tolist()])
    by_chain = np.argsort(chain, kind="stable")
    place = np.empty_like(by_chain)
    place[by_chain] = np.arange(len(head))
    of_group = np.full(len(groups), -1, np.intp)
    of_group[order] = place[: len(order)]
    rows = np.append(np.flatnonzero(keep), hetero)
    residue = np.append(of_group[groups.of_atom[keep]], place[len(order) :])
    atoms = np.lexsort((slots[rows], residue))
    return _Layout(
        rows=rows[atoms],
        residue=residue[atoms],
        head=head[by_chain],
        by_chain=by_chain,
        polymer=by_chain < len(order),
        chain=chain[by_chain],
    )


def _build(
    table: AtomTable, id: str, layout: _Layout, slots: NDArray[np.int8], index: NDArray[np.int64]
) -> Structure:
    atoms, residues = table.take(layout.rows), table.take(layout.head)
    types = residues.residue_name.map(lambda name: RESIDUE_INDEX[parent_residue(name)])
    chains = np.searchsorted(layout.chain, np.arange(layout.chain[-1] + 1))
    sequences, places = place_residues(residues, layout.chain, layout.polymer, types, index)
    return Structure(
        id=id,
        coords=atoms.coords,
        element=map_rows(mapped_element, atoms.residue_name, atoms.name, atoms.element),
        atom_name=atoms.name.array(),
        slot=slots[layout.rows],
        occupancy=atoms.occupancy,
        b_factor=atoms.b_factor,
        atom_residue=layout.residue.astype(np.int32),
        residue_name=residues.residue_name.array(),
        residue_type=np.where(layout.polymer, types, UNKNOWN_RESIDUE).astype(np.int8),
        residue_number=residues.number,
        insertion_code=residues.insertion.array(),
        residue_chain=layout.chain.astype(np.int32),
        is_polymer=layout.polymer,
        sequence_index=index.astype(np.int32),
        sequence_place=places,
        chain_id=tuple(residues.chain[row] for row in chains),
        chain_label=tuple(residues.label[row] for row in chains),
        chain_sequence=sequences,
        drops=table.drops,
        notes=table.notes,
        model=table.chosen_model,
    )


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
    for of_group in rows_by_code(groups.of_atom[unknown]):
        table.budget.check_time()
        members = unknown[of_group]
        slots[members] = unknown_residue_slots(table.name.take(members).array().tolist())
    return slots


def atom_slot(residue_name: str, atom_name: str) -> int:
    """Slot of an atom by its name and its residue's; `NO_SLOT` or `TERMINAL_OXYGEN`."""
    parent = parent_residue(residue_name)
    slots = RESIDUE_ATOMS.get(parent, BACKBONE)
    atom_name = SAME_SLOT.get((parent, atom_name), atom_name)
    plain = residue_name == parent or simulated_residue(residue_name) == parent
    if plain and atom_name in _FIRST_OXYGEN:
        atom_name = "O"
    if atom_name in slots:
        return slots.index(atom_name)
    if atom_name == "OXT" or (plain and atom_name in _SECOND_OXYGEN):
        return TERMINAL_OXYGEN
    return NO_SLOT


def unknown_residue_slots(names: list[str]) -> list[int]:
    """Slots in a residue without a known parent: the backbone's, then the others by name."""
    others = sorted(set(names) - {*BACKBONE, "OXT"})
    slots = {name: index for index, name in enumerate(BACKBONE)} | {"OXT": TERMINAL_OXYGEN}
    for slot, name in enumerate(others, start=len(BACKBONE)):
        slots[name] = slot if slot < NUM_CHANNELS else NO_SLOT
    return [slots[name] for name in names]
