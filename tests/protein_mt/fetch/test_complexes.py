"""``hemenet data fetch`` with complexes: from an affinity table, from PDBbind, never from both."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from hemenet_lab.protein_mt.labels.read import read_labels
from hemenet_lab.protein_mt.raw.layout import find_raw
from tests.protein_mt.all_sources import run, serving_all
from tests.protein_mt.cif_files import COMPONENT
from tests.protein_mt.fetch.test_pdbbind import layout_2020
from tests.protein_mt.local_server import LocalServer
from tests.protein_mt.reading import read_source

TABLE = "id,ligand,receptor_chains,partner_chains,affinity,unit,source\n"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalServer]:
    with serving_all(monkeypatch) as state:
        yield state


def test_affinity_table(
    server: LocalServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, raw = tmp_path / "table.csv", tmp_path / "raw"
    rows = ["1abc,LIG,B,,1,nM,x", "2abc,,A,B,1,uM,x", "3abc,STI,,,1,nM,x", "x,LIG,,,1,nM,x"]
    path.write_text(TABLE + "\n".join(rows))
    server.files["/rcsb/ligands/download/STI.cif"] = COMPONENT.encode()
    assert run(raw, affinity_table=path) == 1
    said = capsys.readouterr().out
    assert "3abc: unusable: 4abc.bcif.gz: no ligand STI; it has HOH, LIG" in said
    assert "x: unusable: line 5: id 'x' is not a PDB code" in said
    found = {source.id: source for source in find_raw(raw).sources}
    assert {"1abc": "lba", "2abc": "ppa"}.items() <= {i: s.kind for i, s in found.items()}.items()
    entry = read_source(found["1abc"]).entry
    assert entry is not None
    assert entry.kind == "lba"
    pair = read_source(found["2abc"], ("B",), contact=100.0).entry
    assert pair is not None
    assert pair.chain_names == ("A", "B")
    affinities = read_labels(find_raw(raw)).affinities
    assert {kind: {i: a.pk for i, a in of.items()} for kind, of in affinities.items()} == {
        "lba": {"1abc": pytest.approx(9)},
        "ppa": {"2abc": pytest.approx(6)},
    }
    # a shorter table: what it no longer names goes
    path.write_text(TABLE + rows[1])
    assert run(raw, affinity_table=path) == 0
    assert not (raw / "open-route" / "1abc").exists()
    assert "1abc" not in {source.id for source in find_raw(raw).sources}


def test_pdbbind_and_a_table_are_kept_apart(server: LocalServer, tmp_path: Path) -> None:
    path, raw = tmp_path / "table.csv", tmp_path / "raw"
    path.write_text(TABLE + "1abc,LIG,,,1,nM,x\n")
    assert run(raw, affinity_table=path) == 0
    (tmp_path / "pdbbind").mkdir()
    with pytest.raises(ValueError, match=r"of an affinity table; use another --out for PDBbind"):
        run(raw, pdbbind=tmp_path / "pdbbind")
    other = tmp_path / "other"
    (other / "index").mkdir(parents=True)
    (other / "index" / "INDEX_general_PP.2020").touch()
    with pytest.raises(ValueError, match=r"holds INDEX_general_PP.2020 of PDBbind"):
        run(other, affinity_table=path)


def test_pdbbind_with_parts_missing(
    server: LocalServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pdbbind").mkdir()
    raw = tmp_path / "raw"
    assert run(raw, pdbbind=tmp_path / "pdbbind") == 1
    said = capsys.readouterr().out
    assert "PP: missing: download protein-protein complexes (PDBbind_v2020_PP.tar.gz" in said
    assert len(find_raw(raw).sources) == 4  # everything else is there


def full_disk(*args: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_disk_full_while_complexes_are_written(
    server: LocalServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path, raw = tmp_path / "table.csv", tmp_path / "raw"
    path.write_text(TABLE + "1abc,LIG,,,1,nM,x\n2abc,LIG,,,1,nM,x\n")
    with monkeypatch.context() as patch:
        patch.setattr("hemenet_lab.protein_mt.complexes.write.put_file", full_disk)
        assert run(raw, affinity_table=path) == 1
    said = capsys.readouterr().out
    assert "The run ended early: a file cannot be written: [Errno 28] No space left" in said
    assert "open-route: 1 failed, 1 not tried" in said
    assert f"run again: hemenet data fetch --out {raw} --affinity-table {path}" in said
    assert not (raw / "open-route").exists()
    assert run(raw, affinity_table=path) == 0
    assert [s.id for s in find_raw(raw).sources if s.kind == "lba"] == ["1abc", "2abc"]


def test_disk_full_while_pdbbind_is_copied(
    server: LocalServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pdbbind, raw = layout_2020(tmp_path / "pdbbind"), tmp_path / "raw"
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfile", full_disk)
        assert run(raw, pdbbind=pdbbind, copy=True) == 1
    said = capsys.readouterr().out
    assert "a file cannot be read or written: [Errno 28] No space left on device" in said
    assert f"--pdbbind {pdbbind}" in said
    assert " --copy" in said
    # no half a file is left
    left = {file.name for file in raw.rglob("*") if file.is_file()}
    assert left <= {"lock", "fetch_report.csv"}
    assert run(raw, pdbbind=pdbbind, copy=True) == 0
    assert [s.id for s in find_raw(raw).sources if s.kind != "chain"] == ["1abc", "3abc"]
