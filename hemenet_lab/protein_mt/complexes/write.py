"""Complexes of an affinity table, cut out of entries of the PDB, in the layout that build reads."""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemenet_lab.basics import put_file
from hemenet_lab.protein_mt.complexes.ligand import (
    ligand_rows,
    ligand_sdf,
    place_of,
    read_component,
)
from hemenet_lab.protein_mt.complexes.table import Complex
from hemenet_lab.protein_mt.labels import Binding
from hemenet_lab.structures import AtomTable, LigandError, StructureError, read_atoms, unzipped

FOLDER = "open-route"
"""Protein-ligand complexes; protein pairs go where PDBbind's would."""
PAIR_FOLDER = "PP"
INDEX_FILES = {"lba": "INDEX_general_PL_data.open", "ppa": "INDEX_general_PP.open"}
_RESOLUTION = (
    ("refine", "ls_d_res_high"),
    ("em_3d_reconstruction", "resolution"),
    ("reflns", "d_resolution_high"),
)
_TURNED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}


@dataclass(frozen=True)
class Written:
    """A complex in the raw folder."""

    paths: tuple[Path, ...]
    index_line: str
    note: str = ""


@dataclass(frozen=True)
class CifFile:
    """An mmCIF or BinaryCIF file, taken apart."""

    block: Any
    binary: bool
    name: str

    def value(self, category: str, column: str) -> str:
        """First value of a column as text; empty where the file does not give one."""
        if category not in self.block or column not in self.block[category]:
            return ""
        found = str(self.block[category][column].as_array(str)[0])
        return "" if found in ("?", ".") else found

    @property
    def year(self) -> str:
        """Year of the first release, ``0000`` if unknown."""
        year = self.value("pdbx_audit_revision_history", "revision_date")[:4]
        return year if len(year) == 4 and year.isascii() and year.isdigit() else "0000"

    @property
    def resolution(self) -> str:
        """Resolution in Å, ``NMR``, or ``NA``."""
        for category, column in _RESOLUTION:
            text = self.value(category, column)
            if text:
                return f"{float(text):.2f}"
        return "NMR" if "NMR" in self.value("exptl", "method").upper() else "NA"


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
    rows = _first_model_rows(file)
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
            put_file(raw / "index" / name, "\n".join([*head, *own, ""]).encode())
        else:
            (raw / "index" / name).unlink(missing_ok=True)


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
    put_file(protein, _cut_cif(file, _first_model_rows(file)[kept]))
    put_file(ligand, text.encode())
    said = f"{row.ligand} at {place}" + (f": {note}" if note else "")
    return Written((protein, ligand), index_line(row, file), said)


def _pair(
    row: Complex, table: AtomTable, file: CifFile, component: Path | None, raw: Path
) -> Written:
    _need_chains(row, table, (*row.receptor, *row.partner))
    kept = table.chain.equals(*row.receptor, *row.partner)
    path = raw / PAIR_FOLDER / f"{row.id}.{_ending(file)}"
    _replace_other_format(path)
    put_file(path, _cut_cif(file, _first_model_rows(file)[kept]))
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
    """Removes the complex's file in the other format: one complex has one file."""
    stem = path.name.split(".")[0]
    for ending in ("bcif.gz", "cif.gz"):
        other = path.with_name(f"{stem}.{ending}")
        if other != path:
            other.unlink(missing_ok=True)


def _chains(chains: tuple[str, ...]) -> str:
    """Chain ids as `split_chains` reads them, whatever their length."""
    return "".join(chains) if all(len(c) == 1 for c in chains) else ",".join((*chains, ""))


def open_cif(path: Path) -> CifFile:
    """Opens an mmCIF or BinaryCIF file, plain or gzipped.

    Raises:
        StructureError: Another format, a damaged file, or no atoms in it.
    """
    from biotite.structure.io import pdbx  # slow to import

    data = unzipped(path.read_bytes(), path.name, StructureError)
    binary = data[:1] >= b"\x80"
    try:
        file: Any = (
            pdbx.BinaryCIFFile.read(BytesIO(data))
            if binary
            else pdbx.CIFFile.read(StringIO(data.decode("utf-8", errors="replace")))
        )
        block = next(block for block in file.values() if "atom_site" in block)
    except Exception as error:  # msgpack, the decoders and biotite each have errors of their own
        raise StructureError(
            f"{path.name}: not a whole mmCIF or BinaryCIF file with atoms ({error}); fetch it again"
        ) from error
    return CifFile(block, binary, path.name)


def _first_model_rows(file: CifFile) -> NDArray[np.intp]:
    """Rows of the file's first model, which are those of `structures.parse.read_atoms`."""
    atoms = file.block["atom_site"]
    if "pdbx_PDB_model_num" not in atoms:
        return np.arange(atoms.row_count)
    model = atoms["pdbx_PDB_model_num"].as_array(str)
    return np.flatnonzero(model == model[0])


def _cut_cif(file: CifFile, rows: NDArray[np.intp]) -> bytes:
    """The gzipped file with these rows of atoms, and without any other category.

    The same rows of the same file give the same bytes.
    """
    from biotite.structure.io import pdbx  # slow to import

    data_class, column_class, category_class, block_class, file_class = (
        (
            pdbx.BinaryCIFData,
            pdbx.BinaryCIFColumn,
            pdbx.BinaryCIFCategory,
            pdbx.BinaryCIFBlock,
            pdbx.BinaryCIFFile,
        )
        if file.binary
        else (pdbx.CIFData, pdbx.CIFColumn, pdbx.CIFCategory, pdbx.CIFBlock, pdbx.CIFFile)
    )
    columns = {
        name: column_class(
            data_class(column.data.array[rows]),
            None if column.mask is None else data_class(column.mask.array[rows]),
        )
        for name, column in file.block["atom_site"].items()
    }
    name = file.name.split(".")[0]
    whole = file_class({name: block_class({"atom_site": category_class(columns)})})
    buffer: Any = BytesIO() if file.binary else StringIO()
    whole.write(buffer)
    content = buffer.getvalue()
    return gzip.compress(content if file.binary else content.encode(), mtime=0)
