"""The checker passes sound stores, and finds every fault that is planted in a copy."""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hemenet_lab.commands import data
from hemenet_lab.protein_mt.build import build_store
from hemenet_lab.protein_mt.settings import BuildSettings
from hemenet_lab.protein_mt.verify.check import check, table
from hemenet_lab.protein_mt.verify.copies import near_copies
from hemenet_lab.protein_mt.verify.files import OWN_FIELDS
from hemenet_lab.protein_mt.verify.store import verify_store
from tests.protein_mt.further_tables import write_full_raw
from tests.protein_mt.raw_folder import mutated, sequence

Array = np.ndarray[Any, Any]


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_full_raw(tmp_path_factory.mktemp("raw"))


@pytest.fixture(scope="module")
def sound(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_store(raw, tmp_path_factory.mktemp("store")).path


@pytest.fixture
def store(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "store"))


def faults(store: Path, raw: Path | None = None) -> dict[str, tuple[str, ...]]:
    return {found.name: found.faults for found in verify_store(store, raw) if found.faults}


def reseal(store: Path) -> None:
    """Makes the manifest fit the files again, so that only what they say can give a fault away."""
    manifest = json.loads((store / "manifest.json").read_text(encoding="utf-8"))
    for name in manifest["files"]:
        content = (store / name).read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        manifest["files"][name] = {"bytes": len(content), "sha256": digest}
    for name in manifest["tables"]:
        manifest["tables"][name] = hashlib.sha256((store / name).read_bytes()).hexdigest()
    record = {name: manifest[name] for name in OWN_FIELDS}
    text = json.dumps(record, sort_keys=True, ensure_ascii=False)
    manifest["hash"] = hashlib.sha256(text.encode()).hexdigest()
    (store / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


def edit(store: Path, name: str, change: Callable[[Array], Array | None]) -> None:
    """Changes one array in place (or replaces it by what the function returns), and reseals."""
    array = np.load(store / f"{name}.npy")
    changed = change(array)
    np.save(store / f"{name}.npy", array if changed is None else changed)
    reseal(store)


def put(place: Any, value: Any) -> Callable[[Array], None]:
    def change(array: Array) -> None:
        array[place] = value

    return change


def test_a_sound_store_passes(sound: Path, raw: Path) -> None:
    checks = verify_store(sound, raw)
    assert {found.state for found in checks} == {"ok"}
    assert len(checks) > 35
    assert {found.group for found in checks} == {"files", "structures", "labels", "splits", "raw"}
    assert len(verify_store(sound)) < len(checks)


def test_resealing_alone_is_no_fault(store: Path, raw: Path) -> None:
    reseal(store)
    assert faults(store, raw) == {}


@pytest.mark.parametrize(
    ("array", "change", "name"),
    [
        ("coords", put((7, 1), np.nan), "coordinates are finite"),
        ("coords", put((7, 1), 3e5), "coordinates are finite"),
        ("coords", put(slice(0, 162), 1.0), "atoms lie at more than one place"),
        ("node_type", put(3, 30), "types, entities and elements exist"),
        ("node_type", put(3, 22), "types, entities and elements exist"),
        ("entity", put(3, 5), "types, entities and elements exist"),
        ("atom_element", put(3, 9), "types, entities and elements exist"),
        ("node_type", put(slice(0, 82), 22), "every entry has residues, atoms and chains"),
        ("node_atoms", put(3, 0), "nodes have 1 to 14 atoms, and all atoms a node"),
        ("node_atoms", put(3, 3), "nodes have 1 to 14 atoms, and all atoms a node"),
        ("atom_slot", put(3, 14), "slots are 0 to 13, ascending, one atom each"),
        ("atom_slot", put(3, 0), "slots are 0 to 13, ascending, one atom each"),
        ("node_chain", put(3, 9), "residues have a chain, ligand atoms none"),
        ("node_chain", put(3, -1), "residues have a chain, ligand atoms none"),
        ("sequence_index", put(3, 0), "residues in order, then ligand atoms"),
        ("value", put(0, np.inf), "affinities are finite, -5 to 20"),
        ("value", put(0, -1e6), "affinities are finite, -5 to 20"),
        ("value_task", put(0, 2), "affinities are finite, -5 to 20"),
        ("value_task", put(0, 1), "masks are those of the labels"),
        ("term", put(0, 99), "terms exist and ascend"),
        ("term_row_chain", put(0, 7), "rows of terms belong to chains and tasks"),
        ("term_row_task", put(0, 0), "rows of terms belong to chains and tasks"),
        ("term_row_task", put(1, 2), "rows of terms belong to chains and tasks"),
        ("num_labels", put((0, 2), 5), "masks are those of the labels"),
        ("num_labels", lambda mask: mask[:-1], "masks"),
        ("full_label", put(slice(None), True), "full-label marks"),
        ("full_label", put(slice(None), False), "full-label marks"),
        ("split_time", put(0, 4), "every entry is in one part"),
        ("split_time", put(slice(None), 3), "every entry is in one part"),
        ("split_taskwise", lambda codes: (codes + 1) % 3, "entries.csv agrees"),
        ("split_taskwise", lambda codes: (codes + 1) % 3, "counts in the manifest"),
        ("split_time", lambda codes: 2 - codes.clip(0, 2), "time goes from train to test"),
        ("node_offset", put(1, 500), "entries follow one another without gaps"),
        ("atom_offset", put(-1, 5), "entries follow one another without gaps"),
    ],
)
def test_planted_faults(store: Path, array: str, change: Any, name: str) -> None:
    edit(store, array, change)
    assert name in faults(store)


def move(store: Path, split: str, entry: str, part: int) -> None:
    """Puts an entry into another part, in the array and in the table."""
    with (store / "entries.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    place = [row["id"] for row in rows].index(entry)
    rows[place][split] = ("train", "val", "test", "unused")[part]
    with (store / "entries.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    edit(store, f"split_{split}", put(place, part))


@pytest.mark.parametrize(
    ("entries", "names"),
    [
        # 2aaa and 3AAA-A are near-copies with one UniProt id
        (("2aaa",), {"UniProt id", "sequence cluster"}),
        # 1aab and 3AAB-A share a UniProt id only
        (("1aab",), {"UniProt id"}),
        # lba_1aaa and 2aaa have one sequence
        (("lba_1aaa", "3AAA-A"), {"UniProt id", "sequence cluster", "sequence"}),
    ],
)
def test_what_belongs_together_must_not_be_torn(
    store: Path, entries: tuple[str, ...], names: set[str]
) -> None:
    with (store / "entries.csv").open(encoding="utf-8", newline="") as file:
        parts = {row["id"]: row["taskwise"] for row in csv.DictReader(file)}
    for entry in entries:
        move(store, "taskwise", entry, 2 if parts[entry] == "train" else 0)
    found = faults(store)
    for what in names:
        assert "split taskwise: " in found[f"no {what} is in two parts"][0]


def test_the_chain_of_a_complex_must_not_be_torn(store: Path) -> None:
    ids = (store / "id.npy").read_bytes()
    assert b"ppa_1aaa" in ids
    # ppa_1aaa has chains X and Y; as chain A it is the chain of lba_1aaa
    edit(store, "chain_name", lambda text: np.where(text == ord("X"), ord("A"), text).astype("<u1"))
    for entry, part in (("ppa_1aaa", 0), ("lba_1aaa", 2)):
        move(store, "taskwise", entry, part)
    assert any(
        "1aaa A is in" in text for text in faults(store)["no chain of a PDB entry is in two parts"]
    )


def test_unused_entries_may_be_anywhere(store: Path) -> None:
    move(store, "taskwise", "2aaa", 3)
    move(store, "default", "2aaa", 3)
    assert set(faults(store)) == {"counts in the manifest"}


def test_near_copies_are_found_without_clusters(store: Path) -> None:
    # one chain's residues become those of another, but for a few
    nodes = np.load(store / "node_offset.npy")
    with (store / "entries.csv").open(encoding="utf-8", newline="") as file:
        parts = {n: row["taskwise"] for n, row in enumerate(csv.DictReader(file))}
    chains = np.load(store / "chain_offset.npy")
    single = [n for n in parts if chains[n + 1] - chains[n] == 1 and nodes[n + 1] - nodes[n] == 80]
    here = next(n for n in single if parts[n] == "test")
    there = next(n for n in single if parts[n] == "train")

    def copy(types: Array) -> None:
        types[nodes[here] : nodes[here + 1]] = types[nodes[there] : nodes[there + 1]]
        types[nodes[here] + 40] = (types[nodes[here] + 40] + 1) % 20

    edit(store, "node_type", copy)
    [fault] = faults(store)["no held-out chain is nearly a training chain"]
    assert fault.startswith("split taskwise: held out ")


def test_near_copies() -> None:
    one = sequence(1, 200)
    texts = [one, mutated(one, 4), mutated(one, 30), one[:100], sequence(2, 200), "ACDEF", "ACDEF"]
    assert list(near_copies(texts, [0], [1])) == [(0, 1)]
    assert list(near_copies(texts, [0, 4], [2, 3, 4, 5])) == [(4, 4)]
    assert list(near_copies(texts, [5], [6])) == []
    assert list(near_copies(texts, [], [0])) == []


def damage(store: Path, name: str, content: bytes | None) -> None:
    (store / name).unlink() if content is None else (store / name).write_bytes(content)


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("coords.npy", None, "files are those of the manifest"),
        ("coords.npy", b"short", "files are those of the manifest"),
        ("split_extra.npy", b"new", "files are those of the manifest"),
        ("drops.csv", b"id,kind,stage,reason,count\n", "tables are those of the manifest"),
        ("chains.csv", None, "tables are those of the manifest"),
    ],
)
def test_damaged_files(store: Path, name: str, content: bytes | None, fault: str) -> None:
    damage(store, name, content)
    assert fault in faults(store)


def test_one_changed_byte(store: Path) -> None:
    path = store / "coords.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert faults(store) == {
        "files are those of the manifest": (
            "coords.npy was changed: its SHA-256 is not that of the manifest",
        )
    }


