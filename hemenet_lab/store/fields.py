"""The files of a store: which arrays it holds, of which type, and what each is cut by."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FORMAT = "hemenet-store"
FORMAT_VERSION = 1
MANIFEST = "manifest.json"
SPLIT_NAMES = ("train", "val", "test", "unused")
"""Names of the split codes 0 to 3."""
UNUSED = SPLIT_NAMES.index("unused")


HASHED = ("format", "format_version", "num_entries", "tasks", "splits", "files")
"""Fields of the manifest that its hash covers."""


CHECKSUM = "checksum"
"""Field with the SHA-256 over all others; stores of before have none."""


def checksum(manifest: Mapping[str, Any]) -> str:
    """SHA-256 over every field of the manifest but the checksum itself."""
    return _sha256({name: value for name, value in manifest.items() if name != CHECKSUM})


def content_hash(manifest: Mapping[str, Any]) -> str:
    """SHA-256 over what the store holds: the `HASHED` fields, which have the files' own digests."""
    return _sha256({name: manifest.get(name) for name in HASHED})


def _sha256(record: Mapping[str, Any]) -> str:
    text = json.dumps(record, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", errors="surrogatepass")).hexdigest()


class StoreError(ValueError):
    """A store that cannot be written or read; says what was found and what to do."""


def open_array(path: Path) -> NDArray[Any]:
    """A ``.npy`` file as a read-only memory map.

    Raises:
        StoreError: It is missing or damaged.
    """
    try:
        mapped = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # numpy parses a damaged header as Python: any error can come
        raise StoreError(
            f"{path} cannot be read ({type(error).__name__}: {error}); it is damaged: copy its "
            "folder again, or make it anew"
        ) from error
    return mapped.view(np.ndarray)


def open_current(
    folder: Path, name: str, record: str, mark: tuple[str, str], replaced: str
) -> NDArray[Any]:
    """An array of a folder, if what lies there is still what was opened.

    Args:
        folder: The folder.
        name: The array's name.
        record: The folder's JSON record; of a new content it comes last, of an old one it goes
            first.
        mark: A field of the record, and its value when the folder was opened.
        replaced: The message where it is another now.

    Raises:
        StoreError: Something else lies there now, or the array is missing or damaged.
    """

    def is_current() -> bool:
        try:
            return bool(json.loads((folder / record).read_text())[mark[0]] == mark[1])
        except (FileNotFoundError, KeyError, ValueError):
            return False

    found: NDArray[Any] | None = None
    try:
        found = open_array(folder / f"{name}.npy")
    except StoreError:
        if is_current():
            raise
    if found is None or not is_current():
        raise StoreError(replaced)
    return found


@dataclass(frozen=True)
class Field:
    """One array of the store; its rows are cut into entries by ``<level>_offset``."""

    name: str
    level: str
    dtype: str
    width: int = 0
    """Columns; 0 for a flat array."""


NODE_FIELDS = (
    Field("node_type", "node", "<i1"),
    Field("entity", "node", "<i1"),
    Field("node_chain", "node", "<i2"),
    Field("sequence_index", "node", "<i4"),
    Field("residue_number", "node", "<i4"),
    Field("insertion_code", "node", "<u1"),
    Field("node_atoms", "node", "<u1"),
)
ATOM_FIELDS = (
    Field("coords", "atom", "<f4", 3),
    Field("atom_element", "atom", "<i1"),
    Field("atom_slot", "atom", "<i1"),
)
TEXT_FIELDS = (
    Field("id", "entry", "<u1"),
    Field("kind", "entry", "<u1"),
    Field("chain_name", "chain", "<u1"),
    Field("chain_uniprot", "chain", "<u1"),
    Field("chain_sequence", "chain", "<u1"),
)
"""UTF-8 bytes; the row ends of each text lie in ``<name>_end``."""
CHAIN_SEQUENCE = ("chain_sequence", "chain_sequence_end")
"""Arrays that only stores have in which a chain's sequence is known."""
VALUE_FIELDS = (Field("value_task", "value", "<i1"), Field("value", "value", "<f8"))
VALUE_CHAIN = Field("value_chain", "value", "<i2")
"""Chain of each value, -1 for the complex; only in stores with values of chains."""
B_FACTOR = Field("b_factor", "node", "<f4")
"""Å², or the pLDDT of a predicted model; only in stores that were asked to keep it."""
CHEMISTRY_FIELD = Field("chemistry", "node", "<u2")
"""Bits of `CHEMISTRY`; only in stores that were asked to keep it."""
OPTIONAL_NODE_FIELDS = (B_FACTOR, CHEMISTRY_FIELD)
"""None in an `Entry` where they were not kept."""
TERM_ROW_FIELDS = (
    Field("term_row_task", "term_row", "<i1"),
    Field("term_row_chain", "term_row", "<i2"),
    Field("term_row_end", "term_row", "<i8"),
)
"""A row per labelled chain (-1 for the complex) and task; its terms end at ``term_row_end`` in
``term``."""
TERM_FIELD = Field("term", "term", "<i4")
ENTRY_CHECKSUM = Field("entry_checksum", "entry", "<u4")
"""CRC-32 of each entry's nodes and atoms; stores of before have none."""

LEVELS = ("node", "atom", "chain", "value", "term_row")
"""What an entry has several of: ``<level>_offset`` [n + 1] says which rows are its own."""


def all_fields(
    *, chain_values: bool = False, b_factors: bool = False, chemistry: bool = False
) -> tuple[Field, ...]:
    """Every array that grows with the entries.

    Args:
        chain_values: Whether some task gives values to chains.
        b_factors: Whether nodes have B-factors.
        chemistry: Whether nodes have the chemistry of ligand atoms.
    """
    ends = tuple(Field(f"{field.name}_end", field.level, "<i8") for field in TEXT_FIELDS)
    offsets = tuple(Field(f"{level}_offset", "entry", "<i8") for level in LEVELS)
    return (
        *(*NODE_FIELDS, *ATOM_FIELDS, *TEXT_FIELDS, *ends),
        *(*VALUE_FIELDS, *((VALUE_CHAIN,) if chain_values else ())),
        *((B_FACTOR,) if b_factors else ()),
        *((CHEMISTRY_FIELD,) if chemistry else ()),
        *(*TERM_ROW_FIELDS, TERM_FIELD, *offsets, ENTRY_CHECKSUM),
    )


LARGE = (*NODE_FIELDS, *ATOM_FIELDS, *OPTIONAL_NODE_FIELDS)
"""Arrays that are checked entry by entry, when one is first read; the others are when a store is
opened."""


def entry_checksum(arrays: Mapping[str, NDArray[Any] | None]) -> int:
    """CRC-32 over an entry's arrays of `LARGE` that are there, in this order.

    Args:
        arrays: Name → array.
    """
    total = 0
    for field in LARGE:
        if (array := arrays.get(field.name)) is not None:
            # the bytes as they lie in the file, whatever the machine
            stored = np.ascontiguousarray(array, dtype=field.dtype)
            total = zlib.crc32(stored.data if stored.size else b"", total)
    return total


class GrowingArray:
    """A ``.npy`` file that rows are appended to: memory stays flat, however long it gets."""

    def __init__(self, path: Path, dtype: str, width: int = 0) -> None:
        self.path = path
        self._dtype = np.dtype(dtype)
        self._width = width
        self._rows = 0
        self._file = path.open("w+b")
        self._header_size = self._write_header()

    def __len__(self) -> int:
        return self._rows

    def append(self, rows: Any) -> None:
        """Adds rows; their values must fit the file's type."""
        values: NDArray[Any] = np.ascontiguousarray(rows, dtype=self._dtype)
        self._file.write(values.data if values.size else b"")
        self._rows += len(values)

    def close(self) -> None:
        """Writes the final length into the header."""
        self._file.seek(0)
        # numpy leaves room in the header for the first axis to grow
        assert self._write_header() == self._header_size
        self._file.close()

    def abandon(self) -> None:
        """Closes the file as it is."""
        self._file.close()

    def _write_header(self) -> int:
        shape = (self._rows, self._width) if self._width else (self._rows,)
        header = {"descr": self._dtype.str, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self._file, header)
        return self._file.tell()
