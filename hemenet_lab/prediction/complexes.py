"""Complexes that are read from files: a structure, with a ligand or a partner."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from itertools import compress
from pathlib import Path
from typing import Any, Literal

import numpy as np

from hemenet_lab.store import CONTACT, Entry, entry_from_structure
from hemenet_lab.structures import (
    Drop,
    Ligand,
    Structure,
    read_ligand,
    read_ligands,
    read_structure,
    read_structures,
)


def entry_from_files(
    structure: str | Path,
    ligand: str | Path | None = None,
    partner_chains: Iterable[str] = (),
    *,
    keep_hetero: bool = False,
    contact: float = CONTACT,
) -> Entry:
    """An entry read from a structure file and, for a complex with a small molecule, a ligand's.

    Args:
        structure: PDB, mmCIF or BinaryCIF file.
        ligand: SDF or mol2 file in the frame of the structure; its first pose is read.
        partner_chains: Chains of the second protein.
        keep_hetero: Keep ions and cofactors, for a model whose store was built with them.
        contact: Distance in Å within which ligand and partner must touch the protein.

    Raises:
        ValueError: A file that is not readable, or a ligand or partner that is not there.
    """
    partners = tuple(partner_chains)
    entry = entry_from_structure(
        read_structure(structure, keep_hetero=keep_hetero),
        ligand=read_ligand(ligand) if ligand is not None else None,
        partner_chains=partners,
        contact=contact,
    )
    _check_receptor(entry, partners)
    return entry


OF_ATOMS = ("coords", "element", "atom_name", "slot", "occupancy", "b_factor", "atom_residue")
"""Arrays of a structure with a row per atom; its others have one per residue."""


@dataclass(frozen=True)
class ReadComplex:
    """One complex of a file: a model of the structure with a pose of the ligand."""

    entry: Entry
    model: int
    """Number of the MODEL; 0 for the only one, or an assembly that is read whole."""
    pose: int
    """Number of the pose in the ligand's file, from 1; 0 without a ligand."""
    drops: tuple[str, ...]
    """What was left out or is worth knowing, one line each."""


def read_complexes(
    structure: Path,
    ligand: Path | None = None,
    partner_chains: Iterable[str] = (),
    *,
    receptor_chains: Iterable[str] = (),
    model: int | Literal["all"] | None = None,
    pose: int | Literal["all"] = 1,
    keep_hetero: bool = False,
    contact: float = CONTACT,
) -> Iterator[ReadComplex]:
    """Complexes of a structure file and a ligand file: every chosen model with every chosen pose.

    Args:
        structure: PDB, mmCIF or BinaryCIF file.
        ligand: SDF or mol2 file in the frame of the structure.
        partner_chains: Chains of the second protein.
        receptor_chains: Chains of the first one; chains of neither are left out. All if empty.
        model: Number of a MODEL, or ``all``; the first, or a whole assembly, if None.
        pose: Number of a pose in the ligand file, or ``all``.
        keep_hetero: Keep ions and cofactors.
        contact: Distance in Å within which ligand and partner must touch the protein.

    Raises:
        ValueError: A file that is not readable, or a ligand or partner that is not there.
    """
    partners = tuple(partner_chains)
    if model == "all":
        models = list(read_structures(structure, keep_hetero=keep_hetero))
    else:
        models = [read_structure(structure, keep_hetero=keep_hetero, model=model)]
    receptors = set(receptor_chains)
    if receptors:
        if both := sorted(receptors & {*partners}):
            raise ValueError(f"chain {both[0]} is among the receptor's chains and the partner's")
        models = [_only(each, receptors | {*partners}) for each in models]
    poses: list[Ligand | None] = [None]
    if ligand is not None:
        poses = list(read_ligands(ligand, pose=pose))
    for each in models:
        for one in poses:
            entry = entry_from_structure(each, ligand=one, partner_chains=partners, contact=contact)
            _check_receptor(entry, partners)
            of_ligand = (
                () if one is None else (*map(_drop_line, one.drops), *filter(None, [one.note]))
            )
            drops = (
                *map(_drop_line, each.drops),
                *each.notes,
                *(f"ligand: {t}" for t in of_ligand),
            )
            yield ReadComplex(entry, each.model, one.pose if one is not None else 0, drops)


def _only(structure: Structure, chains: set[str]) -> Structure:
    """The structure with these chains alone; what else there was stands in its notes."""
    missing = sorted(chains - {*structure.chain_id})
    if missing:
        raise ValueError(
            f"{structure.id} has no chain {missing[0]}; it has {', '.join(structure.chain_id)}"
        )
    wanted = np.array([name in chains for name in structure.chain_id])
    if wanted.all():
        return structure
    residues = wanted[structure.residue_chain]
    atoms = residues[structure.atom_residue]
    other = [name for name in structure.chain_id if name not in chains]
    parts: dict[str, Any] = {
        field.name: getattr(structure, field.name)[atoms if field.name in OF_ATOMS else residues]
        for field in fields(structure)
        if isinstance(getattr(structure, field.name), np.ndarray)
    }
    return replace(
        structure,
        **parts
        | {
            "atom_residue": (np.cumsum(residues) - 1)[parts["atom_residue"]].astype(np.int32),
            "residue_chain": (np.cumsum(wanted) - 1)[parts["residue_chain"]].astype(np.int32),
            "chain_id": tuple(name for name in structure.chain_id if name in chains),
            "chain_label": tuple(compress(structure.chain_label, wanted)),
            "chain_sequence": tuple(compress(structure.chain_sequence, wanted)),
            "notes": (*structure.notes, f"chains {', '.join(other)} left out: not asked for"),
        },
    )


def _check_receptor(entry: Entry, partners: tuple[str, ...]) -> None:
    if partners and set(entry.chain_names) <= set(partners):
        raise ValueError(
            f"{entry.id}: all chains, {list(entry.chain_names)}, are partner chains; a complex "
            "needs a receptor too, so leave its chains out of the partner's"
        )


def _drop_line(drop: Drop) -> str:
    return f"{drop.count} {drop.kind} left out: {drop.reason}"


STRUCTURE_ENDS = (".pdb", ".ent", ".pdb1", ".cif", ".mmcif", ".bcif", ".pdbqt", ".pqr")
PACKED_ENDS = ("", ".gz", ".bz2", ".xz", ".zst")


def structure_files(folder: Path) -> list[Path]:
    """The structure files in a folder, sorted.

    Raises:
        ValueError: There is none.
    """
    ends = tuple(end + packed for end in STRUCTURE_ENDS for packed in PACKED_ENDS)
    if not folder.is_dir():
        raise ValueError(f"{folder} is no folder; give a folder, or an iterable of structures")
    inside = (p for p in folder.iterdir() if p.name.lower().endswith(ends) and p.is_file())
    found = sorted(inside)
    if not found:
        raise ValueError(
            f"no structure file in {folder} (their names end in {', '.join(STRUCTURE_ENDS)}, "
            "packed or not)"
        )
    return found
