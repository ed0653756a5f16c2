"""Reference methods on small stores whose answers are known."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hemenet_lab.benchmark.references import reference_rows, rows_csv, rows_text, run_baselines
from hemenet_lab.benchmark.references.affinity import descriptors, fingerprint, interface
from hemenet_lab.benchmark.references.function import highest_identity, nearest_terms
from hemenet_lab.benchmark.references.items import items_of, systems
from hemenet_lab.benchmark.references.rows import ReferenceRow, centred
from hemenet_lab.store import PARTNER, Entry, Store, StoreWriter
from hemenet_lab.structures import RESIDUE_INDEX
from tests.store.entries import TASKS, make_entry, random_entry

PARTS = ["train", "train", "train", "test"]


def ligand_store(path: Path, systems: int = 6, ligands: int = 8) -> Store:
    """pK is 4 + half the number of the ligand's atoms; a system is a protein with its ligands."""
    rng = np.random.default_rng(0)
    with StoreWriter(path, TASKS) as writer:
        parts, rows, smiles = {}, [], []
        for system in range(systems):
            protein = random_entry(system, chains=(15,), ligand=30, missing=0.0)
            for ligand in range(ligands):
                atoms = int(rng.integers(5, 30))
                entry = first_nodes(protein, 15 + atoms)
                id = f"s{system}l{ligand}"
                writer.add(replace(entry, id=id, values={"lba": 4 + atoms / 2}))
                parts[id] = PARTS[system % 4]
                rows.append(f"{id},{system}")
                smiles.append(f"{id},{'C' * atoms}")
        writer.set_split("default", parts)
        writer.close()
    (path / "entries.csv").write_text("\n".join(["id,group", *rows]) + "\n")
    (path / "ligands.csv").write_text("\n".join(["id,smiles", *smiles]) + "\n")
    return Store(path)


def first_nodes(entry: Entry, count: int) -> Entry:
    """The entry with its first nodes only."""
    atoms = int(entry.node_atoms[:count].sum())
    of_nodes = ("node_type", "entity", "node_chain", "sequence_index", "residue_number")
    of_nodes += ("insertion_code", "node_atoms")
    cut = {name: getattr(entry, name)[:count] for name in of_nodes}
    cut |= {name: getattr(entry, name)[:atoms] for name in ("coords", "atom_element", "atom_slot")}
    return replace(entry, **cut)


def by_name(rows: list[ReferenceRow], metric: str) -> dict[str, ReferenceRow]:
    return {row.method: row for row in rows if row.metric == metric}


def test_a_linear_law_of_the_heavy_atoms_is_found(tmp_path: Path) -> None:
    rows = reference_rows(ligand_store(tmp_path / "s"))
    rmse, r = by_name(rows, "rmse"), by_name(rows, "pearson")
    line = "heavy atoms of the ligand, linear"
    assert rmse[line].value == pytest.approx(0.0, abs=1e-5)
    assert r[line].value == pytest.approx(1.0)
    assert by_name(rows, "pearson_centred")[line].value == pytest.approx(1.0)
    assert rmse["ligand descriptors, ridge"].value < 0.5
    assert rmse["training mean"].value > 1.0
    assert r["training mean"].value is None
    assert {row.n for row in rows} == {8}


def test_the_training_mean_is_that_of_the_training_part(tmp_path: Path) -> None:
    store = ligand_store(tmp_path / "s")
    value = np.array([store[i].values["lba"] for i in range(len(store))])
    codes = store.split()
    wanted = np.sqrt(np.mean((value[codes == 2] - value[codes == 0].mean()) ** 2))
    found = by_name(reference_rows(store), "rmse")["training mean"].value
    assert found == pytest.approx(wanted, rel=1e-6)


def test_folds_test_every_item_once(tmp_path: Path) -> None:
    rows = reference_rows(ligand_store(tmp_path / "s"), folds=3)
    assert {row.n for row in rows} == {48}
    line = by_name(rows, "rmse")["heavy atoms of the ligand, linear"]
    assert line.value == pytest.approx(0.0, abs=1e-5)


@pytest.mark.parametrize("folds", [-1, 1, 2])
def test_too_few_folds_are_told(tmp_path: Path, folds: int) -> None:
    with pytest.raises(ValueError, match="3 or more"):
        reference_rows(ligand_store(tmp_path / "s"), folds=folds)


