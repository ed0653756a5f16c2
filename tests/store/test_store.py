"""The store: what goes in comes out, byte for byte, and what is wrong is refused."""

from __future__ import annotations

import json
import pickle
import shutil
from dataclasses import fields, replace

import numpy as np
import pytest

from hemenet_lab.store.fields import MANIFEST, checksum, content_hash
from hemenet_lab.store.reader import Store, StoreError, StoreWriter
from tests.store.entries import TASKS, random_entry


def entries():
    return [
        random_entry(0, values={"lba": 6.1}, terms={"ec": {0: [0, 4], 1: []}, "cc": {1: [2]}}),
        random_entry(1, chains=(1,), ligand=0, kind="chain", entry_id="Ünïcode-A"),
        random_entry(2, chains=(), ligand=1),
        random_entry(3, chains=(3, 2, 1), values={"lba": -1.5, "ppa": 0.1}),
    ]


def write(path, items=None, splits=True, **manifest):
    items = entries() if items is None else items
    with StoreWriter(path, TASKS) as writer:
        for entry in items:
            writer.add(entry)
        if splits:
            writer.set_split("default", {items[0].id: "train", items[3].id: "test"})
            writer.set_full_label([items[3].id])
        writer.close(manifest)
    return Store(path)


def assert_same(found, expected):
    for field in fields(expected):
        ours, theirs = getattr(found, field.name), getattr(expected, field.name)
        if isinstance(theirs, np.ndarray):
            assert ours.dtype == theirs.dtype, field.name
            assert np.array_equal(ours, theirs), field.name
        elif field.name != "terms":
            assert ours == theirs, field.name
    assert {name: set(rows) for name, rows in found.terms.items()} == {
        name: set(rows) for name, rows in expected.terms.items()
    }
    for name, rows in expected.terms.items():
        for chain, terms in rows.items():
            assert found.terms[name][chain].tolist() == terms.tolist()


def test_entries_come_back(tmp_path):
    store = write(tmp_path / "store")
    assert len(store) == 4
    for index, entry in enumerate(entries()):
        assert_same(store[index], entry)
    assert store.ids == tuple(entry.id for entry in entries())
    assert store.index("Ünïcode-A") == 1
    assert store.tasks == TASKS
    with pytest.raises(IndexError, match="entry 4 of a store with 4"):
        store[4]
    with pytest.raises(StoreError, match="no entry 'x'"):
        store.index("x")


def test_tables(tmp_path):
    store = write(tmp_path / "store", code_version="abc")
    items = entries()
    assert store.num_atoms.tolist() == [entry.num_atoms for entry in items]
    assert store.num_nodes.tolist() == [entry.num_nodes for entry in items]
    assert store.num_chains.tolist() == [2, 1, 0, 3]
    assert store.num_labels.tolist() == [[1, 0, 2, 0, 0, 1], [0] * 6, [0] * 6, [1, 1, 0, 0, 0, 0]]
    assert store.labelled[0].tolist() == [True, False, True, False, False, True]
    assert store.split().tolist() == [0, 3, 3, 2]
    assert store.split_names == ("default",)
    assert store.full_label.tolist() == [False, False, False, True]
    assert store.counts()["train"] == {"lba": 1, "ppa": 0, "ec": 2, "mf": 0, "bp": 0, "cc": 1}
    assert store.counts()["test"]["ppa"] == 1
    assert store.manifest["code_version"] == "abc"
    with pytest.raises(StoreError, match="no split 'published'; it has default"):
        store.split("published")


def test_same_input_gives_the_same_bytes(tmp_path):
    first, again = write(tmp_path / "a", n=1), write(tmp_path / "b", n=1)
    names = sorted(path.name for path in first.path.iterdir())
    assert names == sorted(path.name for path in again.path.iterdir())
    for name in names:
        assert (first.path / name).read_bytes() == (again.path / name).read_bytes(), name
    assert first.hash == again.hash
    moved = entries()
    moved[0].coords[0, 0] += 1e-3
    assert write(tmp_path / "c", moved).hash != first.hash
    assert write(tmp_path / "d", n=2).hash == first.hash  # further fields are not content


