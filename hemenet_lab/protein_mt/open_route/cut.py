"""Part of a structure file, in its own format and with all columns of its atoms."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import numpy as np
from biotite.structure.io import pdbx
from numpy.typing import NDArray

from hemenet_lab.structures import StructureError, unzipped

_RESOLUTION = (
    ("refine", "ls_d_res_high"),
    ("em_3d_reconstruction", "resolution"),
    ("reflns", "d_resolution_high"),
)


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
        return self.value("pdbx_audit_revision_history", "revision_date")[:4] or "0000"

    @property
    def resolution(self) -> str:
        """Resolution in Å, ``NMR``, or ``NA``."""
        for category, column in _RESOLUTION:
            text = self.value(category, column)
            if text:
                return f"{float(text):.2f}"
        return "NMR" if "NMR" in self.value("exptl", "method").upper() else "NA"


def open_cif(path: Path) -> CifFile:
    """Opens an mmCIF or BinaryCIF file, plain or gzipped.

    Raises:
        StructureError: Another format, a damaged file, or no atoms in it.
    """
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


def first_model_rows(file: CifFile) -> NDArray[np.intp]:
    """Rows of the file's first model, which are those of `structures.parse.read_atoms`."""
    atoms = file.block["atom_site"]
    if "pdbx_PDB_model_num" not in atoms:
        return np.arange(atoms.row_count)
    model = atoms["pdbx_PDB_model_num"].as_array(str)
    return np.flatnonzero(model == model[0])


def cut_cif(file: CifFile, rows: NDArray[np.intp]) -> bytes:
    """The gzipped file with these rows of atoms, and without any other category.

    The same rows of the same file give the same bytes.
    """
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
