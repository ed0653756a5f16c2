"""Structure files (PDB, mmCIF, BinaryCIF; plain or compressed) → `Structure`."""

from __future__ import annotations

import bz2
import lzma
import re
import tarfile
import zlib
from collections.abc import Iterator
from io import BufferedIOBase, BytesIO
from os import PathLike
from pathlib import Path
from typing import IO, Literal

from hemenet_lab.structures.assemble import assemble
from hemenet_lab.structures.cif import read_binary_cif, read_mmcif
from hemenet_lab.structures.pdb import read_pdb
from hemenet_lab.structures.select import choose_model, model_numbers, select_atoms
from hemenet_lab.structures.structure import (
    Budget,
    ReadLimits,
    Structure,
    StructureError,
    file_errors,
)
from hemenet_lab.structures.table import AtomTable

_MMCIF = re.compile(rb"(?:\s++|#[^\n]*+\n)*+data_", re.IGNORECASE)
"""A data block opens after nothing but blank lines and comments."""
_ATOM_SITE = re.compile(rb"^_atom_site\.", re.IGNORECASE | re.MULTILINE)
_ENDINGS = re.compile(r"(\.(gz|bz2|xz|zst|pdb\d*|ent|cif|mmcif|bcif))+$", re.IGNORECASE)
_CHUNK = 2**20
_XZ_MEMORY = 2**28

_COMPRESSED = {
    "gzip": re.compile(rb"\x1f\x8b"),
    "bzip2": re.compile(rb"BZh[1-9](1AY&SY|\x17rE8P\x90)"),
    "xz": re.compile(rb"\xfd7zXZ\x00"),
    "zstd": re.compile(rb"\x28\xb5\x2f\xfd"),
}
"""Formats that are read, and how such a file begins."""
_OTHER_KINDS = {
    "a zip archive: unpack it": re.compile(rb"PK(\x03\x04|\x05\x06|\x07\x08)"),
    "a 7z archive: unpack it": re.compile(rb"7z\xbc\xaf\x27\x1c"),
    "a RAR archive: unpack it": re.compile(rb"Rar!\x1a\x07"),
    "an ar archive: unpack it": re.compile(rb"!<arch>\n"),
    "a cpio archive: unpack it": re.compile(rb"07070[127][0-9A-Fa-f]{104}|\xc7\x71|\x71\xc7"),
    "a file compressed by `compress` (.Z): unpack it with gunzip": re.compile(rb"\x1f[\x9d\xa0]"),
    "a file compressed by lz4: unpack it": re.compile(rb"\x04\x22\x4d\x18"),
    "a file compressed by lzip or LZMA: unpack it": re.compile(rb"LZIP\x01|\x5d\x00\x00"),
    "text in UTF-32: save it as UTF-8": re.compile(rb"\xff\xfe\x00\x00|\x00\x00\xfe\xff"),
    "text in UTF-16: save it as UTF-8": re.compile(rb"\xff\xfe|\xfe\xff"),
    "a PDF document": re.compile(rb"%PDF-"),
    "a picture": re.compile(rb"\x89PNG\r\n|\xff\xd8\xff|GIF8[79]a"),
    "an HDF5 file": re.compile(rb"\x89HDF\r\n"),
    "a NumPy array": re.compile(rb"\x93NUMPY"),
    "a program": re.compile(rb"\x7fELF|MZ[\x00-\xff]{2}\x00"),
    "a pickle of Python": re.compile(rb"\x80[\x02-\x05][\x00-\xff]*\.\Z"),
    "an SQLite database": re.compile(rb"SQLite format 3\x00"),
    "XML or HTML, such as the page of a failed download: fetch PDB or mmCIF": re.compile(
        rb"\s*<(\?xml|!doctype|!--|html|head|body|script|pdbx|datablock)", re.IGNORECASE
    ),
    "a pointer of Git LFS instead of the file: run `git lfs pull`": re.compile(
        rb"version https://git-lfs"
    ),
}
"""What a file is instead of a structure or ligand and what to do, and how such a file begins."""


def read_structure(
    path: str | PathLike[str],
    *,
    id: str | None = None,
    keep_hetero: bool = False,
    model: int | None = None,
    limits: ReadLimits | None = None,
) -> Structure:
    """The protein chains of a structure file.

    Waters, hydrogens and nucleic acids are dropped, one conformer is kept per residue, modified
    residues take their parent's slots. Everything left out is counted, in atoms, in the
    structure's ``drops``; what is worth knowing stands in its ``notes``.

    Args:
        path: PDB, mmCIF or BinaryCIF file, plain or compressed by gzip, bzip2, xz or zstd; told by
            its content.
        id: Id of the structure; the file name without its endings if not given.
        keep_hetero: Keep ions and cofactors, one single-atom residue per heavy atom.
        model: Number of the model, as the file counts them. If not given, the first one; or all
            of them where they are the parts of an assembly: models of different chains, or of a
            file named as an assembly (``.pdb1``), that stand beside each other. Chains of later
            models that repeat an id are named ``A-2``, ``A-3``.
        limits: Bounds on size and time.

    Raises:
        StructureError: The file is cut, not readable, beyond the bounds, has no such model, or has
            no protein residue.
        OSError: The file does not exist or cannot be opened.
    """
    path = Path(path)
    with file_errors(path.name, StructureError):
        table = choose_model(_read_table(path, limits), model)
        return assemble(select_atoms(table), _stem(path) if id is None else id, keep_hetero)