def test_empty_store(tmp_path):
    store = write(tmp_path / "store", [], splits=False)
    assert (len(store), store.ids, store.num_atoms.tolist()) == (0, (), [])
    assert store.labelled.shape == (0, 6)


def test_pickle_carries_no_data(tmp_path):
    store = write(tmp_path / "store")
    _ = store.ids, store[0]
    copy = pickle.loads(pickle.dumps(store))
    assert copy._arrays == {}
    assert_same(copy[3], entries()[3])
    with pytest.raises(ValueError, match="read-only"):
        copy[0].coords[0] = 0


@pytest.mark.parametrize("pickled", [True, False])
def test_a_store_that_is_replaced_while_it_is_read_is_noticed(tmp_path, pickled):
    """Arrays of two stores must never be mixed: one was mapped before, the other after."""
    store = write(tmp_path / "store")
    assert len(store.array("coords")) > 0
    write(tmp_path / "other", entries()[::-1], splits=False)
    shutil.rmtree(store.path)
    reader = pickle.loads(pickle.dumps(store)) if pickled else store
    with pytest.raises(StoreError, match="was built anew or removed while it was read"):
        reader.array("node_type")
    (tmp_path / "other").rename(store.path)
    with pytest.raises(StoreError, match="build into another folder while a run goes on"):
        reader[0]


def test_the_same_store_built_again_goes_on(tmp_path):
    store = write(tmp_path / "store")
    assert len(store.array("coords")) > 0
    shutil.rmtree(store.path)
    write(tmp_path / "store")
    assert_same(store[1], entries()[1])


def test_nothing_is_left_after_a_failure(tmp_path):
    with pytest.raises(StoreError), StoreWriter(tmp_path / "store", TASKS) as writer:
        writer.add(replace(random_entry(0), chain_uniprot=("P1",)))
    assert list(tmp_path.iterdir()) == []


def test_the_end_of_a_block_closes_the_store(tmp_path):
    with StoreWriter(tmp_path / "store", TASKS) as writer:
        writer.add(random_entry(0))
    assert Store(tmp_path / "store").ids == ("e00000",)


def test_existing_folder_is_never_overwritten(tmp_path):
    write(tmp_path / "store")
    with pytest.raises(StoreError, match="exists already; remove it or choose another"):
        StoreWriter(tmp_path / "store", TASKS)


def spoil(store, name, change):
    path = store.path / name
    path.write_bytes(change(path.read_bytes()))


def test_damaged_stores_are_refused(tmp_path):
    with pytest.raises(StoreError, match=r"is not a store .*hemenet data build"):
        Store(tmp_path)
    store = write(tmp_path / "store")
    spoil(store, "coords.npy", lambda data: data[:-4])
    with pytest.raises(
        StoreError, match=r"coords.npy is \d+ bytes long, .* copy or build it again"
    ):
        Store(store.path)
    (store.path / "coords.npy").unlink()
    with pytest.raises(StoreError, match=r"coords.npy is missing"):
        Store(store.path)
    spoil(store, MANIFEST, lambda data: data[:50])
    with pytest.raises(StoreError, match="not readable"):
        Store(store.path)


def test_other_format_version_is_refused(tmp_path):
    store = write(tmp_path / "store")
    record = {**store.manifest, "format_version": 99}
    (store.path / MANIFEST).write_text(json.dumps(record))
    with pytest.raises(StoreError, match=r"version 99, this program reads .* version 1; build"):
        Store(store.path)


def test_wrong_splits_are_refused(tmp_path):
    with StoreWriter(tmp_path / "store", TASKS) as writer:
        writer.add(random_entry(0))
        with pytest.raises(
            StoreError, match="parts \\['dev'\\]; parts are train, val, test, unused"
        ):
            writer.set_split("default", {"e00000": "dev"})
        with pytest.raises(StoreError, match="no entry 'e9'; add entries before"):
            writer.set_split("default", {"e9": "train"})
        with pytest.raises(StoreError, match=r"fields \['tasks'\] are written by the store"):
            writer.close({"tasks": 1})


