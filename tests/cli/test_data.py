"""`hemenet data build` and `hemenet data inspect`."""

from __future__ import annotations

from pathlib import Path

import pytest

from hemenet_lab.cli import data
from hemenet_lab.cli.command import call
from hemenet_lab.protein_mt.build.summary import table_text
from hemenet_lab.protein_mt.settings import BuildSettings
from hemenet_lab.store.reader import StoreWriter
from hemenet_lab.tasks import PROTEIN_MT
from tests.protein_mt.labels.test_transfer import entry
from tests.protein_mt.raw_folder import write_raw


def run(*args: str) -> int:
    return call(getattr(data, args[0]), args[1:], f"hemenet data {args[0]}")


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_raw(tmp_path_factory.mktemp("raw"))
    (folder / "SYNTHETIC").write_text("made by the tests\n")
    return folder


@pytest.fixture(scope="module")
def store(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("store")
    assert run("build", "--raw", str(raw), "--out", str(out), "--workers", "1") == 0
    return out


def test_inspect_prints_the_counts(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("inspect", str(store)) == 0
    text = capsys.readouterr().out
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert lines[0].startswith("SYNTHETIC DATA")
    assert "protein-ligand 8 4 4" in lines
    assert "all 23 18 5" in lines
    assert "entries with all labels 3" in lines
    assert "chains without UniProt id 17" in lines
    assert "ec Enzyme Commission number chain 3 3" in lines
    assert "Split 'default = taskwise': labelled items (complexes or chains)" in text
    assert "entry no label of any task 3" in lines
    assert "label affinity is a bound 1" in lines
    assert any(line.startswith("default = taskwise test") for line in lines)


def test_building_again_says_that_nothing_is_to_do(
    raw: Path, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("build", "--raw", str(raw), "--out", str(store), "--workers", "2") == 0
    assert "is up to date: same raw files, same settings" in capsys.readouterr().out


def test_options_are_the_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen: dict[str, object] = {}

    def stop(raw: Path, out: Path, **options: object) -> None:
        seen.update(options, raw=raw, out=out)
        raise ValueError("stop here")

    monkeypatch.setattr("hemenet_lab.protein_mt.build.build_store", stop)
    options = "--seed 3 --min-seq-id 0.3 --coverage 0.8 --max-atoms 99 --scheme published"
    flags = "--keep-hetero --keep-censored --force --workers 7 --raw R --out O"
    with pytest.raises(ValueError, match="stop here"):
        run("build", *options.split(), *flags.split())
    assert seen["settings"] == BuildSettings("published", 3, 0.3, 0.8, 99, True, True)
    assert (seen["raw"], seen["out"]) == (Path("R"), Path("O"))
    assert (seen["workers"], seen["force"]) == (7, True)


def test_inspect_of_a_store_of_another_origin(tmp_path: Path) -> None:
    with StoreWriter(tmp_path / "store", PROTEIN_MT) as writer:
        writer.add(entry("A"))
        writer.close({})
    with pytest.raises(ValueError, match="was not made by `hemenet data build`"):
        run("inspect", str(tmp_path / "store"))


def test_tables_are_aligned() -> None:
    text = table_text([("name", "count"), ("a", 12345), ("long name", ""), ("b", 7)])
    assert text.splitlines() == [
        "name        count",
        "---------  ------",
        "a          12,345",
        "long name",
        "b               7",
    ]
