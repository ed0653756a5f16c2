"""Small molecules: SDF, mol2, or a residue of a structure file → `Ligand`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hemenet_lab.structures.molblock import (
    DUMMY,
    AtomBlock,
    FileKind,
    content_kind,
    read_atom_block,
    read_with_rdkit,
    split_molecules,
)
from hemenet_lab.structures.parse import check_text, file_content, read_atoms
from hemenet_lab.structures.select import group_residues, select_conformer
from hemenet_lab.structures.structure import (
    Budget,
    Drop,
    Ligand,
    LigandError,
    ReadLimits,
    file_errors,
)
from hemenet_lab.structures.table import LARGEST_COORDINATE, AtomTable

_KINDS: dict[str, FileKind] = {
    ".sdf": "sdf",
    ".mol": "sdf",
    ".sd": "sdf",
    ".mol2": "mol2",
    ".ml2": "mol2",
}
_PACKED = (".gz", ".bz2", ".xz", ".zst")
_LIMITS = ReadLimits(atoms=10_000)
"""Of ligand files; atoms are those of one molecule."""
_SHORTEST_BOND = 0.5
"""Å; half of any bond between heavy atoms."""
_PLACEHOLDER = 999.0
"""Å; three equal coordinates of at least this size are no place."""
_APART = 5.0
"""Å; an atom at 0, 0, 0 without any other this near is none of the molecule's."""


def read_ligand(
    path: str | PathLike[str], *, pose: int = 1, limits: ReadLimits | None = None
) -> Ligand:
    """One molecule of an SDF (or MOL) or mol2 file, plain or compressed.

    RDKit reads it and checks its chemistry. Where the check fails the atoms are taken without it,
    and where RDKit cannot read the file at all, its atom block is; ``sanitized`` is False then and
    ``note`` holds the reason. Elements of a mol2 file are those of its SYBYL atom types; with other
    types (GAFF, AMBER) those of the atom names, if they fit the bonds.

    Args:
        path: The file; its kind is told by its ending, unless its content shows another.
        pose: Number of the molecule in the file, from 1.
        limits: Bounds on size and time; by default 10,000 atoms.

    Raises:
        LigandError: Another kind of file, no atoms, a cut atom block, no such pose, elements that
            cannot be told, impossible coordinates, or no 3D coordinates.
        OSError: The file does not exist or cannot be opened.
    """
    [ligand] = _ligands(Path(path), pose, limits, None)
    return ligand


def read_ligands(
    path: str | PathLike[str],
    *,
    pose: int | Literal["all"] = "all",
    limits: ReadLimits | None = None,
    on_error: Callable[[LigandError], None] | None = None,
) -> list[Ligand]:
    """The molecules of a file, such as the poses of a docking run; see `read_ligand`.

    Args:
        pose: ``"all"``, or the number of one molecule.
        on_error: Takes the error of a molecule that cannot be read, and reading goes on with the
            next one; if not given, the error is raised.
    """
    return list(_ligands(Path(path), pose, limits, on_error))


def _ligands(
    path: Path,
    pose: int | Literal["all"],
    limits: ReadLimits | None,
    on_error: Callable[[LigandError], None] | None,
) -> Iterator[Ligand]:
    kind, budget = _kind(path), Budget(path.name, limits or _LIMITS, LigandError)
    with file_errors(path.name, LigandError):
        data = file_content(path, budget)
        check_text(data, path.name, LigandError)
        text = data.decode("latin-1").encode("ascii", "replace").decode()  # columns are bytes
        kind = content_kind(text) or kind
        molecules = split_molecules(text, kind)
    if pose != "all" and not 1 <= pose <= len(molecules):
        raise LigandError(f"{path.name}: no molecule {pose}; the file has 1 to {len(molecules)}")
    numbers = range(1, len(molecules) + 1) if pose == "all" else [pose]
    for number in numbers:
        budget.check_time()
        source = path.name if len(molecules) == 1 else f"{path.name}, molecule {number}"
        drops: tuple[Drop, ...] = ()
        if pose != "all" and len(molecules) > 1:
            which = "first molecule of the file" if pose == 1 else "chosen molecule"
            drops = (Drop("molecule", f"not the {which}", len(molecules) - 1),)
        try:
            with file_errors(source, LigandError):
                yield _read_molecule(molecules[number - 1], kind, source, budget, drops, number)
        except LigandError as error:
            if on_error is None:
                raise
            on_error(error)


def _kind(path: Path) -> FileKind:
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() not in _PACKED]
    kind = _KINDS.get(suffixes[-1] if suffixes else "")
    if kind is None:
        raise LigandError(
            f"{path.name}: not a ligand file by its ending; allowed: {', '.join(_KINDS)} "
            "(plain or .gz); for a residue of an mmCIF file use ligand_from_mmcif"
        )
    return kind


