"""Files of embeddings: a row per residue, chain or complex, as NPZ, Parquet or HDF5.

All three hold the same columns, in the order of what was read: ``entry``, ``path``, ``model``,
``pose``; ``chain`` for chains and residues; ``residue_number``, ``insertion_code`` and ``residue``
(one letter) for residues; and ``embedding``, float32 [rows, d].
"""

from __future__ import annotations

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
from numpy.typing import NDArray

from hemenet_lab.prediction import Embedding, Level
from hemenet_lab.structures import ONE_LETTER

Columns = dict[str, NDArray[Any]]
FLUSH = 20_000
"""Rows that are written together."""
TEXT = ("entry", "path", "chain", "insertion_code", "residue")


def columns_of(found: Embedding, level: Level) -> Columns:
    """The columns of one complex."""
    entry = found.read.entry
    residues = np.flatnonzero(entry.node_chain >= 0)
    count = {"residue": len(residues), "chain": entry.num_chains, "complex": 1}[level]
    made: Columns = {
        "entry": np.full(count, entry.id, object),
        "path": np.full(count, found.path, object),
        "model": np.full(count, found.read.model, np.int32),
        "pose": np.full(count, found.read.pose, np.int32),
    }
    names = np.array(entry.chain_names, object)
    if level == "chain":
        made["chain"] = names
    if level == "residue":
        made["chain"] = names[entry.node_chain[residues]]
        made["residue_number"] = entry.residue_number[residues].astype(np.int32)
        codes = entry.insertion_code[residues].tolist()
        made["insertion_code"] = np.array([chr(code) if code else "" for code in codes], object)
        letters = np.array([*ONE_LETTER], object)
        made["residue"] = letters[entry.node_type[residues]]
    made["embedding"] = found.values.reshape(count, -1).astype(np.float32)
    return made


class EmbeddingFile(ABC):
    """A file of embeddings that is written as they come, and is there whole or not at all.

    Args:
        path: The file.
        about: What is kept with it, such as the level and the checkpoint.

    Raises:
        ValueError: A library that the form needs is not installed.
    """

    def __init__(self, path: Path, about: Mapping[str, Any]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self.about = path, {key: str(value) for key, value in about.items()}
        self._made = path.with_name(f".{path.name}.new")
        self._waiting: list[Columns] = []
        self._rows = 0
        self._any = False

    def __enter__(self) -> EmbeddingFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._flush()
            self._close(kind is None and self._any)
            if kind is None and not self._any:
                raise ValueError(f"{self.path} is not written: there is no embedding")
            if kind is None:
                os.replace(self._made, self.path)
        finally:
            self._made.unlink(missing_ok=True)

    def add(self, columns: Columns) -> None:
        """Write the columns of a complex, see `columns_of`."""
        self._waiting.append(columns)
        self._rows += len(columns["embedding"])
        if self._rows >= FLUSH:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            names = self._waiting[0]
            self._any = True
            self._write({n: np.concatenate([each[n] for each in self._waiting]) for n in names})
        self._waiting, self._rows = [], 0

    @abstractmethod
    def _write(self, columns: Columns) -> None:
        """Write rows."""

    @abstractmethod
    def _close(self, whole: bool) -> None:
        """Finish the file under its passing name; after an error only let go of it."""


class _Npz(EmbeddingFile):
    """Arrays of these names, and ``about``, a JSON text; texts are of fixed width (``U``)."""

    def __init__(self, path: Path, about: Mapping[str, Any]) -> None:
        super().__init__(path, about)
        self._raw = path.with_name(f".{path.name}.embedding")
        self._stream: BinaryIO = self._raw.open("wb")
        self._texts: dict[str, list[NDArray[Any]]] = {}
        self._width = 0

    def _write(self, columns: Columns) -> None:
        for name, values in columns.items():
            if name == "embedding":
                self._stream.write(np.ascontiguousarray(values).tobytes())
                self._width = values.shape[1]
            else:
                kept = values.astype(np.str_) if name in TEXT else values
                self._texts.setdefault(name, []).append(kept)

    def _close(self, whole: bool) -> None:
        try:
            self._stream.close()
            if whole:
                self._pack()
        finally:
            self._raw.unlink(missing_ok=True)

    def _pack(self) -> None:
        rows = self._raw.stat().st_size // max(1, 4 * self._width)
        arrays = {name: np.concatenate(parts) for name, parts in self._texts.items()}
        arrays["about"] = np.array(json.dumps(self.about))
        with ZipFile(self._made, "w", ZIP_DEFLATED, compresslevel=1) as pack:
            for name, array in arrays.items():
                with pack.open(f"{name}.npy", "w", force_zip64=True) as stream:
                    np.lib.format.write_array(stream, array, allow_pickle=False)
            with pack.open("embedding.npy", "w", force_zip64=True) as stream:
                head = {"descr": "<f4", "fortran_order": False, "shape": (rows, self._width)}
                np.lib.format.write_array_header_1_0(stream, head)
                with self._raw.open("rb") as source:
                    while part := source.read(1 << 22):
                        stream.write(part)


class _Parquet(EmbeddingFile):
    """A column each; ``embedding`` is a list of fixed size, what it is about in the metadata."""

    _writer: Any = None

    def _write(self, columns: Columns) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        width = columns["embedding"].shape[1]
        arrays = {n: pa.array(values) for n, values in columns.items() if n != "embedding"}
        flat = pa.array(columns["embedding"].reshape(-1))
        arrays["embedding"] = pa.FixedSizeListArray.from_arrays(flat, width)
        table = pa.table(arrays)
        if self._writer is None:
            schema = table.schema.with_metadata(self.about)
            self._writer = parquet.ParquetWriter(self._made, schema)
        self._writer.write_table(table.replace_schema_metadata(self.about))

    def _close(self, whole: bool) -> None:
        if self._writer is not None:
            self._writer.close()


class _Hdf5(EmbeddingFile):
    """A data set each, what it is about in the file's attributes."""

    def __init__(self, path: Path, about: Mapping[str, Any]) -> None:
        super().__init__(path, about)
        try:
            import h5py
        except ImportError:
            raise ValueError(
                "--format h5 needs h5py: pip install 'hemenet-lab[h5]', or take npz or parquet"
            ) from None
        self._file = h5py.File(self._made, "w")
        self._file.attrs.update(self.about)
        self._text = h5py.string_dtype()

    def _write(self, columns: Columns) -> None:
        for name, values in columns.items():
            if name not in self._file:
                self._file.create_dataset(
                    name,
                    (0, *values.shape[1:]),
                    self._text if name in TEXT else values.dtype,
                    maxshape=(None, *values.shape[1:]),
                    chunks=True,
                )
            data = self._file[name]
            data.resize(len(data) + len(values), axis=0)
            data[-len(values) :] = values

    def _close(self, whole: bool) -> None:
        self._file.close()


EMBEDDING_FORMS: dict[str, type[EmbeddingFile]] = {
    "npz": _Npz,
    "parquet": _Parquet,
    "h5": _Hdf5,
}
