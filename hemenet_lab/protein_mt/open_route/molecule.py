"""A ligand's atoms with the bond orders of the component dictionary, as an SDF file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import gemmi
import numpy as np
from numpy.typing import NDArray
from rdkit import Chem, rdBase
from rdkit.Chem import rdDetermineBonds
from rdkit.Geometry import Point3D

from hemenet_lab.structures import AtomTable, select_conformer

_ORDERS = {
    "SING": Chem.BondType.SINGLE,
    "DOUB": Chem.BondType.DOUBLE,
    "TRIP": Chem.BondType.TRIPLE,
    "AROM": Chem.BondType.AROMATIC,
}
"""Bond orders of the dictionary; the rare others (QUAD, DELO, PI, POLY) count as single."""
BY_DISTANCE = "bonds by distance, all single"
UNCHECKED = "RDKit's chemistry check fails"


@dataclass(frozen=True)
class Component:
    """A definition of the component dictionary, heavy atoms only."""

    charges: dict[str, int]
    """Atom name → formal charge."""
    bonds: tuple[tuple[str, str, str], ...]
    """Names of two atoms, and the order such as ``SING``."""


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
    """One residue as an SDF record: heavy atoms of its best conformer.

    Args:
        residue: Its atoms; of alternative locations `select_conformer` takes one.
        title: First line of the record.
        component: Its definition; without one, or where an atom is not in it, atoms that are near
            enough are joined by single bonds.

    Returns:
        The text, and what is to be noted about it (empty for nothing).
    """
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
    place = {name: index for index, name in enumerate(names)}
    for first, second, order in component.bonds:
        if first in place and second in place:
            kind = _ORDERS.get(order, Chem.BondType.SINGLE)
            molecule.AddBond(place[first], place[second], kind)
    lost = len(component.charges) - len(names)
    return [f"{lost} of {len(component.charges)} heavy atoms not in the structure"] if lost else []
