"""Forms in which predictions are written: CSV, JSON, JSON lines and Parquet.

Each is a head, a block of bytes per complex and a tail, so that a file can be cut after any block
and gone on with. Parquet cannot be: its blocks are an Arrow stream, from which it is made.
"""

from __future__ import annotations

import csv
import io
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any

from hemenet_lab.basics import csv_cell
from hemenet_lab.prediction import COLUMNS, Result

_CELLS = attrgetter(*COLUMNS)
ROW_GROUP = 100_000
"""Rows of a Parquet file that are compressed, and read, together."""


class Form(ABC):
    """A form of file.

    Args:
        min_probability: Terms below are left out.
        top: At most so many terms per chain and task; all if None.
    """

    head: bytes = b""
    tail: bytes = b""
    spooled = False
    """The blocks are written beside the file, which is made of them in the end."""

    def __init__(self, min_probability: float = 0.0, top: int | None = None) -> None:
        self._choice = (min_probability, top)

    @abstractmethod
    def block(self, results: Sequence[Result], first: bool) -> bytes:
        """The bytes of a complex; those of the first one may differ."""

    def finish(self, spool: Path, path: Path) -> None:
        """Make the file of its spool, at once or not at all; for spooled forms."""
        raise NotImplementedError

    def unfinish(self, path: Path, spool: Path) -> None:
        """Make the spool of a file, to add to it; for spooled forms."""
        raise NotImplementedError


class Csv(Form):
    """A line per prediction."""

    def __init__(self, min_probability: float = 0.0, top: int | None = None) -> None:
        super().__init__(min_probability, top)
        self.head = (",".join(COLUMNS) + "\n").encode()

    def block(self, results: Sequence[Result], first: bool) -> bytes:
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        for result in results:
            writer.writerows(
                [csv_cell(cell) if isinstance(cell, str) else cell for cell in _CELLS(row)]
                for row in result.rows(*self._choice)
            )
        return text.getvalue().encode("utf-8")


class JsonLines(Form):
    """A JSON object per complex, each on a line."""

    def block(self, results: Sequence[Result], first: bool) -> bytes:
        return "".join(f"{each.to_json(*self._choice)}\n" for each in results).encode()


class Json(Form):
    """A JSON array of the same objects."""

    head, tail = b"[", b"\n]\n"

    def block(self, results: Sequence[Result], first: bool) -> bytes:
        texts = [f"\n{each.to_json(*self._choice)}" for each in results]
        return ("" if first or not texts else ",").encode() + ",".join(texts).encode()


class Parquet(Form):
    """The rows of the CSV, typed and compressed."""

    spooled = True

    def __init__(self, min_probability: float = 0.0, top: int | None = None) -> None:
        import pyarrow as pa

        super().__init__(min_probability, top)
        kinds: dict[str, Any] = dict.fromkeys(COLUMNS, pa.string())
        for name in ("value", "low", "high", "spread", "threshold", "precision", "recall"):
            kinds[name] = pa.float64()
        kinds |= {"nearest_identity": pa.float64(), "model": pa.int32(), "pose": pa.int32()}
        kinds |= {"predicted": pa.bool_(), "far": pa.bool_()}
        self.schema = pa.schema(list(kinds.items()))
        self.head = self.schema.serialize().to_pybytes()

    def block(self, results: Sequence[Result], first: bool) -> bytes:
        import pyarrow as pa

        rows = [_CELLS(row) for result in results for row in result.rows(*self._choice)]
        columns = list(zip(*rows, strict=True)) or [()] * len(COLUMNS)
        arrays = [
            pa.array(column, kind) for column, kind in zip(columns, self.schema.types, strict=True)
        ]
        return pa.record_batch(arrays, schema=self.schema).serialize().to_pybytes()

    def finish(self, spool: Path, path: Path) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        made = path.with_name(f".{path.name}.new")
        with parquet.ParquetWriter(made, self.schema) as writer:
            for group in _groups(spool):
                writer.write_table(pa.Table.from_batches(group, self.schema))
        os.replace(made, path)

    def unfinish(self, path: Path, spool: Path) -> None:
        from pyarrow import parquet

        made = spool.with_name(f"{spool.name}.new")
        with made.open("wb") as stream, parquet.ParquetFile(path) as file:
            stream.write(self.head)
            for batch in file.iter_batches(ROW_GROUP):
                stream.write(batch.serialize().to_pybytes())
        os.replace(made, spool)


def _groups(spool: Path) -> Iterator[list[Any]]:
    """Batches of an Arrow stream, about a row group at a time."""
    import pyarrow as pa

    waiting: list[Any] = []
    rows = 0
    with pa.OSFile(str(spool)) as source, pa.ipc.open_stream(source) as stream:
        for batch in stream:
            waiting.append(batch)
            rows += batch.num_rows
            if rows >= ROW_GROUP:
                yield waiting
                waiting, rows = [], 0
    if waiting:
        yield waiting


FORMS: dict[str, type[Form]] = {
    "csv": Csv,
    "json": Json,
    "jsonl": JsonLines,
    "parquet": Parquet,
}
