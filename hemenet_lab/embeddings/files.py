"""Embeddings of all chains of a store in memory-mapped files, made once and shared by all runs."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray
from rich.progress import Progress

from hemenet_lab.basics import are_recorded, record_files
from hemenet_lab.embeddings.language_model import OVERLAP, LanguageModel
from hemenet_lab.embeddings.names import ModelName
from hemenet_lab.embeddings.texts import LONGEST_GAP, chain_texts, residue_rows, text_key
from hemenet_lab.store import Entry, Store, StoreError, cache_folder, open_array

VERSION = 1
"""Raised when the same model and sequence get other embeddings; older files are then made anew."""
MANIFEST = "manifest.json"
DONE = "done.json"
VECTORS = "embedding.npy"
SMALL = ("key.npy", "offset.npy", "checksum.npy")
CHUNK = 65_536
"""Letters between two points from which a killed run goes on."""
Half = NDArray[np.float16]


class StoredEmbeddings:
    """Embeddings of the residues of a store's entries.

    Copies of a chain share their rows, which are found by the hash of the chain's letters. Only
    maps are held: a copy for a worker process opens them again.

    Args:
        store: The entries.
        name: The language model.
        shown: What the store is called in the message that says how to make them.

    Raises:
        StoreError: They have not been made; says by which command they are.
    """

    def __init__(self, store: Store, name: ModelName, shown: str = "") -> None:
        command = f"hemenet data embed {shown or store.path} {name.words()}"
        found = [place for place in _places(store, name) if (place / MANIFEST).is_file()]
        current = [place for place in found if is_current(place, store, name)]
        if not current:
            why = "those of another state of the store, or damaged ones" if found else "none"
            raise StoreError(
                f"the model reads embeddings by {name.name}, and {shown or store.path} has {why}; "
                f"make them with: {command}"
            )
        self.path = current[0]
        self.manifest: dict[str, Any] = json.loads((self.path / MANIFEST).read_text())
        self.width = int(self.manifest["width"])
        self._arrays: dict[str, NDArray[Any]] = {}
        self._rows: dict[bytes, int] = {}
        self._checked: set[int] = set()
        self._command = command

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_arrays": {}, "_rows": {}}

    def of(self, entry: Entry) -> Half:
        """Embeddings of an entry's residues, [residues, width], in the order of its nodes.

        Raises:
            StoreError: A chain that has none, or damaged ones.
        """
        rows = {each.text: self.text(each.text) for each in chain_texts(entry) if each.text}
        return residue_rows(entry, rows, self.width)

    def __contains__(self, text: str) -> bool:
        return text_key(text) in self._index()

    def text(self, text: str) -> Half:
        """Embeddings of a chain's letters, [letters, width].

        Raises:
            StoreError: There are none, or they are damaged.
        """
        place = self._index().get(text_key(text))
        if place is None:
            raise StoreError(f"{self.path} has no embeddings of {text[:20]}…; {self._command}")
        offset = self._array("offset")
        rows: Half = self._array("embedding")[int(offset[place]) : int(offset[place + 1])]
        if place not in self._checked:  # once per process
            if zlib.crc32(np.ascontiguousarray(rows).data) != self._array("checksum")[place]:
                raise StoreError(
                    f"{self.path} is damaged: the embeddings of {text[:20]}… are not those that "
                    f"were written; remove the folder and make them again: {self._command}"
                )
            self._checked.add(place)
        return rows

    def _index(self) -> dict[bytes, int]:
        if not self._rows:
            self._rows = {key.tobytes(): row for row, key in enumerate(self._array("key"))}
        return self._rows

    def _array(self, name: str) -> NDArray[Any]:
        if name not in self._arrays:
            self._arrays[name] = open_array(self.path / f"{name}.npy")
        return self._arrays[name]


def store_texts(store: Store) -> list[str]:
    """The different texts of all chains, the longest first: what is too much fails at once."""
    texts = {each.text for index in range(len(store)) for each in chain_texts(store[index])}
    return sorted(texts - {""}, key=lambda text: (-len(text), text))


def planned_size(texts: Sequence[str], width: int) -> int:
    """Bytes that the embeddings of these texts take."""
    return sum(map(len, texts)) * width * np.dtype(np.float16).itemsize


def is_current(folder: Path, store: Store, name: ModelName) -> bool:
    """Check that a folder has whole embeddings of all of a store's chains by a model."""
    return _is_whole(folder, name) and _manifest(folder).get("store") == store.hash


def embed_store(
    store: Store,
    model: LanguageModel,
    texts: Sequence[str],
    *,
    batch: int = 8192,
    progress: bool = False,
) -> Path:
    """Write the embeddings of a store's chains; what a killed run had written is kept.

    They lie in the store's folder ``embeddings``, or below `cache_folder` where that cannot be
    written to. Rows that an earlier state of the store had are taken over.

    Args:
        store: The entries.
        model: Makes the embeddings.
        texts: Result of `store_texts`.
        batch: Most letters that go through the model at once.
        progress: Show a bar.

    Returns:
        The folder.

    Raises:
        StoreError: There is too little room on the disk.
    """
    folder = _writable(store, model.name)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if is_current(folder, store, model.name):
            return folder
        draft = folder.with_name(f".{folder.name}.partial")
        draft.mkdir(exist_ok=True)
        before = _Earlier(folder) if _is_whole(folder, model.name) else None
        _write(draft, model, texts, before, batch, progress)
        _finish(draft, store, model, texts)
        shutil.rmtree(folder, ignore_errors=True)
        draft.rename(folder)
    return folder


