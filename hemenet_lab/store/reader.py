"""The store: a benchmark as memory-mapped arrays, written once and shared by all processes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hemenet_lab.store.entry import WHOLE, Entry
from hemenet_lab.store.fields import (
    ATOM_FIELDS,
    B_FACTOR,
    CHAIN_SEQUENCE,
    CHEMISTRY_FIELD,
    ENTRY_CHECKSUM,
    LARGE,
    MANIFEST,
    NODE_FIELDS,
    OPTIONAL_NODE_FIELDS,
    SPLIT_NAMES,
    Field,
    StoreError,
    entry_checksum,
    open_current,
)
from hemenet_lab.store.folds import fold_of, fold_split, parse_fold, read_groups
from hemenet_lab.store.frames import frame_of
from hemenet_lab.store.manifest import check_sizes, check_small, read_manifest, read_tasks
from hemenet_lab.store.writer import StoreWriter

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Store", "StoreError", "StoreWriter"]


class Store:
    """Read access to a store; entries are read from disk when they are asked for.

    Nothing but the maps is held in memory, so a copy for a worker or rank costs nothing: the
    arrays are opened again, lazily, after pickling.

    Args:
        path: Folder of the store.

    Raises:
        StoreError: No store, another format version, missing or cut files; or damaged ones: the
            small arrays and tables are checked here, each entry's nodes and atoms by reading them.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.manifest: dict[str, Any] = read_manifest(self.path)
        self.tasks = read_tasks(self.path, self.manifest)
        check_sizes(self.path, self.manifest["files"])
        check_small(self.path, self.manifest)
        self._arrays: dict[str, NDArray[Any]] = {}
        self._checked = bytearray(len(self))

    def __getstate__(self) -> dict[str, Any]:
        fresh = {"_arrays": {}, "_checked": bytearray(len(self))}
        return {"path": self.path, "manifest": self.manifest, "tasks": self.tasks, **fresh}

    def __len__(self) -> int:
        return int(self.manifest["num_entries"])

    def __getitem__(self, index: int) -> Entry:
        if not 0 <= index < len(self):
            raise IndexError(f"entry {index} of a store with {len(self)} entries")
        nodes, atoms = self._rows("node", index), self._rows("atom", index)
        entry = Entry(
            id=self._text("id", index),
            kind=self._text("kind", index),
            chain_names=self._chain_texts("chain_name", index),
            chain_uniprot=self._chain_texts("chain_uniprot", index),
            chain_sequence=self._chain_texts("chain_sequence", index) if self.has_sequences else (),
            values=self._values(index),
            chain_values=self._chain_values(index),
            terms=self._terms(index),
            **{field.name: self.array(field.name)[nodes] for field in self.node_fields},
            **{field.name: self.array(field.name)[atoms] for field in ATOM_FIELDS},
        )
        if not self._checked[index]:  # once per process: a later read finds the same pages
            self._check(index, entry)
            self._checked[index] = True
        return entry

    def _check(self, index: int, entry: Entry) -> None:
        """Raises `StoreError` unless an entry's nodes and atoms are those that were written."""
        if f"{ENTRY_CHECKSUM.name}.npy" not in self.manifest["files"]:
            return
        found = entry_checksum({field.name: getattr(entry, field.name) for field in LARGE})
        if found != self.array(ENTRY_CHECKSUM.name)[index]:
            raise StoreError(
                f"entry {entry.id} of {self.path} is damaged: its arrays do not have their "
                "checksum; copy the store again, or build it again (`hemenet data verify` says "
                "which files are concerned)"
            )

    def array(self, name: str) -> NDArray[Any]:
        """One of the store's arrays as a read-only memory map.

        Raises:
            StoreError: Another store has taken the place of this one since it was opened.
        """
        if name not in self._arrays:
            self._arrays[name] = open_current(
                self.path,
                name,
                MANIFEST,
                ("hash", self.hash),
                f"{self.path} was built anew or removed while it was read; start again, and build "
                "into another folder while a run goes on",
            )
        return self._arrays[name]

    @property
    def hash(self) -> str:
        """SHA-256 over the content: arrays, tasks and splits."""
        return str(self.manifest["hash"])

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """Ids of all entries."""
        text = self.array("id").tobytes()
        ends = self.array("id_end").tolist()
        starts = [0, *ends][:-1]
        return tuple(text[a:b].decode() for a, b in zip(starts, ends, strict=True))

    def index(self, entry_id: str) -> int:
        """Position of an entry."""
        if entry_id not in self._positions:
            raise StoreError(f"{self.path} has no entry {entry_id!r}")
        return self._positions[entry_id]

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {entry_id: index for index, entry_id in enumerate(self.ids)}

    @property
    def num_atoms(self) -> NDArray[np.int64]:
        """[n], heavy atoms of each entry."""
        return np.diff(self.array("atom_offset"))

    @property
    def num_nodes(self) -> NDArray[np.int64]:
        """[n], residues and ligand atoms of each entry."""
        return np.diff(self.array("node_offset"))

    @property
    def num_chains(self) -> NDArray[np.int64]:
        """[n], polymer chains of each entry."""
        return np.diff(self.array("chain_offset"))

    @property
    def num_labels(self) -> NDArray[np.int16]:
        """[n, T], labelled items (complexes or chains) of each entry and task."""
        return self.array("num_labels")

    @property
    def labelled(self) -> NDArray[np.bool_]:
        """[n, T], True where an entry has a label of the task."""
        return self.num_labels > 0

    @property
    def full_label(self) -> NDArray[np.bool_]:
        """[n], True for entries with all kinds of labels."""
        return self.array("full_label")

    @cached_property
    def node_fields(self) -> tuple[Field, ...]:
        """Arrays of nodes: those of all stores, and what this one was built to keep besides."""
        files = self.manifest["files"]
        kept = (field for field in OPTIONAL_NODE_FIELDS if f"{field.name}.npy" in files)
        return (*NODE_FIELDS, *kept)

    @property
    def has_b_factors(self) -> bool:
        """True where the store was built to keep B-factors."""
        return B_FACTOR in self.node_fields

    @property
    def has_sequences(self) -> bool:
        """True where the deposited sequence of some chain is known."""
        return f"{CHAIN_SEQUENCE[0]}.npy" in self.manifest["files"]

    @property
    def has_chemistry(self) -> bool:
        """True where the store was built to keep the chemistry of ligand atoms."""
        return CHEMISTRY_FIELD in self.node_fields

    @property
    def split_names(self) -> tuple[str, ...]:
        """Names of the stored splits."""
        return tuple(self.manifest["splits"])

    def split(self, name: str = "default") -> NDArray[np.int8]:
        """[n], 0 train, 1 val, 2 test, 3 unused.

        Args:
            name: A stored split, or a computed one such as ``fold0of5`` (or ``fold0of5seed1``): of
                5 folds of whole groups, fold 0 is tested, the next one validates, the others train.

        Raises:
            StoreError: The store has no split of this name.
        """
        if name in self.split_names:
            return self.array(f"split_{name}")
        parsed = parse_fold(name)
        if parsed is None:
            raise StoreError(
                f"{self.path} has no split {name!r}; it has "
                f"{', '.join(self.split_names) or 'none'}, and folds such as fold0of5"
            )
        fold, folds, seed = parsed
        where = fold_of(self.ids, self.groups, self.num_labels, folds, seed)
        return fold_split(where, fold, folds)

    @cached_property
    def groups(self) -> NDArray[np.int64]:
        """[n], group of each entry that no split by sequence tears apart; own groups if unknown."""
        return read_groups(self.path, self.ids)

    def counts(self, split: str = "default") -> dict[str, dict[str, int]]:
        """Labelled items (complexes or chains) per part of the split and task."""
        codes = self.split(split)
        return {
            part: {
                task.name: int(self.num_labels[codes == code, column].sum())
                for column, task in enumerate(self.tasks)
            }
            for code, part in enumerate(SPLIT_NAMES)
        }

    def to_pandas(
        self, table: str = "entries", first: int = 0, last: int | None = None
    ) -> pd.DataFrame:
        """A table of the store; ``docs/store.md`` lists its columns.

        Args:
            table: ``entries``, ``chains``, ``nodes``, ``atoms`` or ``labels``.
            first, last: Positions of the entries, the last one not included; all if not given.
                A benchmark has a hundred million atoms: take some entries at a time.

        Raises:
            ValueError: There is no such table.
        """
        return frame_of(self, table, first, last)

    def _rows(self, level: str, index: int) -> slice:
        offset = self.array(f"{level}_offset")
        return slice(int(offset[index]), int(offset[index + 1]))

    def _text(self, name: str, row: int) -> str:
        end = self.array(f"{name}_end")
        start = int(end[row - 1]) if row else 0
        return self.array(name)[start : int(end[row])].tobytes().decode()

    def _chain_texts(self, name: str, index: int) -> tuple[str, ...]:
        rows = self._rows("chain", index)
        return tuple(self._text(name, row) for row in range(rows.start, rows.stop))

    @cached_property
    def value_chain(self) -> NDArray[np.int16]:
        """[values], chain of each regression label; -1 for those of the complex."""
        if "value_chain.npy" in self.manifest["files"]:
            return self.array("value_chain")
        return np.full(len(self.array("value")), WHOLE, dtype=np.int16)

    def _value_rows(self, index: int) -> Iterator[tuple[str, int, float]]:
        """Task, chain and value of an entry's regression labels."""
        rows = self._rows("value", index)
        tasks, values = self.array("value_task")[rows], self.array("value")[rows]
        chains = self.value_chain[rows].tolist()
        for task, chain, value in zip(tasks.tolist(), chains, values.tolist(), strict=True):
            yield self.tasks[task].name, chain, value

    def _values(self, index: int) -> dict[str, float]:
        return {name: value for name, chain, value in self._value_rows(index) if chain == WHOLE}

    def _chain_values(self, index: int) -> dict[str, dict[int, float]]:
        found: dict[str, dict[int, float]] = {}
        for name, chain, value in self._value_rows(index):
            if chain != WHOLE:
                found.setdefault(name, {})[chain] = value
        return found

    def _terms(self, index: int) -> dict[str, dict[int, NDArray[np.int32]]]:
        rows = self._rows("term_row", index)
        ends, terms = self.array("term_row_end"), self.array("term")
        found: dict[str, dict[int, NDArray[np.int32]]] = {}
        for row in range(rows.start, rows.stop):
            name = self.tasks[int(self.array("term_row_task")[row])].name
            chain = int(self.array("term_row_chain")[row])
            start = int(ends[row - 1]) if row else 0
            found.setdefault(name, {})[chain] = terms[start : int(ends[row])]
        return found
