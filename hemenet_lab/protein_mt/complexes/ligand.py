"""Ligands of whole entries: choose the copy that is meant, and write it with bond orders as SDF."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import gemmi
import numpy as np
from numpy.typing import NDArray

from hemenet_lab.structures import (
    AtomTable,
    LigandError,
    PolymerHint,
    group_residues,
    is_amino_acid,
    select_conformer,
)

if TYPE_CHECKING:  # slow to import
    from rdkit import Chem
    from scipy.spatial import cKDTree

Rows = NDArray[np.intp]
_ORDERS = {"SING": "SINGLE", "DOUB": "DOUBLE", "TRIP": "TRIPLE", "AROM": "AROMATIC"}
"""Bond orders of the dictionary → RDKit's; the rare others (QUAD, DELO, PI, POLY) are single."""
BY_DISTANCE = "bonds by distance, all single"
UNCHECKED = "RDKit's chemistry check fails"


@dataclass(frozen=True)
class Component:
    """A definition of the component dictionary, heavy atoms only."""

    charges: dict[str, int]
    """Atom name → formal charge."""
    bonds: tuple[tuple[str, str, str], ...]
    """Names of two atoms, and the order such as ``SING``."""


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
    from scipy.spatial import cKDTree

    return cKDTree(table.coords[near])


def _place(table: AtomTable, row: int) -> str:
    return f"{table.chain[row]} {table.number[row]}{table.insertion[row]}"


def _others(table: AtomTable) -> str:
    names = table.residue_name.take(table.hetero & (table.hint != PolymerHint.YES)).words()
    return ", ".join(names) or "no other molecules"


def read_component(path: str | Path) -> Component:
    """Reads the definition of one component in the dictionary's CIF format.

    Raises:
        ValueError: Not such a file.
    """
    try:
        block = gemmi.cif.read_string(Path(path).read_text(encoding="utf-8"))[0]
    except (ValueError, RuntimeError, IndexError) as error:
        raise ValueError(f"{path}: not a component definition ({error})") from None
    text = gemmi.cif.as_string
    charges = {
        text(row[0]): 0 if gemmi.cif.is_null(row[2]) else int(row[2])
        for row in block.find("_chem_comp_atom.", ["atom_id", "type_symbol", "charge"])
        if text(row[1]).upper() not in ("H", "D")
    }
    bonds = tuple(
        (text(row[0]), text(row[1]), text(row[2]).upper())
        for row in block.find("_chem_comp_bond.", ["atom_id_1", "atom_id_2", "value_order"])
    )
    return Component(charges, tuple(bond for bond in bonds if {*bond[:2]} <= charges.keys()))


def ligand_sdf(residue: AtomTable, title: str, component: Component | None) -> tuple[str, str]:
    """Writes a residue as an SDF record: heavy atoms of its best conformer.

    Args:
        residue: Its atoms; of alternative locations `select_conformer` takes one.
        title: First line of the record.
        component: Its definition; without one, or where an atom is not in it, atoms that are near
            enough are joined by single bonds.

    Returns:
        The text, and what is to be noted about it (empty for nothing).
    """
    from rdkit import Chem, rdBase
    from rdkit.Chem import rdDetermineBonds

    atoms = residue.take(~residue.element.equals("H", "D"))
    atoms = select_conformer(atoms)
    names = atoms.name.array().tolist()
    molecule = _atoms(atoms, names, component)
    with rdBase.BlockLogs():
        if component is not None and {*names} <= component.charges.keys():
            notes = _join(molecule, names, component)
        else:
            rdDetermineBonds.DetermineConnectivity(molecule)
            notes = [BY_DISTANCE]
        try:
            Chem.SanitizeMol(Chem.Mol(molecule))
        except ValueError:
            notes.append(UNCHECKED)
        molecule.UpdatePropertyCache(strict=False)
        molecule.SetProp("_Name", title)
        text = Chem.MolToMolBlock(molecule, kekulize=False)
    return f"{text}$$$$\n", "; ".join(notes)


def _atoms(atoms: AtomTable, names: list[str], component: Component | None) -> Chem.RWMol:
    from rdkit import Chem
    from rdkit.Geometry import Point3D

    molecule = Chem.RWMol()
    conformer = Chem.Conformer(len(names))
    coords: NDArray[np.float64] = atoms.coords.astype(np.float64)
    for index, (name, symbol) in enumerate(zip(names, atoms.element.array().tolist(), strict=True)):
        atom = Chem.Atom(symbol.capitalize())
        atom.SetFormalCharge(component.charges.get(name, 0) if component else 0)
        molecule.AddAtom(atom)
        conformer.SetAtomPosition(index, Point3D(*coords[index].tolist()))
    molecule.AddConformer(conformer, assignId=True)
    return molecule


def _join(molecule: Chem.RWMol, names: list[str], component: Component) -> list[str]:
    from rdkit import Chem

    place = {name: index for index, name in enumerate(names)}
    for first, second, order in component.bonds:
        if first in place and second in place:
            kind = Chem.BondType.names[_ORDERS.get(order, "SINGLE")]
            molecule.AddBond(place[first], place[second], kind)
    lost = len(component.charges) - len(names)
    return [f"{lost} of {len(component.charges)} heavy atoms not in the structure"] if lost else []