def _write(
    draft: Path,
    model: LanguageModel,
    texts: Sequence[str],
    before: _Earlier | None,
    batch: int,
    progress: bool,
) -> None:
    """Write the vectors, from where an earlier run was killed if it had the same to do."""
    plan = hashlib.sha256("\n".join([model.name.identity, str(VERSION), *texts]).encode())
    total = sum(map(len, texts))
    file = draft / VECTORS
    header = _header(total, model.width)
    done, sums = _resumed(draft, plan.hexdigest())
    start = sum(map(len, texts[:done]))
    _check_room(draft, planned_size(texts, model.width) - start * model.width * 2)
    with file.open("r+b" if file.is_file() else "w+b") as stream:
        stream.write(header)
        stream.truncate(len(header) + start * model.width * 2)
        stream.seek(0, os.SEEK_END)
        with Progress(disable=not progress, transient=True) as shown:
            bar = shown.add_task("Embedding residues", total=total, completed=start)
            for chunk in _chunks(texts[done:]):
                for rows in _vectors(model, chunk, before, batch):
                    stream.write(rows.data)
                    sums.append(zlib.crc32(rows.data))
                stream.flush()
                os.fsync(stream.fileno())
                done += len(chunk)
                _write_json(draft / DONE, {"plan": plan.hexdigest(), "done": done, "sums": sums})
                shown.advance(bar, sum(map(len, chunk)))


def _vectors(
    model: LanguageModel, texts: Sequence[str], before: _Earlier | None, batch: int
) -> Iterator[Half]:
    known = {text: before.text(text) for text in texts if before and text in before}
    new = [text for text in texts if text not in known]
    made = dict(zip(new, model.embed(new, batch), strict=True)) if new else {}
    for text in texts:
        rows = known[text] if text in known else made[text]
        yield np.ascontiguousarray(rows, dtype=np.float16)


class _Earlier(StoredEmbeddings):
    """Embeddings of an earlier state of the store, whatever it was."""

    def __init__(self, folder: Path) -> None:
        self.path = folder
        self._arrays, self._rows, self._checked = {}, {}, set()
        self._command = ""


def _resumed(draft: Path, plan: str) -> tuple[int, list[int]]:
    """Texts that a killed run of the same plan had finished, and their checksums."""
    try:
        found = json.loads((draft / DONE).read_text())
        if found["plan"] == plan and (draft / VECTORS).is_file():
            return int(found["done"]), list(found["sums"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return 0, []


def _finish(draft: Path, store: Store, model: LanguageModel, texts: Sequence[str]) -> None:
    sums = json.loads((draft / DONE).read_text())["sums"] if texts else []
    keys = np.frombuffer(b"".join(map(text_key, texts)), dtype=np.uint8).reshape(-1, 32)
    np.save(draft / "key.npy", keys)
    np.save(draft / "offset.npy", np.cumsum([0, *map(len, texts)], dtype=np.int64))
    np.save(draft / "checksum.npy", np.array(sums, dtype=np.uint32))
    (draft / DONE).unlink(missing_ok=True)
    import torch
    import transformers

    manifest = {
        "version": VERSION,
        "model": model.name.name,
        "revision": model.name.revision,
        "identity": model.name.identity,
        "width": model.width,
        "store": store.hash,
        "sequences": len(texts),
        "letters": sum(map(len, texts)),
        "window": model.window,
        "overlap": OVERLAP,
        "longest_gap": LONGEST_GAP,
        "libraries": {"torch": torch.__version__, "transformers": transformers.__version__},
        **record_files(draft, (VECTORS, *SMALL), SMALL),
    }
    _write_json(draft / MANIFEST, manifest)


def _is_whole(folder: Path, name: ModelName) -> bool:
    """Check that a folder has the files of its manifest, by this model and this program."""
    found = _manifest(folder)
    of_now = found.get("version") == VERSION and found.get("identity") == name.identity
    return of_now and are_recorded(folder, found)


def _manifest(folder: Path) -> Mapping[str, Any]:
    try:
        found = json.loads((folder / MANIFEST).read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _chunks(texts: Sequence[str]) -> Iterator[list[str]]:
    waiting: list[str] = []
    for text in texts:
        waiting.append(text)
        if sum(map(len, waiting)) >= CHUNK:
            yield waiting
            waiting = []
    if waiting:
        yield waiting


def _places(store: Store, name: ModelName) -> tuple[Path, Path]:
    """Folders of the embeddings: in the store, and where it cannot be written to."""
    elsewhere = cache_folder() / "embeddings" / store.hash[:16]
    return store.path.resolve() / "embeddings" / name.key, elsewhere / name.key


def _writable(store: Store, name: ModelName) -> Path:
    beside, elsewhere = _places(store, name)
    try:
        beside.parent.mkdir(exist_ok=True)
    except OSError:
        return elsewhere
    return beside if os.access(beside.parent, os.W_OK) else elsewhere


def _check_room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise StoreError(
            f"the embeddings take {needed / 1e9:.1f} GB more, {folder.parent} has {free / 1e9:.1f} "
            "GB left; make room, or choose a smaller model"
        )


def _header(rows: int, width: int) -> bytes:
    from io import BytesIO

    stream = BytesIO()
    content = {"descr": "<f2", "fortran_order": False, "shape": (rows, width)}
    np.lib.format.write_array_header_1_0(stream, content)
    return stream.getvalue()


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    draft = path.with_name(f"{path.name}.new")
    draft.write_text(json.dumps(content))
    draft.replace(path)
