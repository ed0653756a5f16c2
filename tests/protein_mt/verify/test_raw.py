"""The checker derives labels from the raw files again, and finds what differs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hemenet_lab.protein_mt.build.build import build_store
from hemenet_lab.protein_mt.settings import BuildSettings
from hemenet_lab.protein_mt.verify import verify_store
from hemenet_lab.protein_mt.verify.transfer import carriers, without_ids
from tests.protein_mt.verify.planted import edit, faults, put, reseal


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
    damaged: Path, full_raw: Path, array: str, change: Any, name: str
) -> None:
    edit(damaged, array, change)
    assert name in faults(damaged, full_raw)


@pytest.mark.parametrize("array", ["residue_number", "node_type"])
def test_residues_that_biopython_does_not_find(damaged: Path, full_raw: Path, array: str) -> None:
    pytest.importorskip("Bio.PDB")
    name = "residues have the atoms that Biopython reads"
    found = next(check for check in verify_store(damaged, full_raw) if check.name == name)
    assert found.looked_at > 50
    assert found.faults == ()
    values = np.load(damaged / f"{array}.npy")
    edit(damaged, array, put(3, 77 if array == "residue_number" else (values[3] + 1) % 2))
    assert name in faults(damaged, full_raw)


def test_label_dropped_from_a_chain(damaged: Path, full_raw: Path) -> None:
    """A chain's row of GO terms is given to another task of the same width."""
    tasks = np.load(damaged / "term_row_task.npy")
    row = int(np.flatnonzero(tasks == 3)[-1])  # 3AAG-A has a term of one branch only
    edit(damaged, "term_row_task", put(row, 4))
    found = faults(damaged, full_raw)
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
def test_labels_from_sifts(full_raw: Path, tmp_path: Path, changes: dict[str, Any]) -> None:
    few = {"min_ec_chains": 3, "min_go_chains": 1}
    settings = BuildSettings(labels="sifts", **{**few, **changes})
    store = build_store(full_raw, tmp_path / "store", settings=settings).path
    assert faults(store, full_raw) == {}
    tasks = np.load(store / "term_row_task.npy")
    edit(store, "term", put(-1, 0 if np.load(store / "term.npy")[-1] else 1))
    name = ("lba", "ppa", "ec", "mf", "bp", "cc")[tasks[-1]]
    found = set(faults(store, full_raw)) - {"terms exist and ascend"}
    assert found & {
        f"{name} labels of every chain are those of the table",
        "the rest could be checked",
    }
    manifest = json.loads((store / "manifest.json").read_text(encoding="utf-8"))
    manifest["tasks"][2]["terms"][0] = "9.9.9.9"
    (store / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    reseal(store)
    assert "terms are those with enough chains in SIFTS" in faults(store, full_raw)


def test_changed_raw_files(sound: Path, full_raw: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(full_raw, tmp_path / "raw"))
    table = other / "EnzymeCommission" / "nrPDB-EC_2020.04_annot.tsv"
    table.write_bytes(table.read_bytes().replace(b"1.1.1.2\r\n###", b"1.1.1.3\r\n###"))
    found = faults(sound, other)
    assert "label files are those of the build" in found
    assert "EC terms and rows are those of the table" in found
    table.unlink()
    assert set(faults(sound, other)) == {"label files are those of the build"}


def test_label_by_a_fusion_or_with_a_false_source(damaged: Path, full_raw: Path) -> None:
    """A row of ``labels.csv`` that names a chain without the term, or an id without it."""
    path = damaged / "labels.csv"
    text = path.read_text(encoding="utf-8")
    name = "ec labels have the sources that labels.csv names"
    assert name not in faults(damaged, full_raw)
    row = "1aab,A,ec,1.1.1.1,3AAB-A,uniprot P2\n"
    assert row in text
    for other in (
        row.replace("3AAB-A", "3AAC-A"),
        row.replace("P2", "P5"),
        row.replace("uniprot P2", "own"),
        "",
    ):
        path.write_text(text.replace(row, other), encoding="utf-8")
        reseal(damaged)
        assert set(faults(damaged, full_raw)) == {name}


def test_fusions_lend_no_labels_to_the_checker_either() -> None:
    chains = {("1aaa", "A"): {"ec": {"a"}}, ("1bbb", "A"): {"ec": {"b"}}}
    uniprot = {("1aaa", "A"): {"P1"}, ("1bbb", "A"): {"P1", "P2"}}
    found = carriers(without_ids(chains), uniprot, "ec")
    assert found == {"P1": {"a": {("1aaa", "A")}}}
    said = {(("1bbb", "A"), "P2"): {"ec": {"b"}}}
    assert carriers(said, uniprot, "ec") == {"P2": {"b": {("1bbb", "A")}}}
