"""From raw files to a store: the whole way on a small raw folder with known traps."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from hemenet_lab.protein_mt.build.build import build_store
from hemenet_lab.protein_mt.raw.drops import DropRow
from hemenet_lab.protein_mt.settings import BuildSettings
from hemenet_lab.store.reader import Store
from hemenet_lab.structures import Structure, read_structure
from tests.protein_mt.raw_folder import write_raw
from tests.protein_mt.reading import read_drops


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_raw(tmp_path_factory.mktemp("raw"))


@pytest.fixture(scope="module")
def path(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_store(raw, tmp_path_factory.mktemp("store")).path


@pytest.fixture(scope="module")
def store(path: Path) -> Store:
    return Store(path)


@pytest.fixture(scope="module")
def drops(path: Path) -> list[DropRow]:
    return read_drops(path)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_what_is_stored(store: Store) -> None:
    # 1aad and 1aaf have no usable affinity and no other label; 3AAH-A has no label at all
    assert store.ids == (
        *("1aab", "1aac", "1aae", "2aaa", "2aab", "2aac", "2aad", "2aae", "2aaf"),
        *(f"3AA{code}-A" for code in "ABCDEFG"),
        *("lba_1aaa", "ppa_1aaa"),
    )
    assert [task.name for task in store.tasks] == ["lba", "ppa", "ec", "mf", "bp", "cc"]
    assert store.tasks[2].terms == ("1.1.1.0", "1.1.1.1", "1.1.1.2")
    assert store.tasks[3].term_names == ("one", "two")


def test_affinities(store: Store) -> None:
    values = {name: store[store.index(name)].values for name in store.ids}
    assert values["1aab"] == {"lba": 7.0}
    assert values["1aae"] == {"lba": 6.0}
    # the CSV file goes before the index, which has 2aaa as 9.0 and 2aaf only
    assert values["2aaa"] == {"ppa": 5.5}
    assert values["2aaf"] == {"ppa": pytest.approx(9.0)}
    assert values["lba_1aaa"] == {"lba": 7.0}
    assert values["ppa_1aaa"] == {"ppa": pytest.approx(9.0)}
    assert values["3AAA-A"] == {}


def test_labels_are_transferred(store: Store) -> None:
    def labels(name: str) -> dict[str, dict[int, list[int]]]:
        terms = store[store.index(name)].terms
        return {t: {c: i.tolist() for c, i in chains.items()} for t, chains in terms.items()}

    of_p1 = {"ec": {0: [0]}, "mf": {0: [0]}, "bp": {0: [1]}, "cc": {0: [0, 1]}}
    assert labels("3AAA-A") == labels("lba_1aaa") == labels("2aaa") == of_p1
    assert labels("1aab") == {"ec": {0: [1]}, "mf": {0: [0]}, "bp": {0: [1]}, "cc": {0: [0, 1]}}
    assert labels("2aab") == {}
    assert labels("3AAG-A") == {"mf": {0: [1]}}
    assert store[store.index("3AAC-A")].chain_uniprot == ("P5;P6",)
    assert store[store.index("2aab")].chain_uniprot == ("P3", "P4")


def test_full_label(store: Store) -> None:
    full = {name for name, flag in zip(store.ids, store.full_label, strict=True) if flag}
    assert full == {"lba_1aaa", "2aaa", "1aab"}


def test_partner_chains(store: Store) -> None:
    found = store[store.index("2aaa")]
    assert [set(found.entity[found.node_chain == chain].tolist()) for chain in (0, 1)] == [{0}, {1}]
    found = store[store.index("ppa_1aaa")]
    # its partner, chain Q, is not in the structure
    assert set(found.entity.tolist()) == {0}
    assert store.manifest["counts"]["notes"]["partner chain not in the structure"] == 1


def test_ligands(store: Store) -> None:
    assert (store[store.index("1aac")].entity == 2).sum() == 3
    # its SDF file is broken, the mol2 file has two atoms
    assert (store[store.index("1aab")].entity == 2).sum() == 2


def test_every_drop_has_its_reason(drops: list[DropRow]) -> None:
    entries = {row.id: row.reason for row in drops if row.stage == "entry"}
    assert entries.pop("1aag").startswith("files not readable: ")
    assert entries.pop("1aah").startswith("files not readable: there is no ligand file")
    assert entries == dict.fromkeys(("1aad", "1aaf", "3AAH-A"), "no label of any task")
    labels = {(row.id, row.reason): row.count for row in drops if row.stage == "label"}
    assert labels.pop(("1aad", "affinity is a bound: pKi of a value given with <")) == 1
    assert labels.pop(("9zzz", "affinity without a structure file")) == 1
    repeated = "affinity not used, another file has the complex: INDEX_general_PP.2020"
    assert labels.pop(("*", repeated)) == 1
    [(unreadable, reason)] = labels
    assert unreadable == "1aaf"
    assert reason.startswith("row not usable: INDEX_general_PL_data.2020 line 8, binding data")
    files = {(row.id, row.reason.partition(":")[0]) for row in drops if row.stage == "file"}
    assert files == {
        ("*", "no UniProt id in this row"),
        ("1aab", "ligand file not readable"),
        ("3AAD-A", "other structure file not used"),
        ("index/INDEX_general_PL_data.2016", "label file not used, there is a newer one"),
    }


def test_found_is_stored_and_dropped(store: Store) -> None:
    counts = store.manifest["counts"]
    assert counts["entries"] == {
        "lba": {"found": 8, "stored": 4, "dropped": 4},
        "ppa": {"found": 7, "stored": 7, "dropped": 0},
        "chain": {"found": 8, "stored": 7, "dropped": 1},
        "user": {"found": 0, "stored": 0, "dropped": 0},
    }
    assert counts["label_files"]["lba"] == {
        "rows": 8,
        "unreadable": 1,
        "repeated": 0,
        "bounds": 1,
        "approximate": 1,
    }
    assert counts["label_files"]["ec"] == {"rows": 6, "labelled": 6}
    assert counts["label_files"]["bp"] == {"rows": 4, "labelled": 3}
    assert counts["terms"]["mf"] == {"all": 2, "with_labels": 2}
    assert counts["terms"]["bp"] == {"all": 2, "with_labels": 1}
    # 1aac, 1aae: 1 each; 2aac-2aaf: 2 each; 2aaa: B; 3AAD to 3AAG; ppa_1aaa: X and Y
    assert counts["chains_without_uniprot"] == 2 + 8 + 1 + 4 + 2


def test_counts_agree_with_the_store(store: Store) -> None:
    for name, parts in store.manifest["counts"]["splits"].items():
        for part, tasks in store.counts(name).items():
            for task, items in tasks.items():
                assert parts[part][task]["items"] == items
    assert store.manifest["counts"]["full_label"] == int(store.full_label.sum())


def test_nothing_straddles_the_parts(store: Store, path: Path) -> None:
    part = dict(zip(store.ids, store.split().tolist(), strict=True))
    seen: dict[tuple[str, str], set[int]] = {}
    for row in rows(path / "chains.csv"):
        for name in filter(None, row["uniprot"].split(";")):
            seen.setdefault(("uniprot", name), set()).add(part[row["id"]])
        seen.setdefault(("cluster", row["cluster"]), set()).add(part[row["id"]])
    assert all(len(parts) == 1 for parts in seen.values())
    # near-copies, a shared UniProt id, and the chains that complexes have in common
    assert part["lba_1aaa"] == part["2aaa"] == part["3AAA-A"]
    assert part["1aab"] == part["3AAB-A"] == part["2aab"]
    for report in store.manifest["leakage"]["splits"]["default"].values():
        assert (report["shared_uniprot"], report["shared_clusters"]) == (0, 0)
        assert report["both_covered"]["90"] == 0


def test_every_task_is_held_out(store: Store) -> None:
    assert store.split_names == ("balanced", "default", "taskwise", "taskwise_30")
    counts = store.counts()
    for task in ("lba", "ppa", "ec"):
        assert all(counts[part][task] > 0 for part in ("train", "val", "test"))


def test_manifest_is_the_same_everywhere(store: Store, raw: Path, path: Path) -> None:
    text = (path / "manifest.json").read_text(encoding="utf-8")
    assert str(raw) not in text
    assert str(path) not in text
    assert str(raw) not in (path / "drops.csv").read_text(encoding="utf-8")
    manifest = json.loads(text)
    assert manifest["settings"] == BuildSettings().to_dict()
    assert "sifts/pdb_chain_uniprot.csv" in manifest["sources"]["label_files"]
    assert manifest["mmseqs_version"]
    assert manifest["synthetic"] is False
    assert not (path / ".partial").exists()


def test_published_scheme_says_when_it_does_not_fit(raw: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="too few for the published scheme"):
        build_store(raw, tmp_path / "out", settings=BuildSettings(scheme="published"))


def test_atom_limit(raw: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    build_store(raw, out, settings=BuildSettings(max_atoms=200))
    reasons = {row.id: row.reason for row in read_drops(out) if row.stage == "entry"}
    # 80 residues of 2 atoms are 160, and 60 more residues 280
    assert reasons["2aab"] == "too many heavy atoms: 280, the limit is 200"
    assert "3AAA-A" not in reasons


def test_nothing_usable_says_why(tmp_path: Path) -> None:
    (tmp_path / "raw" / "PP").mkdir(parents=True)
    (tmp_path / "raw" / "PP" / "1abc.ent.pdb").touch()
    with pytest.raises(ValueError, match=r"none of the 1 items .* files not readable \(1\)"):
        build_store(tmp_path / "raw", tmp_path / "out")


def test_unforeseen_errors_drop_the_item(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path, **options: Any) -> Structure:
        if path.name.startswith("2aac"):
            raise IndexError(f"bad index in {path}")
        return read_structure(path, **options)

    monkeypatch.setattr("hemenet_lab.protein_mt.raw.entry.read_structure", fail)
    build_store(raw, tmp_path / "out")
    [row] = [row for row in read_drops(tmp_path / "out") if row.id == "2aac"]
    assert row.reason == ("unexpected error while reading: IndexError bad index in PP/2aac.ent.pdb")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"scheme": "random"}, "allowed: taskwise, taskwise_30"),
        ({"min_seq_id": 90}, "min_seq_id is 90; it is a share"),
        ({"coverage": 0.0}, "coverage is 0.0"),
        ({"max_atoms": 0}, "max_atoms must be 1 or more"),
        ({"seed": -1}, "seed 0 or more"),
    ],
)
def test_wrong_settings(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BuildSettings(**wrong)


def test_wrong_number_of_workers(raw: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="workers is 0"):
        build_store(raw, tmp_path / "out", workers=0)


def test_ligand_that_is_not_there_gets_no_affinity(raw: Path, tmp_path: Path) -> None:
    copy = tmp_path / "raw"
    shutil.copytree(raw, copy)
    ligand = copy / "refined-set" / "1aac" / "1aac_ligand.sdf"
    ligand.write_text(ligand.read_text().replace("   30.0000", "  480.0000"), encoding="utf-8")
    path = build_store(copy, tmp_path / "store").path
    assert "1aac" not in Store(path).ids
    [row] = [line for line in (path / "drops.csv").read_text().splitlines() if "no contact" in line]
    assert row.startswith("1aac,lba,entry,")
    assert "more than 8 Å" in row
    settings = BuildSettings(contact=float("inf"))
    assert "1aac" in Store(build_store(copy, tmp_path / "any", settings=settings).path).ids
