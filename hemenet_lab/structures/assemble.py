"""Selected atoms → `Structure`: residues in their order, atoms in their slots."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hemenet_lab.structures.residues import mapped_element, parent_residue, residue_class
from hemenet_lab.structures.select import Groups, group_residues
from hemenet_lab.structures.sequence import backbone, polymer_order, sequence_index
from hemenet_lab.structures.slots import NO_SLOT, TERMINAL_OXYGEN, slots_of_atoms
from hemenet_lab.structures.structure import Structure
from hemenet_lab.structures.table import (
    AtomTable,
    PolymerHint,
    StructureError,
)
from hemenet_lab.structures.text import Text, is_repeated, join_codes, map_rows
from hemenet_lab.structures.vocabulary import RESIDUE_INDEX, UNKNOWN_RESIDUE

_HETERO = "hetero"
_NUCLEIC = "nucleic acid"
_CAP = "cap"
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
    index = np.append(sequence_index(order, table, groups, places), np.zeros(hetero.sum(), int))
    return _build(table, id, groups, order, keep, np.flatnonzero(hetero), slots, index)


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


def _build(
    table: AtomTable,
    id: str,
    groups: Groups,
    order: NDArray[np.intp],
    keep: NDArray[np.bool_],
    hetero: NDArray[np.intp],
    slots: NDArray[np.int8],
    index: NDArray[np.int64],
) -> Structure:
    """Polymer residues ``order`` and one residue per atom of ``hetero``, sorted by chain."""
    head = np.concatenate([groups.first[order], hetero])
    chain_codes = table.chain.codes[head]
    chains = list(dict.fromkeys(chain_codes.tolist()))
    chain_index = np.argsort(chains)[np.searchsorted(np.sort(chains), chain_codes)]
    by_chain = np.argsort(chain_index, kind="stable")
    place = np.empty_like(by_chain)
    place[by_chain] = np.arange(len(head))
    rank = np.full(len(groups), -1, np.int64)
    rank[order] = place[: len(order)]
    rows = np.append(np.flatnonzero(keep), hetero)
    residue = np.append(rank[groups.of_atom[keep]], place[len(order) :])
    sorting = np.lexsort((slots[rows], residue))
    rows = rows[sorting]
    head, polymer = head[by_chain], by_chain < len(order)
    residue_name = table.residue_name.take(head)
    types = residue_name.map(lambda name: RESIDUE_INDEX[parent_residue(name)])
    kept = table.take(rows)
    return Structure(
        id=id,
        coords=kept.coords,
        element=map_rows(mapped_element, kept.residue_name, kept.name, kept.element),
        atom_name=kept.name.array(),
        slot=slots[rows],
        occupancy=kept.occupancy,
        b_factor=kept.b_factor,
        atom_residue=residue[sorting].astype(np.int32),
        residue_name=residue_name.array(),
        residue_type=np.where(polymer, types, UNKNOWN_RESIDUE).astype(np.int8),
        residue_number=table.number[head],
        insertion_code=table.insertion.take(head).array(),
        residue_chain=chain_index[by_chain].astype(np.int32),
        is_polymer=polymer,
        sequence_index=index[by_chain].astype(np.int32),
        chain_id=tuple(table.chain.values[chains].tolist()),
        chain_label=tuple(
            table.label[head[np.argmax(chain_codes[by_chain] == code)]] for code in chains
        ),
        drops=table.drops,
    )
