"""Many files side by side: order, pace, what is there already, and when a run ends."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hemenet_lab.protein_mt.fetch.download import download, fetch_all
from hemenet_lab.protein_mt.fetch.report import Record
from hemenet_lab.protein_mt.fetch.session import Session
from hemenet_lab.protein_mt.fetch.settings import Policy
from tests.protein_mt.fetch.downloads import CONTENT, PLACE, QUICK, Impatient, job
from tests.protein_mt.local_server import LocalServer, serving


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with serving() as state:
        state.files[PLACE] = CONTENT
        state.headers["ETag"] = '"v1"'
        yield state


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
    assert (tmp_path / first.path).read_bytes() == CONTENT


@pytest.mark.parametrize("wrong", [{"rate": 0}, {"attempts": 0}, {"timeout": float("nan")}])
def test_policies_that_make_no_sense(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be above 0"):
        Policy(**wrong)  # type: ignore[arg-type] # a mapping of numbers


def test_waits_grow_and_spread(server: LocalServer, tmp_path: Path) -> None:
    """The second attempt comes after the first wait, each later one after about twice as long."""
    third = set()
    for _ in range(5):
        server.faults[PLACE] = ["500"] * 6
        session = Impatient(Policy(attempts=6, first_wait=1, longest_wait=10, rate=1e6))
        assert download(job(server, tmp_path), session).status == "failed"
        first, *waits, last = [seconds for seconds in session.sleeps if seconds > 0.5]
        assert (first, last) == (1, 10)
        for wait, least in zip(waits, (2, 4, 8), strict=True):
            assert least <= wait <= least + 1
        third.add(waits[1])
    assert len(third) == 5