def test_without_smiles_the_rows_that_need_none_are_there(tmp_path: Path) -> None:
    store = ligand_store(tmp_path / "s")
    (store.path / "ligands.csv").unlink()
    methods = by_name(reference_rows(store), "rmse")
    assert "heavy atoms of the ligand, linear" in methods
    assert not any("fingerprint" in name for name in methods)


def test_systems_are_proteins_with_several_ligands(tmp_path: Path) -> None:
    store = ligand_store(tmp_path / "s", systems=3, ligands=2)
    assert systems(store, range(6)).tolist() == [0, 0, 1, 1, 2, 2]
    assert systems(store, [0, 2, 3]).tolist() == [-1, 0, 0]
    assert items_of(store, TASKS[0]).target.shape == (6, 1)


def test_an_unreadable_ligand_counts_as_nothing() -> None:
    assert not fingerprint(None).any()
    assert not descriptors(None).any()


def test_contacts_of_a_hand_made_interface() -> None:
    """K and L of one chain, D and L of the other: K-D at 4 Å, L-L at 5 Å, the rest is far."""
    kinds = [RESIDUE_INDEX[name] for name in ("LYS", "LEU", "ASP", "LEU")]
    places = [[0, 0, 0], [100, 0, 0], [4, 0, 0], [105, 0, 0]]
    entry = make_entry(
        kinds,
        [0, 0, 1, 1],
        [0, 50, 0, 50],
        [np.array([1])] * 4,
        [np.array([place], float) for place in places],
        entry_id="x",
    )
    entry = replace(entry, entity=np.array([0, 0, PARTNER, PARTNER], np.int8))
    # pairs: charged-charged first, apolar-apolar last; then residues by class of both sides
    assert interface(entry).tolist() == [1, 0, 0, 0, 0, 1, 1, 0, 1, 1, 0, 1, 2, 2]
    alone = interface(replace(entry, entity=np.zeros(4, np.int8)))
    assert alone.tolist() == [0] * 12 + [4, 0]


def test_centring_takes_each_systems_mean() -> None:
    values, system = np.array([1.0, 3.0, 10.0, 14.0]), np.array([5, 5, 2, 2])
    assert centred(values, system).tolist() == [-1.0, 1.0, -2.0, 2.0]


def test_nearest_terms_and_highest_identity_by_hand() -> None:
    target = np.array([[1.0, 0], [1, 0], [0, 1], [0, 0]])
    train = np.array([0, 1, 2])
    near = np.array([[0.2, 0.5, 0.5], [0.0, 0.0, 0.0]])
    assert nearest_terms(target, near, train).tolist() == [[0.5, 0.5], [0.0, 0.0]]
    assert highest_identity(target, near, train).tolist() == [[0.5, 0.5], [0.0, 0.0]]


def function_store(path: Path) -> Store:
    """Two families of chains with a term each; test chains are near-copies of training chains."""
    rng = np.random.default_rng(1)
    families = [rng.integers(0, 20, size=60) for _ in range(2)]
    with StoreWriter(path, TASKS) as writer:
        parts = {}
        for index in range(12):
            kinds = families[index % 2].copy()
            kinds[rng.integers(0, 60, size=4)] = rng.integers(0, 20, size=4)
            entry = random_entry(index, chains=(60,), ligand=0, terms={"ec": {0: [index % 2]}})
            writer.add(replace(entry, node_type=kinds.astype(np.int8)))
            parts[entry.id] = "test" if index >= 8 else "train"
        writer.set_split("default", parts)
        writer.close()
    return Store(path)


def test_the_nearest_sequence_knows_the_family(tmp_path: Path) -> None:
    found = by_name(reference_rows(function_store(tmp_path / "s")), "fmax")
    assert found["terms of the nearest training sequence"].value == 1.0
    assert found["highest identity with a training chain of the term"].value == 1.0
    assert found["training frequency"].value == pytest.approx(2 / 3)


def test_rows_as_text_and_csv(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = ligand_store(tmp_path / "s")
    out = tmp_path / "rows.csv"
    run_baselines(str(store.path), out=out)
    said = capsys.readouterr().out
    assert store.hash[:12] in said
    assert "split default" in said
    rows = reference_rows(store)
    assert rows_text(rows) in said
    table = list(csv.DictReader(io.StringIO(out.read_text())))
    assert out.read_text() == rows_csv(rows)
    assert float(table[0]["value"]) == rows[0].value
    assert table[0]["task"] == "lba"
