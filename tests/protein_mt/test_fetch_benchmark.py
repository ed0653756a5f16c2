"""The whole of ``hemenet data fetch`` against a local server: from nothing to a raw folder."""

from __future__ import annotations

import argparse
import csv
import errno
import gzip
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock

from hemenet_lab.commands.fetch import add_fetch_parser
from hemenet_lab.protein_mt.fetch import benchmark, request
from hemenet_lab.protein_mt.fetch.options import FetchOptions
from hemenet_lab.protein_mt.fetch.report import REPORT_FILE
from hemenet_lab.protein_mt.labels import read_labels
from hemenet_lab.protein_mt.layout import find_raw
from hemenet_lab.protein_mt.read_entry import read_source
from hemenet_lab.protein_mt.sources import HOSTS, MIRRORS_VARIABLE, OBSOLETE, TABLES
from tests.protein_mt.cif_files import COMPONENT, bcif_gz, cif_gz, two_chains
from tests.protein_mt.local_server import LocalServer, serving

OBSOLETE_TEXT = "OBSLTE    31-JUL-94 3ABC     4ABC\nOBSLTE    31-JUL-94 9ABC\n"
CHAIN = "PDB,CHAIN,"
CONTENTS = {
    "ec": "### EC-numbers\n1.1.1.1\n### PDB-chain\tEC-numbers\n1ABC-A\t1.1.1.1\n3ABC-B\t1.1.1.1\n",
    "go": "".join(f"### GO {b}\nGO:{i}\n### names\nterm {i}\n" for i, b in enumerate("abc"))
    + "### PDB-chain\tterms\n1ABC-A\tGO:0\t\t\n2ABC-B\t\tGO:1\tGO:2\n",
    "chains": "1ABC-A\n1ABC-B\n",
    "identities": "PDB-chain,<30%\n1ABC-A,1\n",
    "pdb_chain_uniprot": f"# now\n{CHAIN}SP_PRIMARY\n1abc,A,P1\n",
    "pdb_chain_enzyme": f"# now\n{CHAIN}ACCESSION,EC_NUMBER\n1abc,A,P1,1.1.1.1\n",
    "pdb_chain_go": f"# now\n{CHAIN}SP_PRIMARY,WITH_STRING,EVIDENCE,GO_ID\n1abc,A,P1,,IDA,GO:1\n",
    "obo": "format-version: 1.2\ndata-version: releases/2019-07-01\n\n[Term]\nid: GO:1\n",
    "enzyme": "ID   1.1.1.1\nDE   alcohol dehydrogenase.\n//\n",
    "enzclass": "1. -. -.-  Oxidoreductases.\n",
    "obsolete": OBSOLETE_TEXT,
}
TABLE = "id,ligand,receptor_chains,partner_chains,affinity,unit,source\n"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalServer]:
    """All sources on one server; only the checksums of DeepFRI's real lists are left out."""
    tables = tuple(replace(table, sha256="") for table in TABLES)
    monkeypatch.setattr(benchmark, "TABLES", tables)
    with serving() as state:
        state.headers["ETag"] = '"v1"'
        hosts = {name: f"{state.url}/{name}" for name in HOSTS}
        monkeypatch.setenv(MIRRORS_VARIABLE, ",".join(f"{n}={url}" for n, url in hosts.items()))
        for source in (OBSOLETE, *tables):
            content = CONTENTS[source.check].encode()
            packed = gzip.compress(content) if source.path.endswith(".gz") else content
            state.files[source.url(hosts).removeprefix(state.url)] = packed
        for code in ("1abc", "2abc", "4abc"):
            state.files[f"/rcsb-models/{code}.bcif.gz"] = bcif_gz(code, two_chains())
            state.files[f"/rcsb/download/{code.upper()}.cif.gz"] = cif_gz(code, two_chains())
        state.files["/rcsb/ligands/download/LIG.cif"] = COMPONENT.encode()
        yield state


def run(raw: Path, *words: object) -> int:
    """The command, quick to give up."""
    parser = argparse.ArgumentParser()
    add_fetch_parser(parser.add_subparsers())
    options = ("--attempts", "1", "--timeout", "20", "--rate", "1000", "--workers", "4")
    args = parser.parse_args(["fetch", "--out", str(raw), *map(str, words), *options])
    return int(args.run(args))


def report(raw: Path) -> dict[str, dict[str, str]]:
    with (raw / REPORT_FILE).open(encoding="utf-8", newline="") as file:
        return {f"{row['source']} {row['item']}": row for row in csv.DictReader(file)}


def files_of(raw: Path) -> list[str]:
    return sorted(path.name for path in (raw / "structures").iterdir())


