"""The checker passes sound stores, and finds every fault that is planted in a copy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hemenet_lab.cli import hemenet
from hemenet_lab.protein_mt.verify import verify_store
from hemenet_lab.protein_mt.verify.store import check, table
from tests.protein_mt.verify.planted import edit, faults, put, reseal


def test_a_sound_store_passes(sound: Path, full_raw: Path) -> None:
    checks = verify_store(sound, full_raw)
    states = {found.name: found.state for found in checks if found.state != "ok"}
    assert states == {
        # 1aab and 3AAB-A share an id and nothing else; no file has a SEQRES
        "chains of one UniProt id have a segment in common": "look",
        "residues are those of SEQRES, which Biopython reads": "nothing to check",
    }
    assert len(checks) > 35
    assert {found.group for found in checks} == {"files", "structures", "labels", "splits", "raw"}
    assert len(verify_store(sound)) < len(checks)


def test_resealing_alone_is_no_fault(damaged: Path, full_raw: Path) -> None:
    reseal(damaged)
    assert faults(damaged, full_raw) == {}


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
        ("value", put(0, np.inf), "values are finite and in their task's range"),
        ("value", put(0, -1e6), "values are finite and in their task's range"),
        ("value_task", put(0, 2), "values are finite and in their task's range"),
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
def test_planted_faults(damaged: Path, array: str, change: Any, name: str) -> None:
    edit(damaged, array, change)
    assert name in faults(damaged)


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
def test_damaged_files(damaged: Path, name: str, content: bytes | None, fault: str) -> None:
    damage(damaged, name, content)
    assert fault in faults(damaged)


def test_one_changed_byte(damaged: Path) -> None:
    path = damaged / "coords.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert faults(damaged) == {
        "files are those of the manifest": (
            "coords.npy was changed: its SHA-256 is not that of the manifest",
        )
    }


def test_changed_manifest(damaged: Path) -> None:
    path = damaged / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest["tasks"][2]["terms"][0] = "9.9.9.9"
    path.write_text(json.dumps(manifest), encoding="utf-8")
    assert "hash of the manifest" in faults(damaged)
    manifest["tasks"][2]["terms"] = ["1.1.1.1"] * 3
    manifest["counts"]["splits"]["time"]["test"]["ec"]["items"] += 1
    path.write_text(json.dumps(manifest), encoding="utf-8")
    assert {"terms are unique, names fit them", "counts in the manifest"} <= set(faults(damaged))


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
    damaged: Path, full_raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*words: str) -> int:
        return hemenet(["data", "verify", *words])

    assert run(str(damaged), "--raw", str(full_raw)) == 0
    assert "checks passed" in capsys.readouterr().out
    edit(damaged, "coords", put((0, 0), np.nan))
    assert run(str(damaged)) == 1
    text = capsys.readouterr().out
    assert "1 of" in text
    assert "entry 1aab" in text
    assert run(str(tmp_path)) == 2
    assert "holds no store whose manifest can be read" in capsys.readouterr().err
    assert run(str(damaged), "--raw", str(tmp_path / "nowhere")) == 2
    assert "nowhere does not exist" in capsys.readouterr().err
