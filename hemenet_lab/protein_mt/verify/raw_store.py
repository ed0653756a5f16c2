"""A store's arrays as they lie on disk, read without the code that writes and reads stores."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemenet_lab.structures import ONE_LETTER

PARTS = ("train", "val", "test", "unused")
CHUNK = 1_000
"""Entries that are looked at together, so that memory stays flat."""


class RawStore:
    """The files of a store.

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
            self.tasks: list[dict[str, Any]] = self.manifest["tasks"]
            self.files: dict[str, dict[str, Any]] = self.manifest["files"]
            self.splits: list[str] = self.manifest["splits"]
            self.size = int(self.manifest["num_entries"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"{self.path} holds no store whose manifest can be read ({error!r}); "
                "build one with `hemenet data build`"
            ) from error

    def array(self, name: str) -> NDArray[Any]:
        """One array, mapped into memory.

        Raises:
            ValueError: It is missing or cut.
        """
        try:
            return np.load(self.path / f"{name}.npy", mmap_mode="r")
        except OSError as error:
            raise ValueError(f"{name}.npy cannot be read: {error}") from error

    def offsets(self, level: str) -> NDArray[np.int64]:
        """[n + 1], first row of each entry."""
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
        """[all chains], one-letter sequences."""
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

    def chunks(self) -> Iterator[tuple[int, int]]:
        """First entry and end of runs of entries that are looked at together."""
        for start in range(0, self.size, CHUNK):
            yield start, min(start + CHUNK, self.size)

    def split(self, name: str) -> NDArray[np.int8]:
        """[n], code of each entry's part."""
        return np.asarray(self.array(f"split_{name}"))

    def table(self, name: str) -> list[dict[str, str]]:
        """Rows of a CSV file beside the store; none where it is missing."""
        path = self.path / name
        if not path.is_file():
            return []
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))
