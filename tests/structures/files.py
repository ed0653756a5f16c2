"""Small structure files made by hand: a straight peptide and the writers of its formats."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import biotite.structure as struc
import numpy as np
from biotite.structure.io import pdbx


@dataclass(frozen=True)
class Atom:
    """One atom record."""

    name: str
    residue: str
    chain: str
    number: int
    place: tuple[float, float, float]
    element: str = ""
    altloc: str = ""
    insertion: str = ""
    occupancy: float = 1.0
    b_factor: float = 10.0
    hetero: bool = False

    def line(self, serial: int = 1) -> str:
        """The PDB record, 80 columns."""
        element = self.element or self.name[0]
        name = self.name if len(self.name) == 4 or len(element) == 2 else f" {self.name}"
        x, y, z = self.place
        return (
            f"{'HETATM' if self.hetero else 'ATOM':6}{serial:5d} {name:4}{self.altloc:1}"
            f"{self.residue:>3} {self.chain:1}{self.number:4d}{self.insertion:1}   "
            f"{x:8.3f}{y:8.3f}{z:8.3f}{self.occupancy:6.2f}{self.b_factor:6.2f}"
            f"          {element:>2}  "
        )


SIDE_ATOMS = {"ALA": ("CB",), "GLY": (), "SER": ("CB", "OG"), "MSE": ("CB", "CG", "SE", "CE")}
ELEMENTS = {"SE": "SE", "OG": "O"}
"""Elements that are not the first letter of the name."""


def residue(
    name: str, chain: str, number: int, start: float, y: float = 0.0, **fields: object
) -> list[Atom]:
    """A residue whose N lies at ``(start, y, 0)`` and whose C is 2.5 Å further along x."""
    places = {"N": (0.0, 0.0), "CA": (1.4, 0.5), "C": (2.5, 0.0), "O": (2.5, 1.2)}
    places |= {atom: (1.4, 2.0 + i) for i, atom in enumerate(SIDE_ATOMS[name])}
    atoms = [
        Atom(atom, name, chain, number, (start + dx, y + dy, 0.0), ELEMENTS.get(atom, ""))
        for atom, (dx, dy) in places.items()
    ]
    return [replace(atom, **fields) for atom in atoms]


def peptide(names: list[str], chain: str = "A", first: int = 1, y: float = 0.0) -> list[Atom]:
    """Bonded residues (C to N 1.3 Å) numbered from ``first``; MSE as HETATM."""
    return [
        atom
        for i, name in enumerate(names)
        for atom in residue(name, chain, first + i, 3.8 * i, y, hetero=name == "MSE")
    ]


def pdb_text(atoms: list[Atom]) -> str:
    return "".join(f"{atom.line(i + 1)}\n" for i, atom in enumerate(atoms)) + "END\n"


def write_pdb(path: Path, atoms: list[Atom]) -> Path:
    path.write_text(pdb_text(atoms))
    return path


def write_cif(path: Path, atoms: list[Atom]) -> Path:
    """mmCIF or BinaryCIF, by the ending, with biotite's writer and altlocs added."""
    array = struc.AtomArray(len(atoms))
    array.coord = np.array([atom.place for atom in atoms], np.float32)
    for field, category in {
        "chain": "chain_id",
        "number": "res_id",
        "insertion": "ins_code",
        "residue": "res_name",
        "name": "atom_name",
        "hetero": "hetero",
    }.items():
        array.set_annotation(category, np.array([getattr(atom, field) for atom in atoms]))
    array.element = np.array([atom.element or atom.name[0] for atom in atoms])
    array.set_annotation("occupancy", np.array([atom.occupancy for atom in atoms]))
    array.set_annotation("b_factor", np.array([atom.b_factor for atom in atoms]))
    file = pdbx.BinaryCIFFile() if path.suffix == ".bcif" else pdbx.CIFFile()
    pdbx.set_structure(file, array)
    category = file.block["atom_site"]
    letters = np.array([atom.altloc or "." for atom in atoms])
    column = pdbx.BinaryCIFColumn if path.suffix == ".bcif" else pdbx.CIFColumn
    category["label_alt_id"] = column(letters, np.where(letters == ".", 1, 0).astype(np.uint8))
    file.write(path)
    return path