def test_changed_manifest(store: Path) -> None:
    path = store / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest["tasks"][2]["terms"][0] = "9.9.9.9"
    path.write_text(json.dumps(manifest), encoding="utf-8")
    assert "hash of the manifest" in faults(store)
    manifest["tasks"][2]["terms"] = ["1.1.1.1"] * 3
    manifest["counts"]["splits"]["time"]["test"]["ec"]["items"] += 1
    path.write_text(json.dumps(manifest), encoding="utf-8")
    assert {"terms are unique, names fit them", "counts in the manifest"} <= set(faults(store))


@pytest.mark.parametrize(
    ("array", "change", "name"),
    [
        ("value", put(0, 6.99), "lba affinities are those of the files"),
        ("value", put(-1, 6.99), "ppa affinities are those of the files"),
        ("term", put(0, 0), "bp labels of every chain are those of the table"),
        ("chain_uniprot", put(1, ord("9")), "UniProt ids are those of SIFTS"),
        ("split_deepfri_ec", lambda codes: codes[::-1].copy(), "DeepFRI's splits are its lists"),
    ],
)
def test_faults_against_the_raw_files(
    store: Path, raw: Path, array: str, change: Any, name: str
) -> None:
    edit(store, array, change)
    assert name in faults(store, raw)


def test_label_dropped_from_a_chain(store: Path, raw: Path) -> None:
    """A chain's row of GO terms is given to another task of the same width."""
    tasks = np.load(store / "term_row_task.npy")
    row = int(np.flatnonzero(tasks == 3)[-1])  # 3AAG-A has a term of one branch only
    edit(store, "term_row_task", put(row, 4))
    found = faults(store, raw)
    assert "mf labels of every chain are those of the table" in found
    assert "bp labels of every chain are those of the table" in found


