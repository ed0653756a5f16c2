"""Small molecules: SDF, mol2, or a residue of a structure file → `Ligand`."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

import numpy as np

from hemenet_lab.structures.molblock import (
    AtomBlock,
    FileKind,
    LigandError,
    count_molecules,
    read_atom_block,
    read_with_rdkit,
)
from hemenet_lab.structures.parse import read_atoms, unzipped
from hemenet_lab.structures.select import group_residues, select_conformer
from hemenet_lab.structures.structure import Drop, Ligand
from hemenet_lab.structures.table import AtomTable

__all__ = ["LigandError", "ligand_from_mmcif", "read_ligand"]

_KINDS: dict[str, FileKind] = {
    ".sdf": "sdf",
    ".mol": "sdf",
    ".sd": "sdf",
    ".mol2": "mol2",
    ".ml2": "mol2",
}


def read_ligand(path: str | PathLike[str]) -> Ligand:
    """The first molecule of an SDF (or MOL) or mol2 file, plain or gzipped.

    RDKit reads it and checks its chemistry. Where the check fails the atoms are taken without it,
    and where RDKit cannot read the file at all, its atom block is; ``sanitized`` is False then and
    ``note`` holds the reason.

    Raises:
        LigandError: Another kind of file, no atoms, a cut atom block, or no 3D coordinates.
        OSError: The file does not exist or cannot be opened.
    """
    path = Path(path)
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz"]
    kind = _KINDS.get(suffixes[-1] if suffixes else "")
    if kind is None:
        raise LigandError(
            f"{path.name}: not a ligand file by its ending; allowed: {', '.join(_KINDS)} "
            "(plain or .gz); for a residue of an mmCIF file use ligand_from_mmcif"
        )
    data = unzipped(path.read_bytes(), path.name, LigandError)
    text = data.decode("latin-1").encode("ascii", "replace").decode()  # columns are bytes
    block, sanitized, note = read_with_rdkit(text, kind)
    if block is None:
        block = read_atom_block(text, kind, path.name)
        note += "; only its atom block was read"
    further = count_molecules(text, kind) - 1
    drops = (Drop("molecule", "not the first molecule of the file", further),) if further else ()
    return _heavy_atoms(path.name.split(".")[0], path.name, block, sanitized, note, drops)


def _heavy_atoms(
    name: str,
    source: str,
    block: AtomBlock,
    sanitized: bool,
    note: str,
    drops: tuple[Drop, ...] = (),
) -> Ligand:
    heavy = ~np.isin(block.element, ("H", "D"))
    hydrogens = int((~heavy).sum())
    if hydrogens:
        drops = (*drops, Drop("hydrogen", "hydrogen or deuterium", hydrogens))
    coords = block.coords[heavy]
    if not len(coords):
        raise LigandError(f"{source}: a ligand without heavy atoms; fetch or export it again")
    if not np.isfinite(coords).all():
        raise LigandError(f"{source}: coordinates that are not finite numbers; repair the file")
    if len(coords) > 3 and (coords[:, 2] == 0).all():
        raise LigandError(
            f"{source}: all {len(coords)} heavy atoms have z = 0, a flat drawing; a ligand needs "
            "its 3D coordinates in the frame of the protein"
        )
    return Ligand(
        name, coords.astype(np.float32), block.element[heavy], sanitized, note=note, drops=drops
    )


def ligand_from_mmcif(
    path: str | PathLike[str],
    residue_name: str,
    chain: str | None = None,
    number: int | None = None,
) -> Ligand:
    """One residue of a structure file (mmCIF, BinaryCIF or PDB) as a ligand.

    Args:
        path: The structure file.
        residue_name: Name of the residue, such as ``HEM``.
        chain: Author (or mmCIF label) id of its chain; needed where several copies exist.
        number: Author residue number; needed where a chain has several copies.

    Raises:
        LigandError: No such residue, or several.
        StructureError: The file is cut or not readable.
        OSError: The file does not exist or cannot be opened.
    """
    table = read_atoms(path)
    wanted = table.residue_name.equals(residue_name)
    if not wanted.any():
        names = ", ".join(table.residue_name.take(table.hetero).words()) or "none"
        raise LigandError(
            f"{table.source}: no residue {residue_name}; its HETATM residues are {names}"
        )
    copies = table.take(wanted)
    if chain is not None:
        copies = copies.take(copies.chain.equals(chain) | copies.label.equals(chain))
    if number is not None:
        copies = copies.take(copies.number == number)
    _check_one_copy(table.take(wanted), copies, residue_name)
    return _residue_as_ligand(copies, residue_name)


def _check_one_copy(all_copies: AtomTable, chosen: AtomTable, residue_name: str) -> None:
    count = len(group_residues(chosen).first) if len(chosen) else 0
    if count == 1:
        return
    first = group_residues(all_copies).first
    places = [f"{all_copies.chain[i]} {all_copies.number[i]}" for i in first]
    raise LigandError(
        f"{all_copies.source}: {count} residues {residue_name} fit, one is needed; copies are at "
        f"(chain number) {', '.join(places)}: choose one by chain and number"
    )


def _residue_as_ligand(residue: AtomTable, name: str) -> Ligand:
    before = len(residue.drops)
    kept = select_conformer(residue)
    block = AtomBlock(kept.element.array(), kept.coords.astype(np.float64))
    note = "read from a structure file, which has no bonds: chemistry not checked"
    return _heavy_atoms(name, residue.source, block, False, note, kept.drops[before:])
