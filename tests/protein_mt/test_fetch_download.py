"""One file over HTTP: every fault ends in the whole file or in a clear reason."""

from __future__ import annotations

import base64
import email.utils
import errno
import gzip
import hashlib
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO

import pytest

from hemenet_lab.protein_mt.fetch import request
from hemenet_lab.protein_mt.fetch.checks import CHECKS
from hemenet_lab.protein_mt.fetch.download import download
from hemenet_lab.protein_mt.fetch.job import Job, Record
from hemenet_lab.protein_mt.fetch.pool import fetch_all
from hemenet_lab.protein_mt.fetch.session import Policy, Session
from tests.protein_mt.cif_files import bcif_gz, two_chains
from tests.protein_mt.local_server import LocalServer, serving

PLACE = "/1abc.bcif.gz"
CONTENT = bcif_gz("1abc", two_chains())
QUICK = Policy(attempts=3, timeout=20, first_wait=0.01, longest_wait=0.5, rate=1000)
IMPATIENT = replace(QUICK, timeout=0.3)
ONCE = replace(QUICK, attempts=1)


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with serving() as state:
        state.files[PLACE] = CONTENT
        state.headers["ETag"] = '"v1"'
        yield state


def job(server: LocalServer, raw: Path, place: str = PLACE, sha256: str = "") -> Job:
    name = place.strip("/")
    return Job(
        name.split(".")[0],
        "structures",
        server.url + place,
        raw / "structures" / name,
        raw / ".partial" / name,
        CHECKS["structure"],
        sha256,
    )


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


class Impatient(Session):
    """Notes how long it should sleep or pause, and does not."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.sleeps: list[float] = []
        self.pauses: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        super().pause(seconds)


def test_retry_after_is_waited_for(server: LocalServer, tmp_path: Path) -> None:
    tomorrow = email.utils.formatdate(time.time() + 86400, usegmt=True)
    server.faults[PLACE] = ["429 30", "503", f"503 {tomorrow}"]
    session = Impatient(Policy(rate=1000, longest_wait=60))
    record = download(job(server, tmp_path), session)
    assert session.pauses == [30.0, 60]  # for all workers
    assert 20 < max(session.sleeps) <= 60
    assert record.status == "failed"
    assert "the server asks to wait 86" in record.note


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

    original = request.write_chunk

    def write_chunk(file: IO[bytes], chunk: bytes) -> None:
        original(FullDisk(), chunk)  # type: ignore[arg-type] # as much of a file as is used

    monkeypatch.setattr(request, "write_chunk", write_chunk)
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


def test_requests_keep_their_distance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "monotonic", lambda: 100.0)
    session = Impatient(Policy(rate=2))
    for _ in range(4):
        session.turn()
    assert session.sleeps == [0.0, 0.5, 1.0, 1.5]


def test_many_files_side_by_side(server: LocalServer, tmp_path: Path) -> None:
    places = [f"/{number}abc.bcif.gz" for number in range(1, 9)]
    server.files |= dict.fromkeys(places, CONTENT)
    server.faults = {places[2]: ["404"], places[4]: ["cut 10"]}
    jobs = [job(server, tmp_path, place) for place in places]
    records = fetch_all(jobs, Session(QUICK), tmp_path, {}, workers=4, title="", progress=False)
    assert [record.item for record in records] == [f"{number}abc" for number in range(1, 9)]
    assert [record.status for record in records].count("fetched") == 7
    assert records[2].status == "missing"
    assert records[4].note == "in 2 attempts"


def test_many_failures_in_a_row_end_the_run(server: LocalServer, tmp_path: Path) -> None:
    places = [f"/{number}abc.bcif.gz" for number in range(1, 10)]
    for place in places:
        server.files[place], server.faults[place] = CONTENT, ["500"]
    jobs = [job(server, tmp_path, place) for place in places]
    session = Session(Policy(attempts=1, rate=1000, failures_in_a_row=3))
    records = fetch_all(jobs, session, tmp_path, {}, workers=1, title="", progress=False)
    assert [record.status for record in records] == ["failed"] * 3 + ["not tried"] * 6
    assert "3 files in a row could not be transferred" in session.reason


def test_files_that_are_there_are_kept(server: LocalServer, tmp_path: Path) -> None:
    def again(known: dict[str, Record]) -> Record:
        [record] = fetch_all(
            [job(server, tmp_path)],
            Session(QUICK),
            tmp_path,
            known,
            workers=1,
            title="",
            progress=False,
        )
        return record

    first = again({})
    known = {first.path: first}
    assert (first.status, first.path) == ("fetched", "structures/1abc.bcif.gz")
    assert (again(known).status, again({}).status, len(server.requests)) == (*["present"] * 2, 1)
    assert again(known).sha256 == first.sha256
    # cut by something else than us: of another size, and not readable
    (tmp_path / first.path).write_bytes(CONTENT[:-20])
    assert (again(known).status, len(server.requests)) == ("fetched", 2)
    assert_whole(tmp_path)


@pytest.mark.parametrize("wrong", [{"rate": 0}, {"attempts": 0}, {"timeout": float("nan")}])
def test_policies_that_make_no_sense(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be above 0"):
        Policy(**wrong)  # type: ignore[arg-type] # a mapping of numbers


def test_waits_grow_and_spread() -> None:
    policy = Policy(first_wait=1, longest_wait=10)
    for attempt, most in enumerate([1, 2, 4, 8, 10, 10]):
        waits = {policy.wait(attempt, f"url {number}") for number in range(20)}
        assert len(waits) == 20
        assert all(most / 2 <= wait <= most for wait in waits)
