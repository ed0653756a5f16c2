"""Exports come back as the store has them; `docs/store.md` names every array."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch_geometric.data import Data

from hemenet_lab.cli import hemenet
from hemenet_lab.graphs import GraphView, build_graph
from hemenet_lab.store import Store, StoreWriter, export
from hemenet_lab.store.fields import all_fields
from hemenet_lab.store.frames import TABLES
from hemenet_lab.tasks import Task
from tests.store.entries import TASKS, random_entry

PAGE = (Path(__file__).parents[2] / "docs" / "store.md").read_text(encoding="utf-8")
RATE = Task("rate", "chain", "regression", unit="1/s")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Labels of every level and kind, a name that a spreadsheet would run, and splits."""
    path = tmp_path_factory.mktemp("store") / "s"
    with StoreWriter(path, (*TASKS, RATE)) as writer:
        for seed in range(7):
            terms = {"ec": {0: [0, 3], 1: [4]}, "mf": {1: []}} if seed % 2 else {}
            values = {"lba": 5.1 + seed / 3} if seed != 3 else {}
            entry = random_entry(
                seed, values=values, terms=terms, entry_id="=A1" if not seed else ""
            )
            if seed == 2:
                entry.chain_values["rate"] = {1: 1e-7}
            writer.add(entry)
        writer.set_split("default", {"=A1": "test", "e00003": "train"})
        writer.close()
    return Store(path)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "CHUNK", 3)


def exported(store: Store, form: str, out: Path) -> Path:
    assert hemenet(["data", "export", str(store.path), "--format", form, "--out", str(out)]) == 0
    return out


def from_csv(path: Path, like: pd.DataFrame) -> pd.DataFrame:
    """The table as a reader gets it that knows the dtypes."""
    kinds = {name: kind if kind.kind in "biuf" else str for name, kind in like.dtypes.items()}
    found = pd.read_csv(path, dtype=kinds, keep_default_na=False)
    for name in found.columns[[kind is str for kind in kinds.values()]]:
        found[name] = found[name].str.removeprefix("'")
    return found


def from_parquet(path: Path, like: pd.DataFrame) -> pd.DataFrame:
    return pd.read_parquet(path)


@pytest.mark.parametrize(("form", "read"), [("parquet", from_parquet), ("csv", from_csv)])
def test_tables_come_back(
    store: Store, tmp_path: Path, form: str, read: Callable[[Path, pd.DataFrame], pd.DataFrame]
) -> None:
    out = exported(store, form, tmp_path / "out")
    assert {path.name for path in out.iterdir()} == {*(f"{t}.{form}" for t in TABLES), "tasks.json"}
    for table in TABLES:
        whole = store.to_pandas(table)
        found = read(out / f"{table}.{form}", whole)
        assert [kind for kind in found.dtypes if kind.kind in "biuf"] == [
            kind for kind in whole.dtypes if kind.kind in "biuf"
        ]
        pd.testing.assert_frame_equal(found, whole, check_dtype=False, check_exact=True)
    about = json.loads((out / "tasks.json").read_text(encoding="utf-8"))
    assert (about["store"], len(about["tasks"])) == (store.hash, 7)


def test_no_cell_of_a_csv_is_a_formula(store: Store, tmp_path: Path) -> None:
    text = (exported(store, "csv", tmp_path / "out") / "entries.csv").read_text(encoding="utf-8")
    assert "\n'=A1," in text


