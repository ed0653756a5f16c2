"""A flipped bit in a store is noticed on opening or reading, or changes nothing that is read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hemenet_lab.protein_mt.build import build_store
from hemenet_lab.store import Store, StoreError, StoreWriter
from tests.protein_mt.raw_folder import write_raw
from tests.soak.flips import flip_run
from tests.store.entries import TASKS, random_entry
from tests.store.small_store import small_store


def damage(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 4
    path.write_bytes(content)


def test_few_flips_of_a_built_store(tmp_path: Path) -> None:
    """The long run is ``python -m tests.soak.flips``."""
    store = build_store(write_raw(tmp_path / "raw"), tmp_path / "store").path
    counts = flip_run(store, 60, seed=1)
    allowed = ("noticed", "harmless")
    assert all(any(word in name for word in allowed) for name in counts), counts
    assert not [name for name in counts if "CRASH" in name or "other content" in name], counts
    assert sum(count for name, count in counts.items() if "by reading" in name) > 25


@pytest.mark.parametrize("name", ["coords", "node_type", "atom_slot", "node_atoms"])
def test_a_flip_in_an_entry_is_noticed_when_that_is_read(tmp_path: Path, name: str) -> None:
    path = small_store(tmp_path / "s", 20).path
    damage(path / f"{name}.npy", -1)
    store = Store(path)
    assert store[0].num_atoms
    with pytest.raises(StoreError, match="is damaged: its arrays do not have their checksum"):
        store[19]


def test_a_flip_in_a_header_is_a_clear_error_or_harmless(tmp_path: Path) -> None:
    """Numpy parses headers as Python, with errors of any kind."""
    path = small_store(tmp_path / "s", 20).path
    whole, before = (path / "coords.npy").read_bytes(), Store(path).array("coords")[:].tobytes()
    noticed = 0
    for place in range(12, 70):
        damage(path / "coords.npy", place)
        try:
            store = Store(path)
            found = b"".join(store[index].coords.tobytes() for index in range(len(store)))
            assert found == before
        except StoreError:
            noticed += 1
        (path / "coords.npy").write_bytes(whole)
    assert noticed > 40


@pytest.mark.parametrize(
    "name", ["num_labels", "split_default", "id", "value", "term", "node_offset", "entry_checksum"]
)
def test_a_flip_in_a_small_array_is_noticed_on_opening(tmp_path: Path, name: str) -> None:
    path = small_store(tmp_path / "s", 20).path
    damage(path / f"{name}.npy", -1)
    with pytest.raises(StoreError, match=rf"{name}.npy was changed or is damaged"):
        Store(path)


@pytest.mark.parametrize("name", ["entries.csv", "chains.csv"])
@pytest.mark.parametrize("lines", [0, 3, -1])
def test_cut_tables_are_noticed_on_opening(tmp_path: Path, name: str, lines: int) -> None:
    path = build_store(write_raw(tmp_path / "raw"), tmp_path / "store").path
    whole = (path / name).read_text().splitlines(keepends=True)
    (path / name).write_text("".join(whole[:lines]))
    with pytest.raises(StoreError, match=f"{name} was changed or is damaged"):
        Store(path)
    (path / name).unlink()
    with pytest.raises(StoreError, match=name):
        Store(path)


def test_stores_of_before_have_no_checksums_of_entries(tmp_path: Path) -> None:
    with StoreWriter(tmp_path / "s", TASKS) as writer:
        writer.add(random_entry(0, values={"lba": 5.0}))
        writer.close()
    store = Store(tmp_path / "s")
    del store.manifest["files"]["entry_checksum.npy"]
    damage(tmp_path / "s" / "coords.npy", -1)
    assert np.isfinite(store[0].coords).all()
