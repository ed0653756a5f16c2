"""Edges of a whole store in one view, computed once and memory-mapped by every process."""

from __future__ import annotations

import json
import os
import shutil
import zlib
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray
from rich.progress import track

from hemenet_lab.basics import are_recorded, record_files, usable_cores
from hemenet_lab.graphs.build import view_edges
from hemenet_lab.graphs.view import GraphView
from hemenet_lab.store import GrowingArray, Store, StoreError, cache_folder, open_current

VERSION = 2
"""Raised when edges of the same view come out differently; older caches are then made anew."""
CHUNK = 16
"""Entries per job."""
FEW = 64
"""Stores up to this size are done in this process, without a progress bar."""
INFO = "edges.json"
SMALL = ("edge_offset.npy", "edge_checksum.npy")
"""Files with a number per entry, whose digests are checked when the cache is opened; the edges
themselves are checked entry by entry when they are first read."""
Edges = tuple[NDArray[np.int32], NDArray[np.int8]]


class EdgeCache:
    """Edges of every entry of a store.

    They lie in ``<store>/edges/<view key>``, or below `cache_folder` where the store cannot be
    written to. What is not there is computed, in parallel; of several processes that start at once,
    one computes and the others wait for it.

    Args:
        store: The entries.
        view: Kind of edges.
        workers: Processes that compute; all cores that this process may use if None.
    """

    def __init__(self, store: Store, view: GraphView, workers: int | None = None) -> None:
        self.path = _folder(store, view)
        self.view = view
        self._store_hash = store.hash
        if not _is_current(self.path, store):  # a current one may lie where no lock can be made
            with FileLock(f"{self.path}.lock"):
                if not _is_current(self.path, store):
                    _compute(store, view, self.path, workers or usable_cores())
        self._arrays: dict[str, NDArray[Any]] = {}
        self._checked = bytearray(len(store))

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_arrays": {}}

    def __getitem__(self, index: int) -> Edges:
        """``edge_index`` [2, E] int32 and ``edge_type`` [E] int8 of an entry.

        Raises:
            StoreError: The entry's edges are not those that were written.
        """
        offset = self._array("edge_offset")
        rows = slice(int(offset[index]), int(offset[index + 1]))
        edges, kinds = self._array("edge_index")[rows], self._array("edge_type")[rows]
        if not self._checked[index]:  # once per process: a later read finds the same pages
            if _checksum(edges, kinds) != self._array("edge_checksum")[index]:
                raise StoreError(
                    f"the edges of entry {index} in {self.path} are damaged; remove this folder, "
                    "they are then computed again"
                )
            self._checked[index] = True
        return edges.T, kinds

    @property
    def num_edges(self) -> NDArray[np.int64]:
        """[n], edges of each entry's graph."""
        return np.diff(self._array("edge_offset"))

    def _array(self, name: str) -> NDArray[Any]:
        if name not in self._arrays:
            self._arrays[name] = open_current(
                self.path,
                name,
                INFO,
                ("store", self._store_hash),
                f"the edges in {self.path} were computed anew or removed while they were read; "
                "start again, and build into another folder while a run goes on",
            )
        return self._arrays[name]


def _checksum(edges: NDArray[np.int32], kinds: NDArray[np.int8]) -> int:
    """CRC-32 of one entry's edges ([E, 2], as they lie in the file) and their types."""
    return zlib.crc32(
        np.ascontiguousarray(kinds).data, zlib.crc32(np.ascontiguousarray(edges).data)
    )


def _folder(store: Store, view: GraphView) -> Path:
    beside = store.path / "edges"
    try:
        beside.mkdir(exist_ok=True)
        writable = os.access(beside, os.W_OK)
    except OSError:
        writable = False
    if writable or _is_current(beside / view.key(), store):
        return beside.resolve() / view.key()
    folder = cache_folder() / "edges" / store.hash[:16]
    folder.mkdir(parents=True, exist_ok=True)
    return folder.resolve() / view.key()


def _is_current(path: Path, store: Store) -> bool:
    try:
        info = json.loads((path / INFO).read_text())
        of_now = (info["version"], info["store"], {*info["sha256"]}) == (
            VERSION,
            store.hash,
            {*SMALL},
        )
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return of_now and are_recorded(path, info)


def _compute(store: Store, view: GraphView, path: Path, workers: int) -> None:
    # only the holder of the lock comes here: whatever else there is was left by a killed process
    for left in path.parent.glob(f".{path.name}.*.partial"):
        shutil.rmtree(left, ignore_errors=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.partial")
    draft.mkdir()
    try:
        _write(store, view, draft, workers)
        shutil.rmtree(path, ignore_errors=True)
        draft.rename(path)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _write(store: Store, view: GraphView, draft: Path, workers: int) -> None:
    arrays = {
        "edge_index": GrowingArray(draft / "edge_index.npy", "<i4", 2),
        "edge_type": GrowingArray(draft / "edge_type.npy", "<i1"),
        "edge_offset": GrowingArray(draft / "edge_offset.npy", "<i8"),
        "edge_checksum": GrowingArray(draft / "edge_checksum.npy", "<u4"),
    }
    arrays["edge_offset"].append([0])
    for index, kind in _all_edges(store, view, workers):
        arrays["edge_index"].append(index.T)
        arrays["edge_type"].append(kind)
        arrays["edge_checksum"].append([_checksum(index.T, kind)])
        arrays["edge_offset"].append([len(arrays["edge_type"])])
    for array in arrays.values():
        array.close()
    info = {
        "version": VERSION,
        "store": store.hash,
        "view": asdict(view),
        **record_files(draft, sorted(file.name for file in draft.iterdir()), SMALL),
    }
    (draft / INFO).write_text(json.dumps(info, indent=1))


def _all_edges(store: Store, view: GraphView, workers: int) -> Iterator[Edges]:
    """Edges of each entry in turn."""
    shown = len(store) > FEW
    if not shown or workers == 1:
        for index in _progress(range(len(store)), len(store), shown):
            yield _edges_of(store, view, index)
        return
    chunks = [range(start, min(start + CHUNK, len(store))) for start in range(0, len(store), CHUNK)]
    with ProcessPoolExecutor(
        min(workers, len(chunks)), initializer=_open, initargs=(store.path, view)
    ) as pool:
        for found in _progress(pool.map(_chunk_edges, chunks), len(chunks), shown):
            yield from found


def _progress(work: Any, total: int, shown: bool) -> Any:
    return track(work, "Finding neighbours", total=total, disable=not shown, transient=True)


_opened: dict[str, Any] = {}
"""The store and view of a worker process."""


def _open(path: Path, view: GraphView) -> None:
    _opened.update(store=Store(path), view=view)


def _chunk_edges(indices: range) -> list[Edges]:
    return [_edges_of(_opened["store"], _opened["view"], index) for index in indices]


def _edges_of(store: Store, view: GraphView, index: int) -> Edges:
    edge_index, edge_type = view_edges(store[index], view)
    return edge_index.astype(np.int32), edge_type.astype(np.int8)