def _read_molecule(
    text: str, kind: FileKind, source: str, budget: Budget, drops: tuple[Drop, ...], number: int
) -> Ligand:
    budget.need("atoms", _announced(text, kind))
    name = budget.source.split(".")[0]
    if kind == "mol2":
        block = read_atom_block(text, kind, source)
        if block.note:  # RDKit takes the types for elements
            note = f"{block.note}; chemistry not checked"
            return _heavy_atoms(name, source, block, False, note, drops, number)
        found, sanitized, note = read_with_rdkit(text, kind)
        note += "" if found else "; only its atom block was read"
        if found and np.array_equal(found.element, block.element):
            block = replace(block, chemistry=found.chemistry)
        return _heavy_atoms(name, source, block, sanitized, note, drops, number)
    read, sanitized, note = read_with_rdkit(text, kind)
    if read is None:
        read = read_atom_block(text, kind, source)
        note += "; only its atom block was read"
    return _heavy_atoms(name, source, read, sanitized, note, drops, number)


def _announced(text: str, kind: FileKind) -> int:
    """Lines of the molecule that may be atoms, at most."""
    return text.count("\n") // 2 if kind == "mol2" else text.split("M  END")[0].count("\n") // 2


def _heavy_atoms(
    name: str,
    source: str,
    block: AtomBlock,
    sanitized: bool,
    note: str,
    drops: tuple[Drop, ...] = (),
    pose: int = 1,
) -> Ligand:
    hydrogen, dummy = np.isin(block.element, ("H", "D")), block.element == DUMMY
    for mask, kind, reason in (
        (hydrogen, "hydrogen", "hydrogen or deuterium"),
        (dummy, "dummy", "no atom: dummy, lone pair, attachment point or query (Du, LP, R#, *)"),
    ):
        if mask.any():
            drops = (*drops, Drop(kind, reason, int(mask.sum())))
    heavy = ~hydrogen & ~dummy
    coords = block.coords[heavy]
    if not len(coords):
        raise LigandError(f"{source}: a ligand without heavy atoms; fetch or export it again")
    if not np.isfinite(coords).all():
        raise LigandError(f"{source}: coordinates that are not finite numbers; repair the file")
    if (np.abs(coords) > LARGEST_COORDINATE).any():
        row = int(np.argmax(np.abs(coords).max(axis=1))) + 1
        raise LigandError(
            f"{source}: heavy atom {row} lies beyond {LARGEST_COORDINATE:.0f} Å; repair the file"
        )
    if len(np.unique(coords, axis=0)) < len(coords):
        raise LigandError(
            f"{source}: several heavy atoms at one place; a ligand needs its 3D coordinates"
        )
    _check_places(coords, source)
    return Ligand(
        name,
        coords.astype(np.float32),
        block.element[heavy],
        sanitized,
        note=note,
        drops=drops,
        pose=pose,
        chemistry=None if block.chemistry is None else block.chemistry[heavy],
    )


def _check_places(coords: NDArray[np.float64], source: str) -> None:
    """Refuses drawings, placeholders and other units; coordinates of heavy atoms, [A, 3], Å."""
    flat = [axis for axis, values in zip("xyz", coords.T, strict=True) if np.ptp(values) == 0]
    if len(coords) > 3 and flat:
        value = coords[0, "xyz".index(flat[0])]
        raise LigandError(
            f"{source}: all {len(coords)} heavy atoms have {flat[0]} = {value:g}, a flat drawing; "
            "a ligand needs its 3D coordinates in the frame of the protein"
        )
    if len(coords) < 2:
        return
    from scipy.spatial import cKDTree  # slow to import, and proteins need it not

    nearest = cKDTree(coords).query(coords, k=2)[0][:, 1]
    if np.median(nearest) < _SHORTEST_BOND:
        raise LigandError(
            f"{source}: heavy atoms are {np.median(nearest):.2f} apart, 1.1 Å at least in "
            "molecules; the coordinates are in nanometres or scaled: write them in Å"
        )
    equal = (coords == coords[:, :1]).all(axis=1)
    size = np.abs(coords[:, 0])
    bad = np.flatnonzero(equal & ((size >= _PLACEHOLDER) | ((size == 0) & (nearest > _APART))))
    if len(bad):
        raise LigandError(
            f"{source}: heavy atom {bad[0] + 1} is at {coords[bad[0]].tolist()}, far from all "
            "others, which looks like a placeholder; remove or model it"
        )


def ligand_from_mmcif(
    path: str | PathLike[str],
    residue_name: str,
    chain: str | None = None,
    number: int | None = None,
    *,
    model: int | None = None,
    limits: ReadLimits | None = None,
) -> Ligand:
    """One residue of a structure file (mmCIF, BinaryCIF or PDB) as a ligand.

    Args:
        path: The structure file.
        residue_name: Name of the residue, such as ``HEM``.
        chain: Author (or mmCIF label) id of its chain; needed where several copies exist.
        number: Author residue number; needed where a chain has several copies.
        model: Number of the model; see `read_structure`.
        limits: Bounds on size and time.

    Raises:
        LigandError: No such residue, or several.
        StructureError: The file is cut or not readable.
        OSError: The file does not exist or cannot be opened.
    """
    table = read_atoms(path, model=model, limits=limits)
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
