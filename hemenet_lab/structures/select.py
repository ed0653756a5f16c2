"""Choice of atoms: one model, no water or hydrogen, one conformer per residue, no duplicates."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hemenet_lab.structures.identity import noted, renamed, separate_chains
from hemenet_lab.structures.residues import is_amino_acid, residue_class
from hemenet_lab.structures.structure import StructureError
from hemenet_lab.structures.table import (
    LARGEST_COORDINATE,
    AtomTable,
    check_coords,
    is_repeated,
    join_codes,
    rows_by_code,
    run_starts,
)
from hemenet_lab.structures.vocabulary import BACKBONE

_CELL = 4.0
"""Å; edge of the cells by which models are compared."""
_ASSEMBLY_NAME = re.compile(
    r"\.pdb\d+(\.|$)|[-_.]((bio[-_]?)?assembly|bio(mol|unit)?)[-_]?\d*\.", re.IGNORECASE
)
"""Names of assembly files: 1abc.pdb1, 1abc-assembly1.cif, 1abc_bioassembly_1.pdb, 1abc_bio.pdb."""


@dataclass(frozen=True)
class Groups:
    """Residues of an atom table, in the order of their first atoms."""

    of_atom: NDArray[np.int64]
    """[A], group of each atom, 0 to G - 1."""
    first: NDArray[np.int64]
    """[G], first atom of each group."""

    def __len__(self) -> int:
        return len(self.first)


def model_numbers(table: AtomTable) -> list[int]:
    """Numbers of the file's models, in file order."""
    return table.model[np.sort(np.unique(table.model, return_index=True)[1])].tolist()


def choose_model(table: AtomTable, wanted: int | None) -> AtomTable:
    """One model's atoms, or all of an assembly, with ids that tell its chains apart.

    Args:
        table: All atoms of a file.
        wanted: Number of the model; None for all of an assembly's and otherwise the first.

    Raises:
        StructureError: No such model, impossible coordinates, or chains that cannot be told apart.
    """
    table.budget.need("chains", len(table.chain.words()))
    numbers = model_numbers(table)
    if wanted is not None and wanted not in numbers:
        shown = ", ".join(map(str, numbers[:20])) + (", ..." if len(numbers) > 20 else "")
        raise StructureError(f"{table.source}: no model {wanted}; the file has {shown}")
    beside = len(numbers) > 1 and wanted is None and _stand_beside(table, numbers)
    if beside and _are_parts(table):
        table = renamed(table, np.searchsorted(np.sort(numbers), table.model))
        table = noted(table, f"{len(numbers)} models are the parts of one assembly, read whole")
    elif len(numbers) > 1:
        table = _one_of(table, numbers[0] if wanted is None else wanted, len(numbers))
        hint = "the models stand beside each other: if they are the parts of an assembly, name the "
        table = noted(table, f"{hint}file so (1abc.pdb1, 1abc-assembly1.cif)") if beside else table
    check_coords(table)
    table = separate_chains(table)
    table.budget.need("chains", len(table.chain.words()))
    return table


def _one_of(table: AtomTable, number: int, count: int) -> AtomTable:
    chosen = table.model == number
    mine = set(table.chain.take(chosen).words())
    others = [chain for chain in table.chain.take(~chosen).words() if chain not in mine]
    hint = f"; the others have chains {', '.join(others[:20])} besides" if others else ""
    first = number == table.model[0]
    reason = "not in the first model" if first else "not in the chosen model"
    table = table.drop(~chosen, "model", reason)
    table = noted(table, f"model {number} of {count} was read{hint}")
    return replace(table, chosen_model=number)


def _are_parts(table: AtomTable) -> bool:
    """Different chains in the models, or a name that says so."""
    amino = table.take(table.residue_name.map(is_amino_acid).astype(np.bool_))
    pairs = np.unique(join_codes(amino.chain, amino.model), return_index=True)[1]
    chains = amino.chain.codes[pairs].tolist()
    return len(set(chains)) == len(chains) or bool(_ASSEMBLY_NAME.search(table.source))


def _stand_beside(table: AtomTable, numbers: list[int]) -> bool:
    """Models of proteins that take up different places."""
    amino = table.take(table.residue_name.map(is_amino_acid).astype(np.bool_))
    coords = np.clip(np.nan_to_num(amino.coords), -LARGEST_COORDINATE, LARGEST_COORDINATE)
    codes = join_codes(*np.floor(coords / _CELL).T)
    seen = np.zeros(0, np.int64)
    for number in numbers:
        table.budget.check_time()
        mine = np.unique(codes[amino.model == number])
        if not len(mine) or np.isin(mine, seen).mean() > 0.5:
            return False
        seen = np.append(seen, mine)
    return True


