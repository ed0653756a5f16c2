"""Writing a store: entries go in one by one, the folder appears whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemenet_lab.basics import file_digest
from hemenet_lab.store.entry import WHOLE, Entry, check_entry
from hemenet_lab.store.fields import (
    ATOM_FIELDS,
    CHAIN_SEQUENCE,
    CHECKSUM,
    FORMAT,
    FORMAT_VERSION,
    HASHED,
    LARGE,
    LEVELS,
    MANIFEST,
    NODE_FIELDS,
    SPLIT_NAMES,
    UNUSED,
    GrowingArray,
    StoreError,
    all_fields,
    checksum,
    content_hash,
    entry_checksum,
)
from hemenet_lab.tasks import Task

OWN_FIELDS = (*HASHED, "hash", CHECKSUM)
"""Fields of the manifest that the store itself writes."""


class StoreWriter:
    """Writes a store in one pass, with memory that does not grow with the number of atoms.

    The same entries in the same order give the same bytes. Everything lies in a temporary folder
    until `close`, which the end of a ``with`` block calls if need be; an error in the block removes
    the folder.

    Args:
        path: Folder of the store; it must not hold anything yet.
        tasks: Tasks of the store, in the order of their outputs.
        b_factors: Keep the entries' B-factors, which all must have then.
        chemistry: Keep the chemistry of ligand atoms, which all must have then.
    """

    def __init__(
        self,
        path: str | Path,
        tasks: Iterable[Task],
        *,
        b_factors: bool = False,
        chemistry: bool = False,
    ) -> None:
        self.path = Path(path)
        self.tasks = tuple(tasks)
        if self.path.is_file() or (self.path.is_dir() and any(self.path.iterdir())):
            raise StoreError(f"{self.path} exists already; remove it or choose another folder")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._folder = self.path.parent / f".{self.path.name}.{os.getpid()}.partial"
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir()
        self._task_index = {task.name: index for index, task in enumerate(self.tasks)}
        self._index: dict[str, int] = {}
        self._num_labels: list[list[int]] = []
        self._splits: dict[str, NDArray[np.int8]] = {}
        self._full_label: set[str] = set()
        self._arrays = {
            field.name: GrowingArray(self._folder / f"{field.name}.npy", field.dtype, field.width)
            for field in all_fields(
                chain_values=self._has_chain_values(), b_factors=b_factors, chemistry=chemistry
            )
        }
        self._large = [field.name for field in LARGE if field.name in self._arrays]
        self._mark_ends()

    def __enter__(self) -> StoreWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self.discard()
        elif self._folder.exists():
            self.close()

    def __len__(self) -> int:
        return len(self._index)

    def add(self, entry: Entry) -> None:
        """Appends an entry.

        Raises:
            StoreError: An id that is there already, or arrays and labels that contradict each
                other.
        """
        if entry.id in self._index:
            raise StoreError(f"entry {entry.id} was added twice; ids must be unique")
        check_entry(entry, self.tasks)
        for name, words in (("b_factor", "B-factors"), ("chemistry", "chemistry of ligand atoms")):
            if name in self._arrays:
                if getattr(entry, name) is None:
                    raise StoreError(f"entry {entry.id} has no {words}, which this store keeps")
                self._arrays[name].append(getattr(entry, name))
        kept = {name: getattr(entry, name) for name in self._large}
        self._arrays["entry_checksum"].append([entry_checksum(kept)])
        self._index[entry.id] = len(self._index)
        for field in (*NODE_FIELDS, *ATOM_FIELDS):
            self._arrays[field.name].append(getattr(entry, field.name))
        self._add_text("id", (entry.id,))
        self._add_text("kind", (entry.kind,))
        self._add_text("chain_name", entry.chain_names)
        for name in ("chain_uniprot", "chain_sequence"):
            self._add_text(name, getattr(entry, name) or ("",) * entry.num_chains)
        self._add_labels(entry)
        self._mark_ends()

    def set_split(self, name: str, parts: Mapping[str, str]) -> None:
        """Stores a split: entry id → ``train``, ``val``, ``test`` or ``unused``.

        Entries without a part are unused.

        Raises:
            StoreError: An id or a part that does not exist.
        """
        wrong = sorted(set(parts.values()) - set(SPLIT_NAMES))
        if wrong or not name.isidentifier():
            raise StoreError(
                f"split {name!r} has the parts {wrong}; parts are {', '.join(SPLIT_NAMES)}, "
                "names are plain words"
            )
        codes = np.full(len(self), UNUSED, dtype=np.int8)
        for entry_id, part in parts.items():
            codes[self._find(entry_id)] = SPLIT_NAMES.index(part)
        self._splits[name] = codes

    def set_full_label(self, ids: Iterable[str]) -> None:
        """Marks the entries that have labels of all kinds on all their annotated chains."""
        self._full_label = set(ids)
        for entry_id in sorted(self._full_label):
            self._find(entry_id)

    def close(self, manifest: Mapping[str, Any] | None = None) -> str:
        """Finishes the store under its final name and returns its hash.

        Args:
            manifest: Further fields for ``manifest.json``: settings, sources, counts, ...
        """
        taken = sorted(set(OWN_FIELDS) & set(manifest or {}))
        if taken:
            raise StoreError(f"the manifest fields {taken} are written by the store itself")
        for array in self._arrays.values():
            array.close()
        if not len(self._arrays[CHAIN_SEQUENCE[0]]):  # such a store has the bytes that it had
            for name in CHAIN_SEQUENCE:
                (self._folder / f"{name}.npy").unlink()
        self._save_tables()
        record = self._manifest()
        record.update(manifest or {})
        # through JSON and back, as a reader sees it: keys are text, tuples are lists
        record = json.loads(json.dumps(record, ensure_ascii=False))
        record[CHECKSUM] = checksum(record)
        text = json.dumps(record, indent=1, sort_keys=True, ensure_ascii=False)
        (self._folder / MANIFEST).write_text(text + "\n", encoding="utf-8")
        try:
            self._folder.rename(self.path)
        except OSError as error:
            raise StoreError(f"cannot put the store at {self.path}: {error}") from error
        return str(record["hash"])

    def discard(self) -> None:
        """Removes what was written so far."""
        for array in self._arrays.values():
            array.abandon()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _has_chain_values(self) -> bool:
        return any((task.kind, task.level) == ("regression", "chain") for task in self.tasks)

    def _find(self, entry_id: str) -> int:
        if entry_id not in self._index:
            raise StoreError(f"there is no entry {entry_id!r}; add entries before their splits")
        return self._index[entry_id]

    def _add_text(self, name: str, texts: Iterable[str]) -> None:
        for text in texts:
            self._arrays[name].append(np.frombuffer(text.encode(), dtype=np.uint8))
            self._arrays[f"{name}_end"].append([len(self._arrays[name])])

    def _add_labels(self, entry: Entry) -> None:
        counts = [0] * len(self.tasks)
        values = [(name, WHOLE, value) for name, value in sorted(entry.values.items())]
        for name, of_chains in sorted(entry.chain_values.items()):
            values += [(name, chain, value) for chain, value in sorted(of_chains.items())]
        for name, chain, value in values:
            self._arrays["value_task"].append([self._task_index[name]])
            self._arrays["value"].append([value])
            if "value_chain" in self._arrays:
                self._arrays["value_chain"].append([chain])
            counts[self._task_index[name]] += 1
        for name, chains in sorted(entry.terms.items()):
            for chain, terms in sorted(chains.items()):
                self._arrays["term"].append(np.unique(terms))
                self._arrays["term_row_task"].append([self._task_index[name]])
                self._arrays["term_row_chain"].append([chain])
                self._arrays["term_row_end"].append([len(self._arrays["term"])])
            counts[self._task_index[name]] = len(chains)
        self._num_labels.append(counts)

    def _mark_ends(self) -> None:
        rows = {
            "node": "node_type",
            "atom": "coords",
            "chain": "chain_name_end",
            "value": "value",
            "term_row": "term_row_end",
        }
        for level in LEVELS:
            self._arrays[f"{level}_offset"].append([len(self._arrays[rows[level]])])

    def _save_tables(self) -> None:
        counts = np.array(self._num_labels, dtype="<i2").reshape(len(self), len(self.tasks))
        np.save(self._folder / "num_labels.npy", counts)
        full = np.array([name in self._full_label for name in self._index], dtype=bool)
        np.save(self._folder / "full_label.npy", full)
        for name, codes in self._splits.items():
            # entries that came after the split was set are unused
            late = np.full(len(self) - len(codes), UNUSED, dtype=np.int8)
            np.save(self._folder / f"split_{name}.npy", np.concatenate([codes, late]))

    def _manifest(self) -> dict[str, Any]:
        files = {}
        for path in sorted(self._folder.iterdir()):
            files[path.name] = {"bytes": path.stat().st_size, "sha256": file_digest(path)}
        record = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "num_entries": len(self),
            "tasks": [task.to_dict() for task in self.tasks],
            "splits": sorted(self._splits),
            "files": files,
        }
        return {**record, "hash": content_hash(record)}
