"""The whole of ``hemenet data fetch`` against a local server: from nothing to a raw folder."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from hemenet_lab.protein_mt.fetch import FetchSettings
from hemenet_lab.protein_mt.fetch.benchmark import PARTIAL
from hemenet_lab.protein_mt.fetch.report import REPORT_FILE
from hemenet_lab.protein_mt.fetch.request import write_chunk as write
from hemenet_lab.protein_mt.labels.read import read_labels
from hemenet_lab.protein_mt.raw.entry import read_source
from hemenet_lab.protein_mt.raw.layout import find_raw
from hemenet_lab.protein_mt.sources import TABLES
from tests.protein_mt.all_sources import report, run, serving_all
from tests.protein_mt.local_server import LocalServer


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalServer]:
    with serving_all(monkeypatch) as state:
        yield state


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
    assert run(tmp_path, format="cif") == 0
    assert files_of(tmp_path)[:3] == ["1abc.cif.gz", "2abc.cif.gz", "4abc.cif.gz"]
    assert all(read_source(source).entry for source in find_raw(tmp_path).sources)


def test_only_some_ids(server: LocalServer, tmp_path: Path) -> None:
    (tmp_path / "ids.txt").write_text("1ABC-B 2abc\n9abc\n")
    raw = tmp_path / "raw"
    assert run(raw, ids=tmp_path / "ids.txt") == 1
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
    options = "--workers 4 --rate 1000.0 --attempts 1 --timeout 20.0"
    assert f"run again: hemenet data fetch --out {tmp_path} {options} (" in said
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
    written = []

    class FullDisk:
        def write(self, chunk: bytes) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    def write_chunk(file: object, chunk: bytes) -> None:
        written.append(chunk)
        write(file if len(written) < 10 else FullDisk(), chunk)  # type: ignore[arg-type] # a file

    monkeypatch.setattr("hemenet_lab.protein_mt.fetch.request.write_chunk", write_chunk)
    assert run(tmp_path) == 1
    said = capsys.readouterr().out
    assert "The run ended early: the disk is full (No space left on device)." in said
    assert "not tried" in said
    monkeypatch.setattr("hemenet_lab.protein_mt.fetch.request.write_chunk", write)
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

    monkeypatch.setattr("hemenet_lab.protein_mt.fetch.benchmark.write_chain_list", interrupt)
    assert run(tmp_path) == 1
    assert report(tmp_path)["structures-bcif 1abc"]["status"] == "fetched"


def test_two_runs_at_once(server: LocalServer, tmp_path: Path) -> None:
    (tmp_path / PARTIAL).mkdir()
    with (
        FileLock(tmp_path / PARTIAL / "lock"),
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
def test_settings_that_make_no_sense(tmp_path: Path, wrong: dict[str, object], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        FetchSettings(tmp_path, **wrong)  # type: ignore[arg-type] # of any kind


@pytest.mark.parametrize(
    "mirror", ["rcsb=http://a,enzyme=http://b", ("rcsb=http://a", "enzyme=http://b")]
)
def test_the_command_that_continues(tmp_path: Path, mirror: str | tuple[str, ...]) -> None:
    settings = FetchSettings(tmp_path, ids=Path("my ids"), mirror=mirror, copy=True, progress=True)
    assert (settings.hosts["rcsb"], settings.hosts["enzyme"]) == ("http://a", "http://b")
    options = "--ids 'my ids' --copy --mirror rcsb=http://a,enzyme=http://b"
    assert settings.command == f"hemenet data fetch --out {tmp_path} {options}"


@pytest.mark.parametrize("mirror", ["ftp", "rcsb=ftp://a", "pdb=http://a"])
def test_mirrors_are_checked_before_anything_is_fetched(tmp_path: Path, mirror: str) -> None:
    with pytest.raises(ValueError, match=r"^mirror "):
        FetchSettings(tmp_path / "raw", mirror=mirror)
