"""Builds with every further table: splits by time and by DeepFRI's lists, labels from SIFTS."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from hemenet_lab.protein_mt.build.build import build_store
from hemenet_lab.protein_mt.build.summary import _about, summary_text
from hemenet_lab.protein_mt.settings import BuildSettings
from hemenet_lab.store.reader import Store
from tests.protein_mt.further_tables import write_full_raw
from tests.protein_mt.raw_folder import write_raw
from tests.protein_mt.reading import read_drops


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_full_raw(tmp_path_factory.mktemp("raw"))


@pytest.fixture(scope="module")
def store(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(build_store(raw, tmp_path_factory.mktemp("store")).path)


@pytest.fixture(scope="module")
def renewed(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store with labels from SIFTS, and thresholds that a small folder can reach."""
    settings = BuildSettings(
        labels="sifts", min_ec_chains=3, min_go_chains=2, scheme="time", transfer=False
    )
    return Store(build_store(raw, tmp_path_factory.mktemp("new"), settings=settings).path)


def parts(store: Store, split: str) -> dict[str, str]:
    names = ("train", "val", "test", "unused")
    codes = store.split(split).tolist()
    return {name: names[code] for name, code in zip(store.ids, codes, strict=True)}


def labels(store: Store, name: str) -> dict[str, dict[int, list[str]]]:
    terms = {task.name: task.terms for task in store.tasks}
    found = store[store.index(name)].terms
    return {
        task: {chain: [terms[task][term] for term in of_chain] for chain, of_chain in here.items()}
        for task, here in found.items()
    }


ALWAYS = {"default", "taskwise", "taskwise_30", "balanced", "time"}
"""Splits that need no lists, of entries with dates."""


def test_splits(store: Store) -> None:
    expected = {"deepfri_ec", "deepfri_ec_30", "deepfri_ec_95"}
    assert set(store.split_names) == {*ALWAYS, *expected}
    by_time = parts(store, "time")
    assert by_time["3AAB-A"] == "train"
    assert by_time["1aab"] == by_time["lba_1aaa"] == "val"
    assert by_time["2aab"] == "test"
    assert by_time["3AAG-A"] == "unused"
    rules = store.manifest["split_rules"]
    assert (rules["time"]["val_year"], rules["time"]["test_year"]) == (2011, 2012)
    assert rules["time"]["without_date"] == 1
    assert rules["taskwise"] == rules["default"]


def test_deepfri_splits(store: Store) -> None:
    found = parts(store, "deepfri_ec")
    listed = {name: part for name, part in found.items() if part != "unused"}
    assert listed == {
        **dict.fromkeys((f"3AA{code}-A" for code in "ABCD"), "train"),
        "3AAE-A": "val",
        "3AAF-A": "test",
        "3AAG-A": "test",
    }
    below = parts(store, "deepfri_ec_30")
    assert {name for name in found if found[name] != below[name]} == {"3AAG-A"}
    rule = store.manifest["split_rules"]["deepfri_ec"]
    assert (rule["listed"], rule["listed_and_stored"]) == (8, 7)


def test_names_of_ec_numbers(store: Store) -> None:
    ec = store.tasks[2]
    assert dict(zip(ec.terms, ec.term_names, strict=True)) == {
        "1.1.1.0": "",
        "1.1.1.1": "Alcohol dehydrogenase",
        "1.1.1.2": "",
    }


def test_ligands_are_compared(store: Store) -> None:
    ligands = store.manifest["leakage"]["ligands"]
    assert set(ligands) == ALWAYS
    # all ligands are the same small molecule, or the one of the mol2 file
    assert ligands["time"]["val"]["ligands"] == 4
    assert ligands["time"]["train_ligands"] == 0
    found = ligands["taskwise"]
    assert found["train_ligands"] + found["val"]["ligands"] + found["test"]["ligands"] == 4


def test_data_card(store: Store) -> None:
    card = store.manifest["data_card"]
    files = card["label_files"]
    assert files["sifts/pdb_chain_uniprot.csv"]["source"] == "pdb_chain_uniprot"
    assert files["EnzymeCommission/nrPDB-EC_2020.04_annot.tsv"]["licence"] == "BSD-3-Clause"
    assert files["index/INDEX_general_PL_data.2020"]["source"] == "pdbbind"
    assert files["dates.csv"]["source"] == "the user"
    assert "ontology/go-basic.current.obo" not in files
    assert set(files) == set(store.manifest["sources"]["label_files"])
    assert store.manifest["labels"]["ec"] == "nrPDB-EC_2020.04_annot.tsv"


def test_dates_that_cannot_be_read_are_counted(store: Store) -> None:
    [row] = [row for row in read_drops(store.path) if row.kind == "dates"]
    assert row.id == "9zzz"
    assert "date 'sometime'" in row.reason


