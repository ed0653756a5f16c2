"""Embeddings of a store in files: made once, resumed after a kill, found by the chain's letters."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hemenet_lab.cli import hemenet
from hemenet_lab.embeddings import (
    LanguageModel,
    ModelName,
    StoredEmbeddings,
    embed_store,
    files,
    load_language_model,
    planned_size,
    store_texts,
)
from hemenet_lab.store import (
    ATOM_FIELDS,
    NODE_FIELDS,
    Entry,
    Store,
    StoreError,
    StoreWriter,
)
from tests.embeddings.tiny import WIDTH
from tests.store.entries import TASKS, random_entry


def store_of(path: Path, seeds: Sequence[int]) -> Store:
    with StoreWriter(path, TASKS) as writer:
        for number, seed in enumerate(seeds):  # copies of a seed have the same chains
            writer.add(random_entry(seed, ligand=2, entry_id=f"e{number}"))
        writer.close()
    return Store(path)


def crop_ends(entry: Entry) -> Entry:
    """The entry without its first two nodes."""
    nodes, atoms = slice(2, None), slice(int(entry.node_atoms[:2].sum()), None)
    of_nodes = {field.name: getattr(entry, field.name)[nodes] for field in NODE_FIELDS}
    of_atoms = {field.name: getattr(entry, field.name)[atoms] for field in ATOM_FIELDS}
    return replace(entry, **of_nodes, **of_atoms)


@pytest.fixture
def name(esm2: Path) -> ModelName:
    return ModelName(str(esm2))


@pytest.fixture
def model(name: ModelName) -> LanguageModel:
    return load_language_model(name)


class Killed(RuntimeError):
    pass


class Watch:
    """Keeps what the model was asked for, and ends a run before it is asked once more than this."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[str] = []
        self.times = 10**6
        original = LanguageModel.embed

        def embed(model: LanguageModel, texts: Sequence[str], *rest: Any) -> Any:
            if not self.times:
                raise Killed
            self.times -= 1
            self.asked += texts
            return original(model, texts, *rest)

        monkeypatch.setattr(LanguageModel, "embed", embed)


def test_entries_find_their_residues(tmp_path: Path, model: LanguageModel) -> None:
    store = store_of(tmp_path / "store", [0, 1, 1, 2])
    texts = store_texts(store)
    assert len(texts) == 6  # two chains each, the copy shares
    folder = embed_store(store, model, texts)
    assert folder.parent == (tmp_path / "store" / "embeddings").resolve()
    size = (folder / "embedding.npy").stat().st_size
    assert planned_size(texts, WIDTH) <= size < planned_size(texts, WIDTH) + 200
    found = StoredEmbeddings(store, model.name)
    for index in range(len(store)):
        entry = store[index]
        [want] = model.of_entries([entry])
        got = found.of(entry)
        assert got.dtype == np.float16
        np.testing.assert_allclose(got.astype(float), want.astype(float), atol=2e-3)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["model"] == model.name.name
    assert manifest["identity"] == model.name.identity
    assert (manifest["sequences"], manifest["width"], manifest["store"]) == (6, WIDTH, store.hash)
    assert np.load(folder / "embedding.npy", mmap_mode="r").shape == (sum(map(len, texts)), WIDTH)


def test_the_deposited_sequence_is_embedded_and_the_residues_picked(
    tmp_path: Path, model: LanguageModel
) -> None:
    """Two copies of a chain that lack other residues share its rows."""
    first = random_entry(0, chains=(20,), ligand=2, entry_id="e0")
    text = first.sequences[0]
    second = replace(crop_ends(first), id="e1")
    first = replace(first, chain_sequence=(f"mkw{text}aa",))
    second = replace(second, chain_sequence=(f"mkw{text[:2].lower()}{text[2:]}aa",))
    with StoreWriter(tmp_path / "store", TASKS) as writer:
        for entry in (first, second, replace(second, id="e2", chain_sequence=())):
            writer.add(entry)
        writer.close()
    store = Store(tmp_path / "store")
    texts = store_texts(store)
    assert texts[0] == f"MKW{text}AA"
    assert len(texts) == 2
    embed_store(store, model, texts)
    found = StoredEmbeddings(store, model.name)
    [whole] = model.embed(texts[:1])
    of_first, of_second, of_third = (found.of(store[index]) for index in range(3))
    np.testing.assert_allclose(of_first, whole[3:-2], atol=2e-3)
    np.testing.assert_array_equal(of_second, of_first[2:])
    assert abs(of_third - of_second).max() > 0.01
    [computed] = model.of_entries([second])
    np.testing.assert_allclose(computed.astype(float), of_second.astype(float), atol=2e-3)


