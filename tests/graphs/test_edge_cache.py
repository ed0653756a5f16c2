"""The edge cache: the same edges as computed directly, once, wherever it may write."""

from __future__ import annotations

import os
import pickle
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest

from hemenet_lab.graphs import edge_cache
from hemenet_lab.graphs.build import view_edges
from hemenet_lab.graphs.edge_cache import EdgeCache
from hemenet_lab.graphs.view import GraphView
from hemenet_lab.store.reader import Store, StoreError, StoreWriter
from tests.store.entries import TASKS, random_entry

VIEW = GraphView(k=3)


def write_store(path, count):
    with StoreWriter(path, TASKS) as writer:
        for seed in range(count):
            writer.add(random_entry(seed, chains=(6, 3), ligand=seed % 3))
        writer.close()
    return Store(path)


def assert_right(cache, store, view):
    for index in range(len(store)):
        expected, kind = view_edges(store[index], view)
        found = cache[index]
        assert np.array_equal(found[0], expected)
        assert np.array_equal(found[1], kind)
        assert cache.num_edges[index] == len(kind)


@pytest.mark.parametrize("workers", [1, 2])
def test_equals_edges_computed_directly(tmp_path, workers):
    store = write_store(tmp_path / "store", 70)
    cache = EdgeCache(store, VIEW, workers)
    assert cache.path == tmp_path / "store" / "edges" / VIEW.key()
    assert_right(cache, store, VIEW)
    assert_right(pickle.loads(pickle.dumps(cache)), store, VIEW)


def test_is_computed_once_per_view(tmp_path, monkeypatch):
    store = write_store(tmp_path / "store", 3)
    EdgeCache(store, VIEW)
    other = GraphView(nodes="alpha")
    assert_right(EdgeCache(store, other), store, other)
    monkeypatch.setattr(edge_cache, "_compute", lambda *args: pytest.fail("computed again"))
    assert_right(EdgeCache(store, VIEW), store, VIEW)


def test_is_computed_again_for_another_store_or_a_cut_file(tmp_path):
    store = write_store(tmp_path / "store", 3)
    cache = EdgeCache(store, VIEW)
    with (cache.path / "edge_type.npy").open("r+b") as file:
        file.truncate(130)
    assert_right(EdgeCache(store, VIEW), store, VIEW)
    more = write_store(tmp_path / "more", 5)
    (more.path / "edges").mkdir()
    cache.path.rename(more.path / "edges" / VIEW.key())
    assert_right(EdgeCache(more, VIEW), more, VIEW)


def test_read_only_store_uses_the_cache_folder(tmp_path, monkeypatch):
    store = write_store(tmp_path / "store", 2)
    monkeypatch.setenv("HEMENET_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    cache = EdgeCache(store, VIEW)
    assert cache.path == tmp_path / "cache" / "edges" / store.hash[:16] / VIEW.key()
    assert_right(cache, store, VIEW)


def test_two_processes_at_once(tmp_path):
    store = write_store(tmp_path / "store", 20)
    code = (
        "import sys; from hemenet_lab.store import Store\n"
        "from hemenet_lab.graphs import EdgeCache\n"
        "from hemenet_lab.graphs import GraphView\n"
        "print(EdgeCache(Store(sys.argv[1]), GraphView(k=3)).num_edges.sum())"
    )
    command = [sys.executable, "-c", code, str(store.path)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    totals = {process.communicate(timeout=120)[0].strip() for process in running}
    assert totals == {str(EdgeCache(store, VIEW).num_edges.sum())}
    assert [path.name for path in (store.path / "edges").iterdir() if path.is_dir()] == [VIEW.key()]


def test_a_killed_process_leaves_neither_its_lock_nor_its_draft(tmp_path):
    store = write_store(tmp_path / "store", 3)
    code = (
        "import os, signal, sys; from hemenet_lab.graphs import EdgeCache, GraphView, edge_cache\n"
        "from hemenet_lab.store import Store\n"
        "edge_cache._write = lambda *args: os.kill(os.getpid(), signal.SIGKILL)\n"
        "EdgeCache(Store(sys.argv[1]), GraphView(k=3))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(store.path)], timeout=120, check=False)
    folder = store.path / "edges"
    assert done.returncode == -signal.SIGKILL
    assert len(list(folder.glob(f".{VIEW.key()}.*.partial"))) == 1
    assert_right(EdgeCache(store, VIEW), store, VIEW)
    assert list(folder.glob("*.partial")) == []


def test_edges_that_are_replaced_while_they_are_read_are_noticed(tmp_path):
    store, more = write_store(tmp_path / "store", 3), write_store(tmp_path / "more", 5)
    cache = EdgeCache(store, VIEW)
    assert len(cache.num_edges) == 3
    new = EdgeCache(more, VIEW)
    shutil.rmtree(cache.path)
    new.path.rename(cache.path)
    with pytest.raises(StoreError, match="were computed anew or removed while they were read"):
        cache[0]


@pytest.mark.parametrize("name", ["edge_index", "edge_type"])
def test_changed_bit_is_noticed_at_the_first_read(tmp_path, name):
    store = write_store(tmp_path / "store", 3)
    path = EdgeCache(store, VIEW).path / f"{name}.npy"
    data = bytearray(path.read_bytes())
    data[-1] ^= 4
    path.write_bytes(bytes(data))
    cache = EdgeCache(store, VIEW)
    cache[0]
    with pytest.raises(StoreError, match=r"edges of entry 2 in .* are damaged; remove this folder"):
        cache[2]


@pytest.mark.parametrize("name", ["edge_offset", "edge_checksum"])
def test_changed_bit_of_a_table_makes_the_edges_anew(tmp_path, name):
    store = write_store(tmp_path / "store", 3)
    path = EdgeCache(store, VIEW).path / f"{name}.npy"
    data = bytearray(path.read_bytes())
    data[-1] ^= 4
    path.write_bytes(bytes(data))
    assert_right(EdgeCache(store, VIEW), store, VIEW)