def read_structures(
    path: str | PathLike[str],
    *,
    id: str | None = None,
    keep_hetero: bool = False,
    model: int | Literal["all"] | None = "all",
    limits: ReadLimits | None = None,
) -> list[Structure]:
    """Every model of a structure file as a structure of its own; see `read_structure`.

    Args:
        model: ``"all"``; or a number or None, which give what `read_structure` gives.

    Returns:
        The structures in file order, told apart by their ``model``.
    """
    path = Path(path)
    with file_errors(path.name, StructureError):
        table = _read_table(path, limits)
        chosen = model_numbers(table) if model == "all" else [model]
        name = _stem(path) if id is None else id
        return [
            assemble(select_atoms(choose_model(table, number)), name, keep_hetero)
            for number in chosen
        ]


def read_atoms(
    path: str | PathLike[str], *, model: int | None = None, limits: ReadLimits | None = None
) -> AtomTable:
    """All atoms of a structure file's model; see `read_structure` for which one.

    Raises:
        StructureError: The file is cut, not readable, or beyond the bounds.
        OSError: The file does not exist or cannot be opened.
    """
    path = Path(path)
    with file_errors(path.name, StructureError):
        return choose_model(_read_table(path, limits), model)


def _read_table(path: Path, limits: ReadLimits | None) -> AtomTable:
    budget = Budget(path.name, limits)
    data = file_content(path, budget)
    if data[:1] >= b"\x80" and b"dataBlocks" in data:
        return read_binary_cif(data, path.name, budget)
    check_text(data, path.name, StructureError)
    if _MMCIF.match(data):
        return read_mmcif(data, path.name, budget)
    if b"_atom_site." in data.lower() and _ATOM_SITE.search(data):
        raise StructureError(
            f"{path.name}: an mmCIF file that begins with {data[:30].decode('latin-1')!r} and not "
            "with data_; remove what stands before it, or fetch the file again"
        )
    return read_pdb(data, path.name, budget)


def file_content(path: Path, budget: Budget) -> bytes:
    """The content of a file, decompressed, within the budget.

    Raises:
        ValueError: Of the budget's class; too large, damaged, or no file of ours.
        OSError: The file does not exist or cannot be opened.
    """
    with path.open("rb") as file:
        data = file.read(1)  # tells a folder or a file that may not be read
        data += b"".join(_within(file, budget))
    return _unpacked(data, budget)


def unzipped(
    data: bytes, source: str, error_class: type[ValueError], limits: ReadLimits | None = None
) -> bytes:
    """The content of a file, whether compressed or not, without a byte-order mark.

    Raises:
        ValueError: Of the kind ``error_class``; the stream is cut, damaged or too large, or the
            content is an archive or another kind of file.
    """
    with file_errors(source, error_class):
        return _unpacked(data, Budget(source, limits, error_class))


def _unpacked(data: bytes, budget: Budget) -> bytes:
    kind = _compression(data)
    if kind:
        try:
            data = b"".join(_within(_opened(data, kind), budget))
        except (EOFError, OSError, zlib.error, lzma.LZMAError) as error:
            raise budget.error(
                f"{budget.source}: the {kind} file is cut or damaged ({error}); fetch it again"
            ) from None
        if _compression(data):
            raise budget.error(f"{budget.source}: compressed twice; unpack it once")
    what = _other_kind(data)
    if what:
        raise budget.error(f"{budget.source}: not a structure or ligand but {what}")
    return data.removeprefix(b"\xef\xbb\xbf")


def _compression(data: bytes) -> str:
    return next((name for name, start in _COMPRESSED.items() if start.match(data)), "")


def _opened(data: bytes, kind: str) -> IO[bytes] | BufferedIOBase:
    """The decompressed stream, which is read piece by piece since it may have no end."""
    if kind == "gzip":
        import gzip

        return gzip.open(BytesIO(data))
    if kind == "bzip2":
        return bz2.open(BytesIO(data))
    if kind == "xz":
        _check_xz(data)
        return lzma.open(BytesIO(data))
    import pyarrow  # type: ignore[import-untyped]  # Python has no zstd before 3.14

    return pyarrow.input_stream(pyarrow.BufferReader(data), compression="zstd")


def _check_xz(data: bytes) -> None:
    """Refuses a stream that asks for a dictionary of gigabytes."""
    lzma.LZMADecompressor(memlimit=_XZ_MEMORY).decompress(data, max_length=1)


def _within(stream: IO[bytes] | BufferedIOBase, budget: Budget) -> Iterator[bytes]:
    """The stream's pieces, up to the bound on bytes and time."""
    size = 0
    while piece := stream.read(_CHUNK):
        size += len(piece)
        budget.need("bytes", size)
        budget.check_time()
        yield piece


def _other_kind(data: bytes) -> str:
    found = next((what for what, start in _OTHER_KINDS.items() if start.match(data)), "")
    if found:
        return found
    try:
        tarfile.TarInfo.frombuf(data[:512], "utf-8", "replace")
    except (tarfile.HeaderError, ValueError):
        return ""
    return "a tar archive: unpack it"


def check_text(data: bytes, source: str, error: type[ValueError]) -> None:
    """Refuses content that is not text of one byte per letter.

    Raises:
        ValueError: Of the class ``error``; there are zero bytes.
    """
    zeros = data.count(0)
    if zeros:
        what = "text in UTF-16 or UTF-32: save it as UTF-8" if zeros * 4 > len(data) else "binary"
        raise error(f"{source}: not a structure or ligand but {what} (it holds {zeros} zero bytes)")


def _stem(path: Path) -> str:
    return _ENDINGS.sub("", path.name) or path.name
