"""Complexes of an affinity table, cut out of entries of the PDB, in the layout that build reads."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hemenet_lab.protein_mt.affinity import Binding
from hemenet_lab.protein_mt.open_route.copies import ligand_rows, place_of
from hemenet_lab.protein_mt.open_route.cut import CifFile, cut_cif, first_model_rows, open_cif
from hemenet_lab.protein_mt.open_route.molecule import ligand_sdf, read_component
from hemenet_lab.protein_mt.open_route.table import Complex
from hemenet_lab.structures import AtomTable, LigandError, StructureError, read_atoms

FOLDER = "open-route"
"""Protein-ligand complexes; protein pairs go where PDBbind's would."""
PAIR_FOLDER = "PP"
INDEX_FILES = {"lba": "INDEX_general_PL_data.open", "ppa": "INDEX_general_PP.open"}
_TURNED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}


@dataclass(frozen=True)
class Written:
    """A complex in the raw folder."""

    paths: tuple[Path, ...]
    index_line: str
    note: str = ""


def write_complex(row: Complex, entry: Path, component: Path | None, raw: Path) -> Written:
    """Cuts a complex out of an entry's file.

    Args:
        row: The complex.
        entry: mmCIF or BinaryCIF file of the whole entry.
        component: Definition of the ligand; None where there is none.
        raw: The raw folder.

    Raises:
        ValueError: The entry has no such ligand or chains, or a file cannot be read.
    """
    table, file = read_atoms(entry), open_cif(entry)
    rows = first_model_rows(file)
    if len(rows) != len(table):
        raise StructureError(f"{entry.name}: its two readers disagree on the number of atoms")
    parts = _ligand_complex if row.ligand else _pair
    return parts(row, table, file, component, raw)


def index_line(row: Complex, file: CifFile) -> str:
    """The complex as a line of one of PDBbind's INDEX files."""
    what = row.ligand or f"{_chains(row.receptor)}|{_chains(row.partner)}"
    note = f" {row.note}" if row.note else ""
    return (
        f"{row.id}  {file.resolution}  {file.year}  {row.binding.pk:.4f}  "
        f"{binding_text(row.binding)}  // ({what}) {row.source}{note}"
    )


def binding_text(binding: Binding) -> str:
    """Binding data as `parse_binding` reads it, in mol/L."""
    if binding.measure == "Ka":
        sign = _TURNED.get(binding.sign, binding.sign)
        return f"Ka{sign}{10.0**binding.pk:.6g}M-1"
    return f"{binding.measure}{binding.sign}{10.0**-binding.pk:.6g}M"


def write_indices(raw: Path, lines: Iterable[tuple[str, str]]) -> None:
    """Writes the index files of the open route.

    Args:
        raw: The raw folder.
        lines: ``lba`` or ``ppa``, and the line.
    """
    found = sorted(lines, key=lambda line: line[1])
    for kind, name in INDEX_FILES.items():
        own = [line for this, line in found if this == kind]
        if own:
            head = ["# from an affinity table; entry, resolution, year, -log10 K, K, // remarks"]
            put(raw / "index" / name, "\n".join([*head, *own, ""]).encode())
        else:
            (raw / "index" / name).unlink(missing_ok=True)


def put(path: Path, content: bytes) -> None:
    """Writes a file that appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_bytes(content)
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def _ligand_complex(
    row: Complex, table: AtomTable, file: CifFile, component: Path | None, raw: Path
) -> Written:
    chosen = ligand_rows(
        table, row.ligand, chain=row.ligand_chain, number=row.ligand_number, receptor=row.receptor
    )
    place = place_of(table, chosen)
    definition = read_component(component) if component else None
    title = f"{row.id} {row.ligand} {place}"
    text, note = ligand_sdf(table.take(chosen), title, definition)
    kept = np.ones(len(table), np.bool_)
    if row.receptor:
        _need_chains(row, table, row.receptor)
        kept = table.chain.equals(*row.receptor)
    kept[chosen] = False
    folder = raw / FOLDER / row.id
    protein = folder / f"{row.id}_protein.{_ending(file)}"
    ligand = folder / f"{row.id}_ligand.sdf"
    _replace_other_format(protein)
    put(protein, cut_cif(file, first_model_rows(file)[kept]))
    put(ligand, text.encode())
    said = f"{row.ligand} at {place}" + (f": {note}" if note else "")
    return Written((protein, ligand), index_line(row, file), said)


def _pair(
    row: Complex, table: AtomTable, file: CifFile, component: Path | None, raw: Path
) -> Written:
    _need_chains(row, table, (*row.receptor, *row.partner))
    kept = table.chain.equals(*row.receptor, *row.partner)
    path = raw / PAIR_FOLDER / f"{row.id}.{_ending(file)}"
    _replace_other_format(path)
    put(path, cut_cif(file, first_model_rows(file)[kept]))
    return Written((path,), index_line(row, file))


def _need_chains(row: Complex, table: AtomTable, chains: tuple[str, ...]) -> None:
    missing = [chain for chain in chains if not table.chain.equals(chain).any()]
    if missing:
        raise LigandError(
            f"{table.source}: no chain {', '.join(missing)}; its author chain ids are "
            f"{', '.join(table.chain.words())}"
        )


def _ending(file: CifFile) -> str:
    return "bcif.gz" if file.binary else "cif.gz"


def _replace_other_format(path: Path) -> None:
    """One complex has one file, whichever format its entry was fetched in."""
    stem = path.name.split(".")[0]
    for ending in ("bcif.gz", "cif.gz"):
        other = path.with_name(f"{stem}.{ending}")
        if other != path:
            other.unlink(missing_ok=True)


def _chains(chains: tuple[str, ...]) -> str:
    """Chain ids as `split_chains` reads them, whatever their length."""
    return "".join(chains) if all(len(c) == 1 for c in chains) else ",".join((*chains, ""))
