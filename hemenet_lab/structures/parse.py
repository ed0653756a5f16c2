"""Structure files (PDB, mmCIF, BinaryCIF; plain or .gz) → `Structure`."""

from __future__ import annotations

import gzip
import re
import zlib
from os import PathLike
from pathlib import Path

from hemenet_lab.structures.assemble import assemble
from hemenet_lab.structures.cif import read_binary_cif, read_mmcif
from hemenet_lab.structures.pdb import read_pdb
from hemenet_lab.structures.select import select_atoms
from hemenet_lab.structures.structure import Structure
from hemenet_lab.structures.table import AtomTable, StructureError

__all__ = ["StructureError", "read_atoms", "read_structure"]

_MMCIF = re.compile(rb"(\xef\xbb\xbf)?(\s|#[^\n]*\n)*data_", re.IGNORECASE)
"""A data block opens after nothing but blank lines and comments."""
_SUFFIXES = {".gz", ".pdb", ".ent", ".cif", ".mmcif", ".bcif"}


def read_structure(
    path: str | PathLike[str], *, id: str | None = None, keep_hetero: bool = False
) -> Structure:
    """The protein chains of a structure file.

    Of the first model: waters, hydrogens and nucleic acids are dropped, one conformer is kept per
    residue, modified residues take their parent's slots. Everything left out is counted, in atoms,
    in the structure's ``drops``.

    Args:
        path: PDB, mmCIF or BinaryCIF file, plain or gzipped; told by its content.
        id: Id of the structure; the file name without its endings if not given.
        keep_hetero: Keep ions and cofactors, one single-atom residue per heavy atom.

    Raises:
        StructureError: The file is cut, not readable, or has no protein residue.
        OSError: The file does not exist or cannot be opened.
    """
    path = Path(path)
    table = select_atoms(read_atoms(path))
    return assemble(table, _stem(path) if id is None else id, keep_hetero)


def read_atoms(path: str | PathLike[str]) -> AtomTable:
    """All atoms of the first model of a structure file.

    Raises:
        StructureError: The file is cut or not readable.
        OSError: The file does not exist or cannot be opened.
    """
    path = Path(path)
    data = unzipped(path.read_bytes(), path.name, StructureError)
    if data[:1] >= b"\x80" and b"dataBlocks" in data:
        return read_binary_cif(data, path.name)
    if _MMCIF.match(data):
        return read_mmcif(data, path.name)
    return read_pdb(data, path.name)


def unzipped(data: bytes, source: str, error_class: type[ValueError]) -> bytes:
    """The content of a file, whether gzipped or not.

    Raises:
        ValueError: Of the kind ``error_class``; the gzip stream is cut or damaged.
    """
    if not data.startswith(b"\x1f\x8b"):
        return data
    try:
        return gzip.decompress(data)
    except (EOFError, OSError, zlib.error) as error:
        raise error_class(
            f"{source}: the gzip file is cut or damaged ({error}); fetch it again"
        ) from None


def _stem(path: Path) -> str:
    while path.suffix.lower() in _SUFFIXES:
        path = path.with_suffix("")
    return path.name