def test_full_sequences_come_back_and_stores_without_any_stay_as_they_were(tmp_path):
    first, *others = entries()
    known = replace(first, chain_sequence=("", "mk" + first.sequences[1] + "x"))
    plain, store = write(tmp_path / "plain"), write(tmp_path / "store", [known, *others])
    assert_same(store[0], known)
    assert [store[index].chain_sequence for index in (1, 2, 3)] == [("",), (), ("", "", "")]
    assert store.has_sequences
    assert not plain.has_sequences
    more = {file.name for file in store.path.iterdir()} - {f.name for f in plain.path.iterdir()}
    assert more == {"chain_sequence.npy", "chain_sequence_end.npy"}
    same = {name: said for name, said in store.manifest["files"].items() if name not in more}
    assert same == plain.manifest["files"]
    assert pickle.loads(pickle.dumps(store))[0].chain_sequence == known.chain_sequence


FAULTS = {
    "has no nodes": lambda e: replace(e, node_type=e.node_type[:0]),
    "coords is float64": lambda e: replace(e, coords=e.coords.astype(float)),
    "entity is int8 .3,.": lambda e: replace(e, entity=e.entity[:3]),
    "not finite": lambda e: replace(e, coords=e.coords * np.float32("nan")),
    "node_atoms must": lambda e: replace(e, node_atoms=np.roll(e.node_atoms, 1) + np.uint8(1)),
    "node types must be 0 to 29": lambda e: replace(e, node_type=e.node_type + np.int8(30)),
    "node_chain must be -1 to 0": lambda e: replace(e, chain_names=("A",), chain_uniprot=()),
    "ascending slot order": lambda e: replace(e, atom_slot=e.atom_slot * np.int8(0)),
    "UniProt fields": lambda e: replace(e, chain_uniprot=("P1",)),
    "1 sequences for 2 chains": lambda e: replace(e, chain_sequence=("w",)),
    "capital letters of .* chain 1 are not": lambda e: replace(
        e, chain_sequence=("a" + e.sequences[0], e.sequences[1][:-1])
    ),
    "chain 0 has other letters": lambda e: replace(e, chain_sequence=("-" + e.sequences[0], "")),
    "lba is nan": lambda e: replace(e, values={"lba": float("nan")}),
    "value for ec": lambda e: replace(e, values={"ec": 1.0}),
    "terms for lba": lambda e: replace(e, terms={"lba": {0: np.array([0])}}),
    "ec: chain 2 of 2": lambda e: replace(e, terms={"ec": {2: np.array([0])}}),
    "ec: terms must be 0 to 4": lambda e: replace(e, terms={"ec": {0: np.array([5])}}),
}


@pytest.mark.parametrize("message", FAULTS)
def test_faulty_entries_are_refused(tmp_path, message):
    with StoreWriter(tmp_path / "store", TASKS) as writer:
        with pytest.raises(StoreError, match=f"entry e00000: .*{message}"):
            writer.add(FAULTS[message](random_entry(0)))
        writer.add(random_entry(0))
        with pytest.raises(StoreError, match="e00000 was added twice"):
            writer.add(random_entry(0))


@pytest.mark.parametrize("name", ["num_entries", "tasks", "splits", "files", "hash"])
def test_manifest_with_a_missing_or_changed_field(tmp_path, name):
    store = write(tmp_path / "store")
    record = dict(store.manifest)
    for changed in ({k: v for k, v in record.items() if k != name}, {**record, name: "x"}):
        (store.path / MANIFEST).write_text(json.dumps(changed))
        with pytest.raises(StoreError, match=rf"{name} is|was changed"):
            Store(store.path)


def test_changed_bit_of_the_manifest(tmp_path):
    """Each changed letter of what the hash covers is noticed when the store is opened."""
    store = write(tmp_path / "store")
    text = (store.path / MANIFEST).read_bytes()
    for place in range(0, len(text), 7):
        changed = bytearray(text)
        changed[place] ^= 2
        (store.path / MANIFEST).write_bytes(bytes(changed))
        try:
            again = Store(store.path)
        except StoreError:
            continue
        # what may differ is white space only
        assert again.manifest == store.manifest


def test_tasks_of_another_form(tmp_path):
    store = write(tmp_path / "store")
    record = {**store.manifest, "tasks": [{"name": "x"}]}
    record["hash"] = content_hash(record)
    record["checksum"] = checksum(record)
    (store.path / MANIFEST).write_text(json.dumps(record))
    with pytest.raises(StoreError, match="its tasks are not readable"):
        Store(store.path)
