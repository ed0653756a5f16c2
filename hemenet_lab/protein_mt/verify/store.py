"""Store on disk, read without the code that writes and reads stores, and results of checks."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemenet_lab.structures import ONE_LETTER

PARTS = ("train", "val", "test", "unused")
CHUNK = 1_000
"""Entries that are read together, so that memory stays flat."""
SHOWN, LONGEST = 3, 400
"""Faults of one check that are quoted, and characters of each."""
SHOWN_DOUBTS = 30
"""Doubts that are quoted: each is another chain."""


@dataclass(frozen=True)
class Check:
    """Property of a store, and what contradicts it."""

    group: str
    """``files``, ``structures``, ``labels``, ``splits`` or ``raw``."""
    name: str
    looked_at: int
    """Number of things that were checked; none for a check that does not apply."""
    faults: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    """What may be right, but should be looked at; no fault of the store."""

    @property
    def state(self) -> str:
        """``ok``, ``FAULT``, ``look`` (there are doubts) or ``nothing to check``."""
        state = "ok" if self.looked_at else "nothing to check"
        return "FAULT" if self.faults else "look" if self.doubts else state


def check(
    group: str, name: str, looked_at: int, faults: Iterable[str], doubts: Iterable[str] = ()
) -> Check:
    """Gathers all faults and doubts of a check."""
    return Check(group, name, looked_at, tuple(faults), tuple(doubts))


class RawStore:
    """Files of a store.

    Args:
        path: Folder of the store.

    Raises:
        ValueError: No manifest in it, or none that is JSON with the fields of a store.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        manifest = self.path / "manifest.json"
        try:
            self.manifest: dict[str, Any] = json.loads(manifest.read_text(encoding="utf-8"))
            self.tasks: list[dict[str, Any]] = self._field("tasks", list, dict)
            self.files: dict[str, dict[str, Any]] = self._field("files", dict, dict)
            self.splits: list[str] = self._field("splits", list, str)
            self.size: int = self._field("num_entries", int)
            if self.size < 0:
                raise ValueError(f"num_entries is {self.size}")
        except (OSError, ValueError, RecursionError) as error:
            raise ValueError(
                f"{self.path} holds no store whose manifest can be read "
                f"({type(error).__name__}: {error}); build one with `hemenet data build`"
            ) from error

    def _field(self, name: str, kind: type, inner: type | None = None) -> Any:
        """A field of the manifest, if it and what it holds are of these types."""
        found: Any = self.manifest.get(name) if isinstance(self.manifest, dict) else None
        if not isinstance(found, kind) or isinstance(found, bool):
            raise ValueError(f"its field {name!r} is missing or is no {kind.__name__}")
        parts: Any = found.values() if isinstance(found, dict) else found
        if inner is not None and not all(isinstance(part, inner) for part in parts):
            raise ValueError(f"its field {name!r} does not hold {inner.__name__}s only")
        return found

    def array(self, name: str) -> NDArray[Any]:
        """Maps an array into memory.

        Raises:
            ValueError: It is missing, cut or damaged, or holds no numbers.
        """
        path = self.path / f"{name}.npy"
        try:
            array = np.load(path, mmap_mode="r", allow_pickle=False)
        except Exception as error:  # numpy parses a damaged header as Python: any error can come
            raise ValueError(f"{path} cannot be read: {type(error).__name__}: {error}") from error
        if array.dtype.kind not in "biuf":
            raise ValueError(f"{path} holds {array.dtype}, expected numbers")
        return array

    def offsets(self, level: str) -> NDArray[np.int64]:
        """First row of each entry, [n + 1]."""
        return np.asarray(self.array(f"{level}_offset"))

    def texts(self, name: str) -> list[str]:
        """The texts of ``name.npy``, cut by ``name_end.npy``."""
        text, ends = self.array(name).tobytes(), self.array(f"{name}_end").tolist()
        starts = [0, *ends][:-1]
        return [text[a:b].decode("utf-8") for a, b in zip(starts, ends, strict=True)]

    @cached_property
    def ids(self) -> list[str]:
        return self.texts("id")

    @cached_property
    def kinds(self) -> list[str]:
        return self.texts("kind")

    @cached_property
    def chains(self) -> list[tuple[int, str, frozenset[str]]]:
        """Entry, name and UniProt ids of every chain."""
        counts = np.diff(self.offsets("chain"))
        entry = np.repeat(np.arange(self.size), counts).tolist()
        ids = [frozenset(filter(None, text.split(";"))) for text in self.texts("chain_uniprot")]
        return list(zip(entry, self.texts("chain_name"), ids, strict=True))

    @cached_property
    def sequences(self) -> list[str]:
        """Sequences in one-letter code, [all chains]."""
        letters = np.array(list(ONE_LETTER))
        first_chain = self.offsets("chain")
        found = [""] * int(first_chain[-1])
        for start, stop in self.chunks():
            nodes = slice(*self.offsets("node")[[start, stop]].tolist())
            types, chain = (np.asarray(self.array(n)[nodes]) for n in ("node_type", "node_chain"))
            counts = np.diff(self.offsets("node")[start : stop + 1])
            number = np.repeat(first_chain[start:stop], counts) + chain
            residue = (types >= 0) & (types < len(letters)) & (chain >= 0)
            number, types = number[residue], types[residue]
            order = np.argsort(number, kind="stable")
            number, text = number[order], letters[types[order]]
            cuts = np.flatnonzero(np.diff(number, prepend=-1))
            for place, part in zip(number[cuts], np.split(text, cuts[1:]), strict=False):
                found[place] = "".join(part)
        return found

    @cached_property
    def full_sequences(self) -> list[str]:
        """Deposited sequences, in lower case without a residue, [all chains]; none if not kept."""
        return self.texts("chain_sequence") if "chain_sequence.npy" in self.files else []

    def chunks(self) -> Iterator[tuple[int, int]]:
        """First entry and end of runs of entries that are read together."""
        for start in range(0, self.size, CHUNK):
            yield start, min(start + CHUNK, self.size)

    def split(self, name: str) -> NDArray[np.int8]:
        """Code of each entry's part, [n]."""
        return np.asarray(self.array(f"split_{name}"))

    def table(self, name: str) -> list[dict[str, str]]:
        """Rows of a CSV file beside the store; none where it is missing.

        Raises:
            ValueError: It cannot be read, or a row has not as many cells as the first.
        """
        path = self.path / name
        if not path.is_file():
            return []
        try:
            with path.open(encoding="utf-8", newline="") as file:
                rows = list(csv.reader(file))
        except (OSError, ValueError, csv.Error) as error:
            raise ValueError(f"{path} cannot be read: {error}") from error
        header, *rows = rows or [[]]
        for number, row in enumerate(rows, start=2):
            if len(row) != len(header):
                raise ValueError(f"{path}, row {number}: {len(row)} cells, expected {len(header)}")
        return [dict(zip(header, row, strict=True)) for row in rows]