def test_a_killed_run_goes_on(
    tmp_path: Path, model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "CHUNK", 20)
    store, other = (store_of(tmp_path / name, range(5)) for name in ("store", "whole"))
    texts = store_texts(store)
    whole = embed_store(other, model, texts)
    watch = Watch(monkeypatch)
    watch.times = 3
    with pytest.raises(Killed):
        embed_store(store, model, texts)
    with pytest.raises(StoreError, match="none; make them with: hemenet data embed"):
        StoredEmbeddings(store, model.name)
    # half a row more than was finished, as a killed process leaves it
    [draft] = (tmp_path / "store" / "embeddings").glob(".*.partial")
    with (draft / "embedding.npy").open("ab") as stream:
        stream.write(b"\1" * 31)
    watch.times = 10**6
    folder = embed_store(store, model, texts)
    assert watch.asked == texts  # each once
    for file in ("embedding.npy", "key.npy", "offset.npy", "checksum.npy"):
        assert (folder / file).read_bytes() == (whole / file).read_bytes()
    assert embed_store(store, model, texts) == folder
    assert watch.asked == texts


def test_a_rebuilt_store_takes_over_what_is_known(
    tmp_path: Path, model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = store_of(tmp_path / "old", [0, 1])
    made = embed_store(old, model, store_texts(old))
    new = store_of(tmp_path / "new", [1, 2, 0])
    (tmp_path / "new" / "embeddings").mkdir()
    made.rename(tmp_path / "new" / "embeddings" / made.name)
    with pytest.raises(StoreError, match="those of another state of the store, or damaged ones"):
        StoredEmbeddings(new, model.name)
    watch = Watch(monkeypatch)
    embed_store(new, model, store_texts(new))
    assert set(watch.asked) == set(store_texts(new)) - set(store_texts(old))
    StoredEmbeddings(new, model.name).of(new[0])


def test_damage_is_found(tmp_path: Path, model: LanguageModel) -> None:
    store = store_of(tmp_path / "store", [0])
    folder = embed_store(store, model, store_texts(store))
    content = bytearray((folder / "embedding.npy").read_bytes())
    content[-1] ^= 4
    (folder / "embedding.npy").write_bytes(content)
    with pytest.raises(StoreError, match=r"damaged: the embeddings of .* make them again"):
        StoredEmbeddings(store, model.name).of(store[0])
    (folder / "key.npy").write_bytes(b"")
    with pytest.raises(StoreError, match="damaged ones"):
        StoredEmbeddings(store, model.name)


def test_too_little_room_is_told_before(
    tmp_path: Path, model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = store_of(tmp_path / "store", [0])
    monkeypatch.setattr(files.shutil, "disk_usage", lambda path: type("U", (), {"free": 10}))
    with pytest.raises(StoreError, match="make room, or choose a smaller model"):
        embed_store(store, model, store_texts(store))


def test_a_store_that_cannot_be_written_to(
    tmp_path: Path, model: LanguageModel, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = store_of(tmp_path / "store", [0])
    monkeypatch.setattr(files.os, "access", lambda *a: False)
    folder = embed_store(store, model, store_texts(store))
    assert folder.is_relative_to(cache)
    StoredEmbeddings(store, model.name).of(store[0])


def test_the_command_says_how_much_and_where(
    tmp_path: Path, esm2: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store_of(tmp_path / "store", [0])
    words = ["data", "embed", str(tmp_path / "store"), "--model", str(esm2)]
    assert hemenet(words) == 0
    size, folder = capsys.readouterr().out.splitlines()
    assert size.startswith("2 different chains, ")
    assert size.endswith(" kB of files")
    assert (Path(folder) / "manifest.json").is_file()
    assert hemenet([*words, "--batch", "0"]) == 2
    assert "--batch 0: give 1 residue or more" in capsys.readouterr().err
    assert hemenet([*words[:-1], "nowhere"]) == 2
    assert "there is no such folder" in capsys.readouterr().err