def test_tables_hold_what_the_entries_hold(store: Store) -> None:
    nodes, atoms, labels = (store.to_pandas(name) for name in ("nodes", "atoms", "labels"))
    chains, entries = store.to_pandas("chains"), store.to_pandas()
    assert entries["split_default"].tolist()[:4] == ["test", "unused", "unused", "train"]
    for index, name in enumerate(store.ids):
        entry, mine = store[index], labels[labels["id"] == name]
        assert nodes[nodes["id"] == name]["node_type"].tolist() == entry.node_type.tolist()
        of_entry = atoms[atoms["id"] == name]
        assert (of_entry[["x", "y", "z"]].to_numpy() == entry.coords).all()
        assert of_entry["node"].tolist() == entry.atom_node.tolist()
        assert chains[chains["id"] == name]["uniprot"].tolist() == [*entry.chain_uniprot]
        assert dict(zip(mine["task"], mine["value"], strict=True)).get("lba") == entry.values.get(
            "lba"
        )
    assert labels[labels["task"] == "rate"].to_dict("records") == [
        {"id": "e00002", "chain": 1, "task": "rate", "term": "", "value": 1e-7}
    ]
    of_one = labels[labels["id"] == "e00001"]
    assert of_one[of_one["task"] == "ec"]["term"].tolist() == ["1.1.1.0", "1.1.1.3", "1.1.1.4"]
    assert of_one[of_one["task"] == "mf"][["chain", "term", "value"]].to_numpy().tolist() == [
        [1, "", 0.0]
    ]


def test_parts_of_a_table(store: Store) -> None:
    parts = [store.to_pandas("atoms", first, first + 1) for first in range(len(store))]
    pd.testing.assert_frame_equal(pd.concat(parts, ignore_index=True), store.to_pandas("atoms"))
    with pytest.raises(ValueError, match="it has entries, chains, nodes, atoms, labels"):
        store.to_pandas("bonds")


def test_tensors_come_back_without_unpickling(store: Store, tmp_path: Path) -> None:
    out = exported(store, "pyg", tmp_path / "out")
    files = sorted(out.glob("*.pt"))
    found = [entry for path in files for entry in torch.load(path, weights_only=True)]
    assert (len(files), len(found)) == (3, len(store))
    for index, arrays in enumerate(found):
        entry, graph = store[index], Data(**arrays)
        ours = build_graph(entry, GraphView(nodes="residue"), store.tasks)
        assert graph.entry_id == entry.id
        assert torch.equal(graph.pos, ours.pos)
        assert (graph.coords.numpy() == entry.coords).all()
        assert int(graph.split_default) == store.split()[index]
        for task in store.tasks:
            assert torch.equal(graph[f"y_{task.name}"].float(), ours[f"y_{task.name}"])
            assert torch.equal(graph[f"mask_{task.name}"], ours[f"mask_{task.name}"])


def test_nothing_is_overwritten(store: Store, tmp_path: Path) -> None:
    (tmp_path / "note").write_text("mine")
    with pytest.raises(ValueError, match="exists already"):
        export.export_store(store, tmp_path, "csv")
    with pytest.raises(ValueError, match="allowed: parquet, pyg, csv"):
        export.export_store(store, tmp_path / "new", "xml")
    assert [path.name for path in tmp_path.iterdir()] == ["note"]


def test_an_empty_store(tmp_path: Path) -> None:
    with StoreWriter(tmp_path / "s", TASKS) as writer:
        writer.close()
    out = exported(Store(tmp_path / "s"), "parquet", tmp_path / "out")
    assert len(pd.read_parquet(out / "atoms.parquet")) == 0


def test_the_page_names_every_array(store: Store) -> None:
    rows = re.findall(r"^\| `(\w+|split_<name>)` \| (\w+) \| (\[[^|]+\]) \|", PAGE, re.MULTILINE)
    documented = {name: (dtype, shape.count(",")) for name, dtype, shape in rows}
    fields = {
        field.name: (str(np.dtype(field.dtype)), int(field.width > 0))
        for field in all_fields(chain_values=True, b_factors=True, chemistry=True)
    }
    fields |= {"num_labels": ("int16", 1), "full_label": ("bool", 0), "split_<name>": ("int8", 0)}
    assert documented == fields
    for name in store.manifest["files"]:
        array = np.load(store.path / name)
        key = "split_<name>" if name.startswith("split_") else name.removesuffix(".npy")
        assert (str(array.dtype), array.ndim - 1) == fields[key]
