"""Peptide bonds: which residues are polymer, in which order, and their sequence index."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hemenet_lab.structures.residues import is_amino_acid, parent_residue, residue_class
from hemenet_lab.structures.select import Groups
from hemenet_lab.structures.table import AtomTable, PolymerHint, rows_by_code
from hemenet_lab.structures.vocabulary import MAX_PEPTIDE_BOND, RESIDUE_ATOMS

MAX_CA_DISTANCE = 5.0
"""Å between the alpha carbons of neighbours; 3.8 in a trans peptide."""
UNKNOWN_GAP = 6
"""Step over a gap of unknown length: larger than the offsets of the sequence relations."""


@dataclass(frozen=True)
class Backbone:
    """Places of N, CA and C of each residue, nan where missing; float32 [G, 3] each."""

    n: NDArray[np.float32]
    ca: NDArray[np.float32]
    c: NDArray[np.float32]

    def peptide_lengths(self, order: NDArray[np.intp]) -> NDArray[np.float32]:
        """C-N distance of consecutive residues in ``order``, nan where it is unknown."""
        return np.linalg.norm(self.c[order[:-1]] - self.n[order[1:]], axis=1)

    def ca_distances(self, order: NDArray[np.intp]) -> NDArray[np.float32]:
        """CA-CA distance of consecutive residues in ``order``, nan where it is unknown."""
        return np.linalg.norm(self.ca[order[:-1]] - self.ca[order[1:]], axis=1)


def backbone(table: AtomTable, groups: Groups) -> Backbone:
    """The backbone atoms of every group; `CA` counts only if it is a carbon."""

    def places(name: str) -> NDArray[np.float32]:
        rows = np.flatnonzero(table.name.equals(name) & table.element.equals(name[0]))
        result = np.full((len(groups), 3), np.nan, np.float32)
        result[groups.of_atom[rows]] = table.coords[rows]
        return result

    return Backbone(places("N"), places("CA"), places("C"))


def polymer_order(table: AtomTable, groups: Groups, atoms: Backbone) -> NDArray[np.intp]:
    """Groups that are residues of a protein chain, chain by chain.

    Chains stand in the order of their first residue in the file. A residue that the file lists as
    HETATM counts if it is peptide-bonded to a neighbour, or is a modified amino acid that does not
    stand behind the chain's last TER; what does stand there and is bonded only to its like is a
    ligand. mmCIF's sequence positions decide where there are any.
    """
    candidate = _may_be_residue(table, groups, atoms)
    chain = table.chain.codes[groups.first]
    rows = np.flatnonzero(candidate)
    members = sorted((rows[of_chain] for of_chain in rows_by_code(chain[rows])), key=_first)
    orders = [_chain_order(of_chain, table, groups, atoms) for of_chain in members]
    order = np.concatenate([np.array([], np.intp), *orders])
    return order[_is_polymer(order, table, groups, atoms)]


def _first(rows: NDArray[np.intp]) -> int:
    return int(rows[0])


def _may_be_residue(table: AtomTable, groups: Groups, atoms: Backbone) -> NDArray[np.bool_]:
    names = table.residue_name.take(groups.first)
    amino = names.map(is_amino_acid)
    other = names.map(lambda name: residue_class(name) == "other")
    has_n, has_ca, has_c = (~np.isnan(x[:, 0]) for x in (atoms.n, atoms.ca, atoms.c))
    named_so = amino & (table.hint[groups.first] != PolymerHint.NO)
    return named_so | (other & has_ca & (has_n | has_c))


def _chain_order(
    members: NDArray[np.intp], table: AtomTable, groups: Groups, atoms: Backbone
) -> NDArray[np.intp]:
    """File order, or order of residue numbers where that joins more residues by peptide bonds."""
    numbers = table.number[groups.first[members]]
    if (np.diff(numbers) >= 0).all():
        return members
    by_number = members[np.argsort(numbers, kind="stable")]
    in_file, sorted_ = (
        int((atoms.peptide_lengths(order) < MAX_PEPTIDE_BOND).sum())
        for order in (members, by_number)
    )
    return by_number if sorted_ > in_file else members


def _is_polymer(
    order: NDArray[np.intp], table: AtomTable, groups: Groups, atoms: Backbone
) -> NDArray[np.bool_]:
    first = groups.first[order]
    hint, hetero, chain = table.hint[first], table.hetero[first], table.chain.codes[first]
    modified = table.residue_name.take(first).map(_is_modified).astype(np.bool_)
    joined = atoms.peptide_lengths(order) < MAX_PEPTIDE_BOND
    joined &= chain[1:] == chain[:-1]
    bonded = np.append(joined, False) | np.append(False, joined)
    loose = hetero & (hint == PolymerHint.AFTER_TER)
    peptide = np.cumsum(np.append(True, ~joined)[: len(order)]) - 1
    bonded = bonded & (~loose | (np.bincount(peptide, ~loose) > 0)[peptide])  # else a ligand
    unknown = hint == PolymerHint.UNKNOWN
    by_record = ~hetero | bonded | (unknown & modified)
    return (hint == PolymerHint.YES) | ((hint != PolymerHint.NO) & by_record)


def _is_modified(name: str) -> bool:
    return is_amino_acid(name) and name not in RESIDUE_ATOMS and parent_residue(name) != "UNK"


def sequence_index(
    order: NDArray[np.intp], table: AtomTable, groups: Groups, atoms: Backbone
) -> NDArray[np.int32]:
    """Position of each residue of ``order`` along its chain, int32; 0 for a chain's first.

    A step is 1 between bonded residues: C-N below 2.5 Å; without these atoms CA-CA below 5 Å;
    without these either, an author number that grows by 0 (insertion codes) or 1. Over a gap the
    step is the difference of the author numbers if that is 2 or more, else `UNKNOWN_GAP`.
    """
    if not len(order):
        return np.zeros(0, np.int32)
    first = groups.first[order]
    numbers, chain = table.number[first].astype(np.int64), table.chain.codes[first]
    difference = np.diff(numbers)
    peptide, alpha = atoms.peptide_lengths(order), atoms.ca_distances(order)
    by_alpha = np.where(
        np.isnan(alpha), (difference >= 0) & (difference <= 1), alpha < MAX_CA_DISTANCE
    )
    bonded = np.where(np.isnan(peptide), by_alpha, peptide < MAX_PEPTIDE_BOND)
    steps = np.where(bonded, 1, np.where(difference >= 2, difference, UNKNOWN_GAP))
    total = np.append(0, np.cumsum(steps))
    starts = np.append(True, chain[1:] != chain[:-1])
    of_chain_start = total[starts][np.cumsum(starts) - 1]
    return (total - of_chain_start).astype(np.int32)