def select_atoms(table: AtomTable) -> AtomTable:
    """Without waters, hydrogens and deuterium, other conformers and repeated atoms."""
    water = table.residue_name.map(lambda name: residue_class(name) == "water")
    table = table.drop(water, "water", "water molecule")
    table = table.drop(table.element.equals("H", "D"), "hydrogen", "hydrogen or deuterium")
    return select_conformer(table)


def select_conformer(table: AtomTable) -> AtomTable:
    """One conformer per residue, and each of its atoms once."""
    table = _one_conformer(table)
    groups = group_residues(table)
    order = np.argsort(-table.occupancy, kind="stable")
    repeated = np.zeros(len(table), np.bool_)
    repeated[order] = is_repeated(join_codes(groups.of_atom, table.name)[order])
    reason = "atom name repeated in its residue; the first of highest occupancy is kept"
    return table.drop(repeated, "duplicate", reason)


def group_residues(table: AtomTable) -> Groups:
    """Atoms of the same chain, number and insertion code, wherever they stand in the file.

    Several residue names at one place are one residue in several forms (a point mutation) if all
    are amino acids or some have alternative locations; otherwise each name is a group of its own
    (ions that share a number).
    """
    codes = join_codes(table.chain, table.number, table.insertion)
    named = join_codes(codes, table.residue_name)
    free = codes.max(initial=0) + 1 + named
    for rows in _places_with_several(codes, named):
        table.budget.check_time()
        amino_acids = all(is_amino_acid(name) for name in table.residue_name.take(rows).words())
        if not amino_acids and table.altloc.take(rows).equals("").all():
            codes[rows] = free[rows]
    starts = run_starts(codes)
    _, first, of_run = np.unique(codes[starts], return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    of_atom = np.repeat(rank[of_run], np.diff(np.append(starts, len(codes))))
    return Groups(of_atom, starts[first[order]])


def _places_with_several(
    codes: NDArray[np.int64], named: NDArray[np.int64]
) -> list[NDArray[np.intp]]:
    """Rows of each code that has more than one value of ``named``."""
    starts = run_starts(named)
    _, first = np.unique(named[starts], return_index=True)
    places, count = np.unique(codes[starts[first]], return_counts=True)
    rows = np.flatnonzero(np.isin(codes, places[count > 1]))
    return [rows[of_place] for of_place in rows_by_code(codes[rows])]


def _one_conformer(table: AtomTable) -> AtomTable:
    """One residue name and location per residue, kept whole; see `_chosen`."""
    groups = group_residues(table)
    special = ~table.altloc.equals("")
    named = join_codes(groups.of_atom, table.residue_name)
    several = _places_with_several(groups.of_atom, named)
    special[np.concatenate([np.array([], np.intp), *several])] = True
    rows_of_special = np.flatnonzero(np.isin(groups.of_atom, groups.of_atom[special]))
    other = np.zeros(len(table), np.bool_)
    for of_group in rows_by_code(groups.of_atom[rows_of_special]):
        table.budget.check_time()
        rows = rows_of_special[of_group]
        other[rows] = ~_chosen(table, rows)
    return table.drop(other, "alternative", "other conformer or residue name of its residue")


def _chosen(table: AtomTable, rows: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Mask over one residue's ``rows``: the atoms of the conformer that is kept.

    The conformer (residue name, letter) of highest mean occupancy wins, ties go to the first
    letter, then to the one with most atoms, then to the first in the file. Atoms without a letter
    belong to each conformer of their residue name that does not have the atom itself. A conformer
    of a side chain alone takes the backbone atoms that it lacks from the next best one.
    """
    names, letters = table.residue_name.take(rows).array(), table.altloc.take(rows).array()
    pairs = dict.fromkeys(zip(names.tolist(), letters.tolist(), strict=True))
    lettered = {name for name, letter in pairs if letter}
    forms = [pair for pair in pairs if pair[1] or pair[0] not in lettered]

    def members(form: tuple[str, str]) -> NDArray[np.bool_]:
        return (names == form[0]) & (letters == form[1])

    def rank(form: tuple[str, str]) -> tuple[float, str, int]:
        own = members(form)
        return -float(table.occupancy[rows[own]].mean().round(4)), form[1], -int(own.sum())

    best, *others = sorted(forms, key=rank)
    atoms = table.name.take(rows)
    backbone = atoms.equals(*BACKBONE)
    chosen = members(best)
    chosen |= members((best[0], "")) & ~atoms.equals(*atoms.take(chosen).words())
    for other in others:
        if other[0] == best[0]:
            chosen |= members(other) & backbone & ~atoms.equals(*atoms.take(chosen).words())
    return chosen
