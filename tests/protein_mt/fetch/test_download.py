"""One file over HTTP: every fault ends in the whole file or in a clear reason."""

from __future__ import annotations

import base64
import email.utils
import errno
import gzip
import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from hemenet_lab.protein_mt.fetch.download import download
from hemenet_lab.protein_mt.fetch.report import Record
from hemenet_lab.protein_mt.fetch.request import write_chunk as original
from hemenet_lab.protein_mt.fetch.session import Session
from hemenet_lab.protein_mt.fetch.settings import Policy
from tests.protein_mt.fetch.downloads import CONTENT, IMPATIENT, ONCE, PLACE, QUICK, Impatient, job
from tests.protein_mt.local_server import LocalServer, serving


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with serving() as state:
        state.files[PLACE] = CONTENT
        state.headers["ETag"] = '"v1"'
        yield state


def fetch(server: LocalServer, raw: Path, *faults: str, policy: Policy = QUICK) -> Record:
    server.faults[PLACE] = list(faults)
    silent = {"slow", "drip"} & {*faults}
    return download(job(server, raw), Session(IMPATIENT if silent else policy))


def assert_whole(raw: Path) -> None:
    assert (raw / "structures" / "1abc.bcif.gz").read_bytes() == CONTENT
    assert not list((raw / ".partial").iterdir())


def assert_nothing(raw: Path) -> None:
    assert not (raw / "structures").exists()


def test_whole_file(server: LocalServer, tmp_path: Path) -> None:
    record = fetch(server, tmp_path)
    assert_whole(tmp_path)
    assert (record.status, record.bytes, record.note) == ("fetched", len(CONTENT), "")
    assert record.sha256 == hashlib.sha256(CONTENT).hexdigest()
    [sent] = server.requests
    assert sent.headers["User-Agent"].startswith("hemenet-lab/")
    assert sent.headers["Accept-Encoding"] == "identity"


@pytest.mark.parametrize(
    "fault", ["500", "503", "429 0", "slow", "drip", "cut 50", "cut 0", "damaged"]
)
def test_passing_faults_are_tried_again(server: LocalServer, tmp_path: Path, fault: str) -> None:
    record = fetch(server, tmp_path, fault)
    assert_whole(tmp_path)
    assert (record.status, record.note) == ("fetched", "in 2 attempts")


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("500", "HTTP 500"),
        ("429 0", "HTTP 429"),
        ("slow", "no answer within 0.3 s"),
        ("drip", "stuck: "),
        ("cut 0", "the connection ended after 0 of"),
        ("damaged", "damaged"),
    ],
)
def test_faults_that_stay(server: LocalServer, tmp_path: Path, fault: str, reason: str) -> None:
    record = fetch(server, tmp_path, fault, fault, fault)
    assert_nothing(tmp_path)
    assert record.status == "failed"
    assert reason in record.note
    assert "gave up after 3 attempts" in record.note
    assert len(server.requests) == 3


@pytest.mark.parametrize(("fault", "status"), [("404", "missing"), ("410", "missing")])
def test_a_missing_file_is_asked_for_once(
    server: LocalServer, tmp_path: Path, fault: str, status: str
) -> None:
    record = fetch(server, tmp_path, fault)
    assert_nothing(tmp_path)
    assert (record.status, len(server.requests)) == (status, 1)
    assert fault in record.note


def test_a_refusal_is_not_repeated(server: LocalServer, tmp_path: Path) -> None:
    record = fetch(server, tmp_path, "403")
    assert (record.status, len(server.requests)) == ("failed", 1)
    assert "the server refuses" in record.note


def test_retry_after_is_waited_for(server: LocalServer, tmp_path: Path) -> None:
    tomorrow = email.utils.formatdate(time.time() + 86400, usegmt=True)
    server.faults[PLACE] = ["429 30", "503", f"503 {tomorrow}"]
    session = Impatient(Policy(rate=1000, longest_wait=60))
    record = download(job(server, tmp_path), session)
    assert session.pauses == [30.0, 60]  # for all workers
    assert 20 < max(session.sleeps) <= 60
    assert record.status == "failed"
    assert "the server asks to wait" in record.note


def test_a_wait_that_is_too_long_is_reported(server: LocalServer, tmp_path: Path) -> None:
    record = fetch(server, tmp_path, "503 3600")
    assert record.status == "failed"
    assert "the server asks to wait 3600 s; try later" in record.note
    assert len(server.requests) == 1