def test_labels_from_sifts(renewed: Store) -> None:
    # 1.1.1.1 has 3AAA, 3AAB, 3AAC and 3AAH; 1.1.1.303 is on a complex only
    assert renewed.tasks[2].terms == ("1.1.1.-", "1.1.1.1")
    assert renewed.tasks[2].term_names[1] == "Alcohol dehydrogenase"
    assert renewed.tasks[3].terms == ("GO:0000001", "GO:0000002")
    assert renewed.tasks[3].term_names == ("catalysis", "hydrolysis")
    assert [task.num_outputs for task in renewed.tasks[4:]] == [0, 0]
    both = {"ec": {0: ["1.1.1.-", "1.1.1.1"]}, "mf": {0: ["GO:0000001", "GO:0000002"]}}
    assert labels(renewed, "3AAA-A") == both
    assert labels(renewed, "3AAC-A") == {"ec": both["ec"]}
    assert labels(renewed, "3AAH-A") == {"ec": both["ec"]}
    # a complex has the class of its chain's number, and nothing by transfer
    assert labels(renewed, "2aaf") == {"ec": {1: ["1.1.1.-"]}}
    assert labels(renewed, "lba_1aaa") == {}


def test_what_is_said_about_labels_from_sifts(renewed: Store) -> None:
    about = renewed.manifest["labels"]
    assert about["source"] == "sifts"
    assert about["ontology"] == "releases/2019-07-01"
    assert about["go"] == "pdb_chain_go.csv: 2026/01/10 - 12:00 | PDB: 01.26"
    assert about["ancestors"] == ["is_a"]
    assert about["transfer"] == "none"
    assert about["terms"].endswith("counted over 8 single chains")
    files = renewed.manifest["sources"]["label_files"]
    assert "ontology/go-basic.current.obo" in files
    assert "EnzymeCommission/nrPDB-EC_2020.04_annot.tsv" not in files
    assert Counter(parts(renewed, "default").values()) == Counter(parts(renewed, "time").values())


def test_summary_shows_all_of_it(store: Store) -> None:
    lines = [" ".join(line.split()) for line in summary_text(store).splitlines()]
    assert "deepfri_ec_30 1" in lines
    assert "deepfri_ec_95 2" in lines
    assert any(line.startswith("time val 4 ") for line in lines)
    assert "Split 'deepfri_ec_30': labelled items" not in lines


def test_labels_from_sifts_say_what_is_missing(tmp_path: Path) -> None:
    raw = write_raw(tmp_path / "raw")
    with pytest.raises(ValueError, match=r"pdb_chain_enzyme.*pdb_chain_go.*go-basic.*fetch"):
        build_store(raw, tmp_path / "out", settings=BuildSettings(labels="sifts"))


def test_lists_that_contradict_each_other_are_not_used(tmp_path: Path) -> None:
    raw = write_full_raw(tmp_path / "raw")
    lists = raw / "EnzymeCommission"
    (lists / "nrPDB-EC_2020.04_valid.txt").write_text("3AAA-A\n")
    store = Store(build_store(raw, tmp_path / "out").path)
    assert set(store.split_names) == ALWAYS
    [row] = [row for row in read_drops(store.path) if row.reason.startswith("split lists")]
    assert row.reason == (
        "split lists not used: EnzymeCommission: nrPDB-EC_2020.04 lists chains twice: 3AAA-A"
    )
    settings = BuildSettings(scheme="deepfri_ec")
    with pytest.raises(ValueError, match="deepfri_ec needs DeepFRI's split lists"):
        build_store(raw, tmp_path / "other", settings=settings)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"labels": "uniprot"}, "allowed: deepfri, sifts"),
        ({"evidence": "IEA"}, "allowed: all, curated, experimental"),
        ({"relations": "part_of"}, r"allowed: is_a, is_a\+part_of, all"),
        ({"min_go_chains": 0}, "min_go_chains is 0; it must be 1 or more"),
        ({"max_go_chains": 9}, "max_go_chains is 9, below min_go_chains 50"),
        ({"max_copies": 0}, "max_copies is 0"),
        ({"val_year": 2012}, "val_year is 2012 and test_year 0; give both"),
        ({"val_year": 2012, "test_year": 2012}, "the later one for the test set"),
    ],
)
def test_wrong_settings(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BuildSettings(**wrong)


def test_inspect_says_nothing_of_a_version_that_a_table_has_not() -> None:
    assert _about(("ec", "pdb_chain_enzyme.csv.gz: ")) == "ec pdb_chain_enzyme.csv.gz"
    assert _about(("go", "a.csv.gz: 2024/01/02")) == "go a.csv.gz: 2024/01/02"
