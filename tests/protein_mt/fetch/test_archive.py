"""A local copy of the PDB, other paths of sources, and checksums that are kept."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hemenet_lab.cli import hemenet
from hemenet_lab.protein_mt import check_template, fill_template, paths_with
from hemenet_lab.protein_mt.build import build_store
from hemenet_lab.protein_mt.fetch.download import measure
from hemenet_lab.protein_mt.fetch.report import REPORT_FILE
from hemenet_lab.protein_mt.raw import Archive, find_raw
from hemenet_lab.protein_mt.sources import HOSTS, STRUCTURES, TABLES
from hemenet_lab.store import Store
from tests.protein_mt.all_sources import report, run, serving_all
from tests.protein_mt.cif_files import bcif_gz, cif_gz, two_chains
from tests.protein_mt.local_server import LocalServer
from tests.protein_mt.raw_folder import pdb_text, sequence

PLACES = (
    *("divided/mmCIF/ab/1abc.cif.gz", "data/structures/divided/mmCIF/ab/1abc.cif.gz"),
    *("mmCIF/ab/1abc.cif.gz", "ab/1abc.cif.gz", "divided/pdb/ab/pdb1abc.ent.gz"),
    *("data/structures/all/mmCIF/1abc.cif.gz", "all/pdb/pdb1abc.ent.gz", "1abc.cif.gz"),
    *(
        "1ABC.cif",
        "pdb1abc.ent",
        "1abc.bcif.gz",
        "pub/pdb/data/structures/divided/pdb/ab/pdb1abc.ent",
    ),
)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalServer]:
    with serving_all(monkeypatch) as state:
        yield state


def put(path: Path, content: bytes = b"x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("place", PLACES)
def test_layouts(tmp_path: Path, place: str) -> None:
    path = put(tmp_path / place)
    archive = Archive(tmp_path)
    assert archive.find("1ABC") == archive.find("pdb_00001abc") == path
    assert archive.find("2abc") is None
    assert archive.find("../1abc") is None


def test_a_template(tmp_path: Path) -> None:
    path = put(tmp_path / "by-two" / "AB" / "x-1abc.pdb")
    archive = Archive(f"{tmp_path}/by-two/{{MID}}/x-{{id}}.pdb")
    assert (archive.find("1abc"), archive.path) == (path, tmp_path / "by-two")


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("nowhere", "does not exist; give its folder"),
        ("{code}.cif", r"something else in braces than \{id\}"),
        ("{mid}/x.cif", "names no entry"),
        ("a/../{id}.cif", "leads upwards"),
        ("{id", "in braces"),
    ],
)
def test_archives_that_are_none(place: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Archive(place)


@pytest.mark.parametrize("copy", [False, True])
def test_fetch_takes_what_the_archive_has(server: LocalServer, tmp_path: Path, copy: bool) -> None:
    """Two of three entries; the third comes from the server."""
    pdb = tmp_path / "pdb" / "data" / "structures" / "divided"
    put(pdb / "mmCIF" / "ab" / "1abc.cif.gz", cif_gz("1abc", two_chains()))
    put(pdb / "pdb" / "ab" / "pdb2abc.ent.gz", gzip.compress(pdb_text({"B": "ACDEFG"}).encode()))
    put(pdb / "mmCIF" / "ab" / "4abc.cif.gz", b"")
    raw = tmp_path / "raw"
    assert run(raw, pdb_dir=str(tmp_path / "pdb"), copy=copy) == 0
    rows = report(raw)
    row = rows["pdb-dir 1abc"]
    assert (row["status"], row["path"]) == (
        "copied" if copy else "linked",
        "structures/1abc.cif.gz",
    )
    assert row["sha256"] == hashlib.sha256((raw / row["path"]).read_bytes()).hexdigest()
    assert (raw / row["path"]).is_symlink() is not copy
    assert rows["pdb-dir 2abc"]["path"] == "structures/2abc.ent.gz"
    assert rows["structures-bcif 3abc"]["path"] == "structures/4abc.bcif.gz"
    assert not server.asked("/rcsb-models/1abc.bcif.gz")
    assert [source.id for source in find_raw(raw).sources] == [
        "1ABC-A",
        "1ABC-B",
        "2ABC-B",
        "3ABC-B",
    ]
    assert run(raw, pdb_dir=str(tmp_path / "pdb"), copy=copy) == 0


def test_files_that_all_have_one_name(server: LocalServer, tmp_path: Path) -> None:
    put(tmp_path / "pdb" / "1abc" / "model.cif.gz", cif_gz("1abc", two_chains()))
    assert run(tmp_path / "raw", pdb_dir=f"{tmp_path}/pdb/{{id}}/model.cif.gz") == 0
    assert report(tmp_path / "raw")["pdb-dir 1abc"]["path"] == "structures/1abc.cif.gz"


def test_a_changed_file_of_the_archive_is_refused(
    server: LocalServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = put(tmp_path / "pdb" / "1abc.cif.gz", cif_gz("1abc", two_chains()))
    raw, first = tmp_path / "raw", hashlib.sha256(path.read_bytes()).hexdigest()
    assert run(raw, pdb_dir=str(tmp_path / "pdb")) == 0
    path.write_bytes(cif_gz("1abc", two_chains()[:-1]))
    second = hashlib.sha256(path.read_bytes()).hexdigest()
    for _ in range(2):  # and again by the next run
        capsys.readouterr()
        assert run(raw, pdb_dir=str(tmp_path / "pdb")) == 1
        said = capsys.readouterr().out
        assert f"its SHA-256 was {first} when it came, and is {second} now" in said
    assert [source.id for source in find_raw(raw).sources] == ["2ABC-B", "3ABC-B"]


def test_a_changed_table_is_refused(
    server: LocalServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path) == 0
    table = tmp_path / "sifts" / "pdb_chain_uniprot.csv.gz"
    first = measure(table)[1]
    text = gzip.decompress(table.read_bytes())
    table.write_bytes(gzip.compress(text.replace(b"P1", b"P2")))
    assert run(tmp_path) == 1
    said = capsys.readouterr().out
    assert f"pdb_chain_uniprot: changed: its SHA-256 was {first}" in said
    row = report(tmp_path)["pdb_chain_uniprot pdb_chain_uniprot"]
    assert (row["status"], row["sha256"]) == ("changed", first)
    # the user takes it as it is: without its row nothing is known of it
    lines = (tmp_path / REPORT_FILE).read_text().splitlines(keepends=True)
    kept = [line for line in lines if not line.startswith("pdb_chain_uniprot,")]
    (tmp_path / REPORT_FILE).write_text("".join(kept))
    assert run(tmp_path) == 0


def test_a_new_version_of_a_source_is_reported(server: LocalServer, tmp_path: Path) -> None:
    assert run(tmp_path) == 0
    table = tmp_path / "enzyme" / "enzyme.dat"
    first = measure(table)[1]
    [path] = [name for name in server.files if name.endswith("enzyme.dat")]
    server.files[path] += b"ID   1.1.1.2\nDE   another.\n//\n"
    table.unlink()
    assert run(tmp_path) == 0
    row = report(tmp_path)["enzyme enzyme"]
    assert row["note"] == f"another version: SHA-256 was {first}, is {measure(table)[1]}"


def test_a_file_of_git_is_known_by_its_blob(
    server: LocalServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_blob(name: str) -> None:
        tables = [replace(t, sha256="", git_blob=name if t.check == "go" else "") for t in TABLES]
        monkeypatch.setattr("hemenet_lab.protein_mt.fetch.benchmark.TABLES", tables)

    [path] = [name for name in server.files if "nrPDB-GO" in name and "annot" in name]
    content = server.files[path]
    with_blob("0" * 40)
    assert run(tmp_path / "wrong") == 1
    [row] = [
        row for key, row in report(tmp_path / "wrong").items() if "GO" in key and "annot" in key
    ]
    assert "not the expected file: git's name of it is" in row["note"]
    with_blob(hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest())
    assert run(tmp_path / "right") == 0


def test_other_paths_of_sources(server: LocalServer, tmp_path: Path) -> None:
    """As PDBj and others lay their files out, on a source's own host or on another one."""
    for code in ("1abc", "2abc", "4abc"):
        server.files[f"/pdbj/mmCIF/ab/{code}.cif.gz"] = cif_gz(code, two_chains())
        server.files[f"/rcsb-models/b/ab/{code}.bcif.gz"] = bcif_gz(code, two_chains())
    whole = f"structures-cif={server.url}/pdbj/mmCIF/{{mid}}/{{id}}.cif.gz"
    assert run(tmp_path / "a", format="cif", path=(whole,)) == 0
    assert report(tmp_path / "a")["structures-cif 1abc"]["url"].endswith("/mmCIF/ab/1abc.cif.gz")
    assert run(tmp_path / "b", path=("structures-bcif=b/{mid}/{id}.bcif.gz",)) == 0
    assert server.asked("/rcsb-models/b/ab/4abc.bcif.gz")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("structures-cif", "expected SOURCE=TEMPLATE"),
        ("rcsb={id}.cif", "with a SOURCE of structures-bcif"),
        ("structures-cif=x.cif", "names no entry"),
        ("enzyme={id}.dat", "is a single file"),
        ("structures-cif=ftp://a.example/{id}.cif", "must begin with http"),
        ("structures-cif=../{id}.cif", "leads upwards"),
        ("structures-cif={id.__class__}", "in braces"),
    ],
)
def test_paths_of_another_form(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        paths_with([text])


def test_templates() -> None:
    text = check_template("{mid}/{MID}/{id}/{ID}")
    assert fill_template(text, "pdb_00001abc") == "ab/AB/pdb_00001abc/PDB_00001ABC"
    url = STRUCTURES["cif"].url(HOSTS, "1ABC", {"structures-cif": "{mid}/{id}.cif.gz"})
    assert url == "https://files.rcsb.org/ab/1abc.cif.gz"
    with pytest.raises(ValueError, match="is not an id"):
        fill_template(text, "../x")


def test_deepfri_is_pinned_to_a_commit(capsys: pytest.CaptureFixture[str]) -> None:
    assert hemenet(["data", "sources"]) == 0
    text = capsys.readouterr().out
    assert "DeepFRI/3bd6c7eae67894ccedbe1117e33b3abe544bca71/preprocessing/data/nrPDB-GO" in text
    assert "about 10.3 MB" in text
    assert "DeepFRI/master" not in text
    assert all(table.sha256 or table.git_blob for table in TABLES if table.host == "deepfri")


def test_build_reads_chains_from_the_archive(tmp_path: Path) -> None:
    """Chains of the annotation table that have no file in the raw folder, by their author ids."""
    raw, pdb = tmp_path / "raw", tmp_path / "pdb"
    rows = "".join(f"{name}\t1.1.1.1\n" for name in ("1ABC-A", "1ABC-B", "2ABC-A", "9ZZZ-A"))
    put(
        raw / "EnzymeCommission" / "nrPDB-EC_2020.04_annot.tsv",
        f"### EC-numbers\n1.1.1.1\t1.1.1.2\n### PDB-chain\tEC-numbers\n{rows}".encode(),
    )
    put(raw / "EnzymeCommission" / "all" / "2ABC-A.pdb", pdb_text({"A": sequence(3)}).encode())
    whole = pdb_text({"A": sequence(1), "B": sequence(2, 60)})
    put(pdb / "divided" / "pdb" / "ab" / "pdb1abc.ent.gz", gzip.compress(whole.encode()))
    put(pdb / "divided" / "pdb" / "ab" / "pdb2abc.ent.gz", gzip.compress(b"not looked at"))
    words = ["--raw", str(raw), "--pdb-dir", str(pdb), "--workers", "1"]
    assert hemenet(["data", "build", *words, "--out", str(tmp_path / "store")]) == 0
    store = Store(tmp_path / "store")
    assert store.ids == ("1ABC-A", "1ABC-B", "2ABC-A")
    assert store[0].num_nodes == 80
    assert store[1].num_nodes == 60
    assert store.manifest["sources"]["structures"]["items"] == 3
    assert hemenet(["data", "verify", str(tmp_path / "store"), "--raw", str(raw)]) == 0


def test_own_data_from_the_archive(tmp_path: Path) -> None:
    (tmp_path / "tasks.yaml").write_text("tasks:\n- {name: tm, level: complex, kind: regression}\n")
    rows = "".join(f"{number}ABC,{40 + number}\n" for number in range(1, 6))
    (tmp_path / "labels.csv").write_text(f"id,tm\n{rows}8xyz,50\n")
    for number in range(1, 6):
        text = pdb_text({"A": sequence(number)}).encode()
        put(tmp_path / "pdb" / "divided" / "pdb" / "ab" / f"pdb{number}abc.ent", text)
    put(tmp_path / "pdb" / "README")
    words = ["--task", str(tmp_path / "tasks.yaml"), "--table", str(tmp_path / "labels.csv")]
    words += ["--pdb-dir", str(tmp_path / "pdb"), "--out", str(tmp_path / "s"), "--workers", "1"]
    assert hemenet(["data", "build", *words]) == 0
    assert Store(tmp_path / "s").ids == ("1abc", "2abc", "3abc", "4abc", "5abc")
    drops = (tmp_path / "s" / "drops.csv").read_text()
    assert "8xyz,tm,label,label without a structure file" in drops
    assert "README" not in drops
    with pytest.raises(ValueError, match="a build needs a raw folder"):
        build_store(None, tmp_path / "other", pdb_dir=tmp_path / "pdb")