def test_a_cut_transfer_goes_on_where_it_ended(server: LocalServer, tmp_path: Path) -> None:
    fetch(server, tmp_path, "cut 100")
    assert_whole(tmp_path)
    first, second = server.requests
    assert "Range" not in first.headers
    assert (second.headers["Range"], second.headers["If-Range"]) == ("bytes=100-", '"v1"')


def test_a_later_run_goes_on_too(server: LocalServer, tmp_path: Path) -> None:
    assert fetch(server, tmp_path, "cut 100", policy=ONCE).status == "failed"
    assert fetch(server, tmp_path, policy=ONCE).status == "fetched"
    assert_whole(tmp_path)
    assert server.requests[-1].headers["Range"] == "bytes=100-"


def test_parts_of_two_versions_are_not_joined(server: LocalServer, tmp_path: Path) -> None:
    server.files[PLACE] = bytes(len(CONTENT))
    fetch(server, tmp_path, "cut 100", policy=ONCE)
    server.files[PLACE], server.headers["ETag"] = CONTENT, '"v2"'
    assert fetch(server, tmp_path, policy=ONCE).status == "fetched"
    assert_whole(tmp_path)


def test_without_a_mark_a_file_is_fetched_from_its_start(
    server: LocalServer, tmp_path: Path
) -> None:
    server.headers.clear()
    fetch(server, tmp_path, "cut 100")
    assert_whole(tmp_path)
    assert "Range" not in server.requests[-1].headers


def test_a_part_longer_than_the_file(server: LocalServer, tmp_path: Path) -> None:
    part = tmp_path / ".partial" / "1abc.bcif.gz"
    part.parent.mkdir()
    part.write_bytes(bytes(len(CONTENT) + 5))
    part.with_name(part.name + ".tag").write_text('"v1"')
    assert fetch(server, tmp_path).status == "fetched"
    assert_whole(tmp_path)


def test_server_md5(server: LocalServer, tmp_path: Path) -> None:
    digest = base64.b64encode(hashlib.md5(CONTENT).digest()).decode()
    server.headers["Content-MD5"] = digest
    assert fetch(server, tmp_path, "damaged").note == "in 2 attempts"
    server.headers["Content-MD5"] = base64.b64encode(bytes(16)).decode()
    record = fetch(server, tmp_path / "other")
    assert record.status == "failed"
    assert "the server's MD5" in record.note


def test_known_checksum(server: LocalServer, tmp_path: Path) -> None:
    good = hashlib.sha256(CONTENT).hexdigest()
    assert download(job(server, tmp_path, sha256=good), Session(QUICK)).status == "fetched"
    record = download(job(server, tmp_path / "other", sha256="0" * 64), Session(QUICK))
    assert "not the expected file: SHA-256" in record.note
    assert_nothing(tmp_path / "other")


@pytest.mark.parametrize(
    "content",
    [b"", b"<html>busy</html>", gzip.compress(b"<html>busy</html>"), gzip.compress(b"data_1ABC\n")],
    ids=["empty", "page", "packed page", "no atoms"],
)
def test_other_content_is_not_taken(server: LocalServer, tmp_path: Path, content: bytes) -> None:
    server.files[PLACE] = content
    record = fetch(server, tmp_path)
    assert (record.status, record.note[:8]) == ("failed", "damaged:")
    assert_nothing(tmp_path)


def test_full_disk_ends_the_run(
    server: LocalServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class FullDisk:
        def write(self, chunk: bytes) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    def write_chunk(file: IO[bytes], chunk: bytes) -> None:
        original(FullDisk(), chunk)  # type: ignore[arg-type] # as much of a file as is used

    monkeypatch.setattr("hemenet_lab.protein_mt.fetch.request.write_chunk", write_chunk)
    session = Session(QUICK)
    record = download(job(server, tmp_path), session)
    assert record.status == "failed"
    assert "the disk is full (No space left on device)" in record.note
    assert session.stopped
    assert "disk is full" in session.reason
    assert_nothing(tmp_path)
    assert not list((tmp_path / ".partial").iterdir())
    assert download(job(server, tmp_path), session).status == "not tried"


def test_no_server(tmp_path: Path) -> None:
    with serving() as state:
        gone = job(state, tmp_path)
    record = download(gone, Session(QUICK))
    assert record.status == "failed"
    assert "no connection" in record.note