def test_everything(
    server: LocalServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = tmp_path / "raw"
    assert run(raw) == 0
    said = capsys.readouterr().out
    assert f"{raw}: complete" in said
    assert "structures-bcif: 3 fetched" in said
    assert "1 of them are successors of obsolete entries" in said
    assert "--affinity-table CSV" in said
    names = ["1abc.bcif.gz", "2abc.bcif.gz", "4abc.bcif.gz", "chains.csv", "obsolete.dat"]
    assert files_of(raw) == names
    row = report(raw)["structures-bcif 3abc"]
    assert (row["status"], row["path"]) == ("fetched", "structures/4abc.bcif.gz")
    assert row["note"] == "obsolete: 3abc → 4abc"
    assert {path.name for path in (raw / ".partial").rglob("*") if path.is_file()} <= {"lock"}


def test_build_reads_what_was_fetched(server: LocalServer, tmp_path: Path) -> None:
    assert run(tmp_path) == 0
    raw = find_raw(tmp_path)
    assert [source.id for source in raw.sources] == ["1ABC-A", "1ABC-B", "2ABC-B", "3ABC-B"]
    assert raw.sources[3].structure.name == "4abc.bcif.gz"
    for source in raw.sources:
        entry = read_source(source).entry
        assert entry is not None
        assert entry.chain_names == (source.chain,)
        assert entry.num_nodes == {"A": 5, "B": 4}[source.chain]
    labels = read_labels(raw)
    assert {task.name: len(task.terms) for task in labels.tasks if task.terms} == {
        "ec": 1,
        "mf": 1,
        "bp": 1,
        "cc": 1,
    }
    assert labels.transfer.labels("1abc", "A").keys() == {"ec", "mf"}


def test_a_second_run_asks_for_nothing(server: LocalServer, tmp_path: Path) -> None:
    assert run(tmp_path) == 0
    first, asked = report(tmp_path), len(server.requests)
    assert run(tmp_path) == 0
    assert len(server.requests) == asked
    second = report(tmp_path)
    assert {row["status"] for row in second.values()} == {"present"}
    for key, row in second.items():
        assert (row["sha256"], row["bytes"]) == (first[key]["sha256"], first[key]["bytes"])


def test_mmcif(server: LocalServer, tmp_path: Path) -> None:
    assert run(tmp_path, "--format", "cif") == 0
    assert files_of(tmp_path)[:3] == ["1abc.cif.gz", "2abc.cif.gz", "4abc.cif.gz"]
    assert all(read_source(source).entry for source in find_raw(tmp_path).sources)


def test_only_some_ids(server: LocalServer, tmp_path: Path) -> None:
    (tmp_path / "ids.txt").write_text("1ABC-B 2abc\n9abc\n")
    raw = tmp_path / "raw"
    assert run(raw, "--ids", tmp_path / "ids.txt") == 1
    assert files_of(raw)[:2] == ["1abc.bcif.gz", "2abc.bcif.gz"]
    assert [source.id for source in find_raw(raw).sources] == ["1ABC-B", "2ABC-B"]
    row = report(raw)["structures-bcif 9abc"]
    assert (row["status"], row["note"]) == ("missing", "9abc is obsolete, without a successor")


def test_what_is_missing_is_said_and_fetched_later(
    server: LocalServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.faults = {
        "/rcsb-models/1abc.bcif.gz": ["404"],
        "/rcsb-models/2abc.bcif.gz": ["cut 30"],
        "/enzyme/enzyme.dat": ["500"],
    }
    assert run(tmp_path) == 1
    said = capsys.readouterr().out
    assert "INCOMPLETE" in said
    assert "1abc: missing: HTTP 404" in said
    assert "2abc: failed: the connection ended after 30 of" in said
    assert "enzyme: failed: HTTP 500" in said
    assert f"run again: hemenet data fetch --out {tmp_path}" in said
    assert [source.id for source in find_raw(tmp_path).sources] == ["3ABC-B"]
    asked = len(server.requests)
    assert run(tmp_path) == 0
    assert len(server.requests) - asked == 3
    assert len(find_raw(tmp_path).sources) == 4


def test_no_list_no_chains_but_a_report(server: LocalServer, tmp_path: Path) -> None:
    server.files = dict.fromkeys(server.files, b"")
    assert run(tmp_path) == 1
    rows = report(tmp_path)
    assert len(rows) == 1 + len(TABLES)
    assert {row["status"] for row in rows.values()} == {"failed"}


def test_full_disk(
    server: LocalServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write = request.write_chunk
    written = []

    class FullDisk:
        def write(self, chunk: bytes) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    def write_chunk(file: object, chunk: bytes) -> None:
        written.append(chunk)
        write(file if len(written) < 10 else FullDisk(), chunk)  # type: ignore[arg-type] # a file

    monkeypatch.setattr(request, "write_chunk", write_chunk)
    assert run(tmp_path) == 1
    said = capsys.readouterr().out
    assert "The run ended early: the disk is full (No space left on device)." in said
    assert "not tried" in said
    monkeypatch.setattr(request, "write_chunk", write)
    assert run(tmp_path) == 0
    assert len(find_raw(tmp_path).sources) == 4


def test_report_that_cannot_be_written(
    server: LocalServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / REPORT_FILE / "in the way").mkdir(parents=True)
    assert run(tmp_path) == 0
    assert f"{REPORT_FILE} could not be written" in capsys.readouterr().out


def test_stopped_by_the_user(
    server: LocalServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(benchmark, "write_chain_list", interrupt)
    assert run(tmp_path) == 1
    assert report(tmp_path)["structures-bcif 1abc"]["status"] == "fetched"


def test_affinity_table(
    server: LocalServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, raw = tmp_path / "table.csv", tmp_path / "raw"
    rows = ["1abc,LIG,B,,1,nM,x", "2abc,,A,B,1,uM,x", "3abc,STI,,,1,nM,x", "x,LIG,,,1,nM,x"]
    path.write_text(TABLE + "\n".join(rows))
    server.files["/rcsb/ligands/download/STI.cif"] = COMPONENT.encode()
    assert run(raw, "--affinity-table", path) == 1
    said = capsys.readouterr().out
    assert "3abc: unusable: 4abc.bcif.gz: no ligand STI; it has HOH, LIG" in said
    assert "x: unusable: line 5: id 'x' is not a PDB code" in said
    found = {source.id: source for source in find_raw(raw).sources}
    assert {"1abc": "lba", "2abc": "ppa"}.items() <= {i: s.kind for i, s in found.items()}.items()
    entry = read_source(found["1abc"]).entry
    assert entry is not None
    assert entry.kind == "lba"
    pair = read_source(found["2abc"], ("B",)).entry
    assert pair is not None
    assert pair.chain_names == ("A", "B")
    affinities = read_labels(find_raw(raw)).affinities
    assert {kind: {i: a.pk for i, a in of.items()} for kind, of in affinities.items()} == {
        "lba": {"1abc": pytest.approx(9)},
        "ppa": {"2abc": pytest.approx(6)},
    }
    # a shorter table: what it no longer names goes
    path.write_text(TABLE + rows[1])
    assert run(raw, "--affinity-table", path) == 0
    assert not (raw / "open-route" / "1abc").exists()
    assert "1abc" not in {source.id for source in find_raw(raw).sources}


def test_pdbbind_and_a_table_are_kept_apart(server: LocalServer, tmp_path: Path) -> None:
    path, raw = tmp_path / "table.csv", tmp_path / "raw"
    path.write_text(TABLE + "1abc,LIG,,,1,nM,x\n")
    assert run(raw, "--affinity-table", path) == 0
    (tmp_path / "pdbbind").mkdir()
    with pytest.raises(ValueError, match=r"of an affinity table; use another --out for PDBbind"):
        run(raw, "--pdbbind", tmp_path / "pdbbind")
    other = tmp_path / "other"
    (other / "index").mkdir(parents=True)
    (other / "index" / "INDEX_general_PP.2020").touch()
    with pytest.raises(ValueError, match=r"holds INDEX_general_PP.2020 of PDBbind"):
        run(other, "--affinity-table", path)


def test_pdbbind_with_parts_missing(
    server: LocalServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pdbbind").mkdir()
    raw = tmp_path / "raw"
    assert run(raw, "--pdbbind", tmp_path / "pdbbind") == 1
    said = capsys.readouterr().out
    assert "PP: missing: download protein-protein complexes (PDBbind_v2020_PP.tar.gz" in said
    assert len(find_raw(raw).sources) == 4  # everything else is there


def test_two_runs_at_once(server: LocalServer, tmp_path: Path) -> None:
    (tmp_path / benchmark.PARTIAL).mkdir()
    with (
        FileLock(tmp_path / benchmark.PARTIAL / "lock"),
        pytest.raises(ValueError, match=r"another fetch is writing"),
    ):
        run(tmp_path)


def test_out_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "raw").touch()
    with pytest.raises(ValueError, match=r"raw is a file; --out must be a folder"):
        run(tmp_path / "raw")


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [({"format": "pdb"}, "expected one of bcif, cif"), ({"workers": 0}, "must be 1 or more")],
)
def test_options_that_make_no_sense(wrong: dict[str, object], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        FetchOptions(**wrong)  # type: ignore[arg-type] # of any kind