@pytest.mark.parametrize(
    "changes",
    [
        {"transfer": False},
        {"transfer": True},
        {"relations": "is_a+part_of", "evidence": "curated"},
        {"relations": "all", "evidence": "experimental", "min_go_chains": 1},
    ],
)
def test_labels_from_sifts(raw: Path, tmp_path: Path, changes: dict[str, Any]) -> None:
    few = {"min_ec_chains": 3, "min_go_chains": 1}
    settings = BuildSettings(labels="sifts", **{**few, **changes})
    store = build_store(raw, tmp_path / "store", settings=settings).path
    assert faults(store, raw) == {}
    tasks = np.load(store / "term_row_task.npy")
    edit(store, "term", put(-1, 0 if np.load(store / "term.npy")[-1] else 1))
    name = ("lba", "ppa", "ec", "mf", "bp", "cc")[tasks[-1]]
    found = set(faults(store, raw)) - {"terms exist and ascend"}
    assert found & {
        f"{name} labels of every chain are those of the table",
        "the rest could be checked",
    }
    manifest = json.loads((store / "manifest.json").read_text(encoding="utf-8"))
    manifest["tasks"][2]["terms"][0] = "9.9.9.9"
    (store / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    reseal(store)
    assert "terms are those with enough chains in SIFTS" in faults(store, raw)


def test_changed_raw_files(sound: Path, raw: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(raw, tmp_path / "raw"))
    table = other / "EnzymeCommission" / "nrPDB-EC_2020.04_annot.tsv"
    table.write_bytes(table.read_bytes().replace(b"1.1.1.2\r\n###", b"1.1.1.3\r\n###"))
    found = faults(sound, other)
    assert "label files are those of the build" in found
    assert "EC terms and rows are those of the table" in found
    table.unlink()
    assert set(faults(sound, other)) == {"label files are those of the build"}


def test_table_of_checks() -> None:
    checks = [
        check("files", "a check", 1_234, []),
        check("splits", "another check", 5, [f"fault {n}" for n in range(9)]),
        check("raw", "a third", 0, []),
    ]
    assert [line.rstrip() for line in table(checks).splitlines()] == [
        "files       a check                1,234  ok",
        "splits      another check              5  FAULT",
        *(f"            fault {n}" for n in range(3)),
        "            … and 6 more",
        "raw         a third                    0  nothing to check",
        "",
        "1 of 2 checks found faults",
    ]
    assert table(checks[:1]).endswith("1 checks passed")


def test_command(
    store: Path, raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parser = argparse.ArgumentParser()
    data.add_parser(parser.add_subparsers(required=True))

    def run(*words: str) -> int:
        parsed = parser.parse_args(["data", "verify", *words])
        return int(parsed.run(parsed))

    assert run(str(store), "--raw", str(raw)) == 0
    assert "checks passed" in capsys.readouterr().out
    edit(store, "coords", put((0, 0), np.nan))
    assert run(str(store)) == 1
    text = capsys.readouterr().out
    assert "1 of" in text
    assert "entry 1aab" in text
    with pytest.raises(ValueError, match="holds no store whose manifest can be read"):
        run(str(tmp_path))
    with pytest.raises(ValueError, match="nowhere does not exist"):
        run(str(store), "--raw", str(tmp_path / "nowhere"))
