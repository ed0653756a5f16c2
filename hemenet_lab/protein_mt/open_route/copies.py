"""Which copy of a ligand is taken from a structure file that has several."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from hemenet_lab.structures import (
    AtomTable,
    LigandError,
    PolymerHint,
    group_residues,
    is_amino_acid,
)

Rows = NDArray[np.intp]


def ligand_rows(
    table: AtomTable,
    name: str,
    *,
    chain: str = "",
    number: int | None = None,
    receptor: Sequence[str] = (),
) -> Rows:
    """Rows of the atoms of one copy of a ligand, all alternative locations included.

    Residues of a polymer are no ligands, even if they have the name. ``chain`` and ``number``, the
    author's, narrow the copies; where no copy has such an author chain id, ``chain`` is mmCIF's
    label id. With receptor chains, the copy nearest to them is taken: the least mean distance of
    its heavy atoms to the nearest heavy atom of an amino acid of these chains. Otherwise it is the
    copy with most heavy atoms. Ties go to the one with more atoms, then to the first in the file.

    Raises:
        LigandError: No such residue, or the receptor chains have no amino acids.
    """
    hydrogen = table.element.equals("H", "D")
    wanted = table.residue_name.equals(name) & (table.hint != PolymerHint.YES)
    if not wanted.any():
        raise LigandError(f"{table.source}: no ligand {name}; it has {_others(table)}")
    places = _copies(table, np.flatnonzero(wanted))
    copies = _narrowed(table, places, chain, number)
    if not copies:
        known = ", ".join(_place(table, rows[0]) for rows in places)
        raise LigandError(
            f"{table.source}: no ligand {name} at the chain {chain or 'any'} and number "
            f"{'any' if number is None else number}; its copies are at (chain number) {known}"
        )
    sizes = [int((~hydrogen[rows]).sum()) for rows in copies]
    far = [0.0] * len(copies)
    if receptor:
        tree = _receptor_tree(table, receptor, hydrogen)
        heavy = [rows[~hydrogen[rows]] for rows in copies]
        far = [float(tree.query(table.coords[rows])[0].mean()) for rows in heavy]
    return min(zip(far, sizes, copies, strict=True), key=lambda copy: (copy[0], -copy[1]))[2]


def place_of(table: AtomTable, rows: Rows) -> str:
    """``A 401``: author chain id and residue number of a ligand."""
    return _place(table, rows[0])


def _copies(table: AtomTable, rows: Rows) -> list[Rows]:
    groups = group_residues(table.take(rows)).of_atom
    return [rows[groups == group] for group in range(int(groups.max()) + 1)]


def _narrowed(table: AtomTable, places: list[Rows], chain: str, number: int | None) -> list[Rows]:
    if chain:
        by_author = [rows for rows in places if table.chain[rows[0]] == chain]
        places = by_author or [rows for rows in places if table.label[rows[0]] == chain]
    return [rows for rows in places if number is None or int(table.number[rows[0]]) == number]


def _receptor_tree(
    table: AtomTable, receptor: Sequence[str], hydrogen: NDArray[np.bool_]
) -> cKDTree:
    amino = table.residue_name.map(is_amino_acid) & (table.hint != PolymerHint.NO) & ~hydrogen
    near = amino & table.chain.equals(*receptor)
    if not near.any():
        raise LigandError(
            f"{table.source}: no amino acids in the receptor chains {', '.join(receptor)}; its "
            f"protein chains are {', '.join(table.chain.take(amino).words()) or 'none'}"
        )
    return cKDTree(table.coords[near])


def _place(table: AtomTable, row: int) -> str:
    return f"{table.chain[row]} {table.number[row]}{table.insertion[row]}"


def _others(table: AtomTable) -> str:
    names = table.residue_name.take(table.hetero & (table.hint != PolymerHint.YES)).words()
    return ", ".join(names) or "no other molecules"
