"""Labels of own tasks are derived once more from their tables; own tasks beside the benchmark's."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hemenet_lab.cli import hemenet
from hemenet_lab.protein_mt.build import OwnData, build_store
from hemenet_lab.protein_mt.verify import verify_store
from hemenet_lab.store import Store
from tests.protein_mt.raw_folder import write_raw
from tests.protein_mt.verify.planted import edit, put

TASKS = """tasks:
- {name: tm, level: complex, kind: regression, unit: °C, range: [0, 100]}
- {name: rate, level: chain, kind: regression, transform: log}
- {name: place, level: chain, kind: multilabel}
"""
TABLE = """id;chain;tm;rate;place
1AAA;;41,5;;
2aab;;55;;
2AAB;;56;;
3AAC-A;;48;;
3aaa;A;;0.5;nucleus; cytosol
"""
CHAINS = """id,chain,rate,place
2aab,B,2.5,membrane
3AAD,A,-1,
3aae,A,7,
3aae-a,,,nucleus
3aaf,Z,4,
9xyz,A,4,
2aac,,3,
"""
OWN = "own labels are those of the tables"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    write_raw(folder / "raw")
    (folder / "tasks.yaml").write_text(TASKS)
    (folder / "labels.csv").write_text(TABLE.replace("nucleus; cytosol", '"nucleus; cytosol"'))
    (folder / "chains.csv").write_text(CHAINS)
    tables = folder / "labels.csv", folder / "chains.csv"
    own = OwnData(folder / "tasks.yaml", tables, beside=True)
    build_store(folder / "raw", folder / "store", own=own)
    return folder


def tables(files: Path) -> list[Path]:
    return [files / "labels.csv", files / "chains.csv"]


def test_own_tasks_beside_the_six(files: Path) -> None:
    store = Store(files / "store")
    names = [task.name for task in store.tasks]
    assert names == ["lba", "ppa", "ec", "mf", "bp", "cc", "tm", "rate", "place"]

    def entry(name: str) -> Any:
        return store[store.index(name)]

    assert entry("lba_1aaa").values == {"lba": 7.0, "tm": 41.5}
    assert entry("ppa_1aaa").values == {"ppa": 9.0, "tm": 41.5}
    assert entry("2aab").values["tm"] == 55.0
    assert entry("2aab").chain_values == {"rate": {1: 2.5}}
    assert entry("3AAC-A").values == {"tm": 48.0}
    assert entry("3AAA-A").chain_values == {"rate": {0: 0.5}}
    assert entry("3AAA-A").terms["place"][0].tolist() == [0, 2]
    assert entry("3AAE-A").chain_values == {"rate": {0: 7.0}}
    assert store.counts("balanced")["train"].keys() == {*names}
    drops = (files / "store" / "drops.csv").read_text()
    assert "label not used: chains.csv line 6, no stored entry has its chain" in drops
    assert "9xyz,rate,label,label without a structure file" in drops
    assert "2aac,rate,label" in drops
    assert "rate -1 has no logarithm" in drops


def test_everything_verifies(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--raw", str(files / "raw"), "--table", *map(str, tables(files))]
    assert hemenet(["data", "verify", str(files / "store"), *words]) == 0
    assert OWN in capsys.readouterr().out
    assert hemenet(["data", "inspect", str(files / "store")]) == 0
    assert "own tables chains.csv, labels.csv" in capsys.readouterr().out


def test_the_command_takes_own_tasks_and_a_raw_folder(files: Path, tmp_path: Path) -> None:
    words = ["--raw", str(files / "raw"), "--task", str(files / "tasks.yaml"), "--out"]
    words += [str(tmp_path / "s"), "--workers", "1", "--table", *map(str, tables(files))]
    assert hemenet(["data", "build", *words]) == 0
    assert Store(tmp_path / "s").hash == Store(files / "store").hash


def faults(store: Path, files: Path) -> dict[str, tuple[str, ...]]:
    found = verify_store(store, tables=tables(files))
    return {check.name: check.faults for check in found if check.faults}


@pytest.mark.parametrize(
    ("array", "find", "fault"),
    [
        ("value", 41.5, "entry lba_1aaa, tm: 42.5, the tables say 41.5"),
        ("value", 2.5, "entry 2aab, chain B, rate: 3.5, the tables say 2.5"),
    ],
)
def test_changed_values(tmp_path: Path, files: Path, array: str, find: float, fault: str) -> None:
    store = Path(shutil.copytree(files / "store", tmp_path / "s"))
    place = int(np.flatnonzero(np.load(store / f"{array}.npy") == find)[0])
    edit(store, array, put(place, find + 1))
    assert faults(store, files)[OWN][0] == fault


def test_changed_terms(tmp_path: Path, files: Path) -> None:
    store = Path(shutil.copytree(files / "store", tmp_path / "s"))
    task = np.load(store / "term_row_task.npy")
    row = int(np.flatnonzero(task == 8)[0])
    end = np.load(store / "term_row_end.npy")
    edit(store, "term", put(int(end[row]) - 1, 0))
    assert "the tables say" in faults(store, files)[OWN][0]


def test_another_table(tmp_path: Path, files: Path) -> None:
    other = tmp_path / "labels.csv"
    other.write_text((files / "labels.csv").read_text().replace("48", "49"))
    checks = {c.name: c.faults for c in verify_store(files / "store", tables=[other])}
    assert checks["own tables are those of the build"] == (
        "labels.csv is not a file that the store was built from",
    )
    assert "the tables say 49" in " ".join(checks[OWN])
    missing = verify_store(files / "store", tables=[tmp_path / "none.csv"])
    assert any(check.faults for check in missing)