def table(checks: Iterable[Check]) -> str:
    """Writes the checks as aligned text, each with its first faults below it."""
    checks = list(checks)
    width = max((len(found.name) for found in checks), default=0)
    lines = [line for found in checks for line in _lines(found, width)]
    faulty = sum(bool(found.faults) for found in checks)
    done = sum(bool(found.looked_at or found.faults) for found in checks)
    verdict = f"{faulty} of {done} checks found faults" if faulty else f"{done} checks passed"
    doubts = sum(len(found.doubts) for found in checks)
    verdict += f"; {doubts:,} things to look at" if doubts else ""
    return "\n".join([*lines, "", verdict])


def _lines(found: Check, width: int) -> Iterator[str]:
    number = f"{found.looked_at:,}"
    yield f"{found.group:<10}  {found.name:<{width}}  {number:>13}  {found.state}"
    for texts, shown in ((found.faults, SHOWN), (found.doubts, SHOWN_DOUBTS)):
        yield from (f"{'':<12}{_plain(text)}" for text in islice(texts, shown))
        if len(texts) > shown:
            yield f"{'':<12}… and {len(texts) - shown:,} more"


def _plain(fault: str) -> str:
    """Text that any terminal can show, on one line: a damaged store holds any characters."""
    return "".join(c if c.isprintable() else "?" for c in fault[:LONGEST])
