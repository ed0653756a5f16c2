"""Servers and files that mean harm: nothing leaves the raw folder, nothing goes on without end."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from hemenet_lab.protein_mt.fetch.download import download
from hemenet_lab.protein_mt.fetch.report import REPORT_FILE, Record, read_report, write_report
from hemenet_lab.protein_mt.fetch.session import Session
from hemenet_lab.protein_mt.fetch.wanted import wanted_items
from hemenet_lab.protein_mt.sources import COMPONENT, HOSTS, SOURCES, STRUCTURES
from tests.protein_mt.all_sources import CONTENTS, report, run, serving_all
from tests.protein_mt.cif_files import bcif_gz, two_chains
from tests.protein_mt.fetch.downloads import CONTENT, PLACE, QUICK, job
from tests.protein_mt.local_server import LocalServer, serving

Handler = BaseHTTPRequestHandler
MOST = 100_000
"""Bytes that the tests' source takes."""


@contextmanager
def answering(answer: Callable[[Handler], None]) -> Iterator[LocalServer]:
    """A server on this machine with one answer to everything."""
    state = LocalServer()

    class Answer(BaseHTTPRequestHandler):
        timeout = 5.0

        def do_GET(self) -> None:
            try:
                answer(self)
            except OSError:  # the client has had enough
                self.close_connection = True

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5.0)


def fetch(server: LocalServer, raw: Path) -> Record:
    return download(job(server, raw, most=MOST), Session(QUICK))


def assert_refused(record: Record, raw: Path, reason: str) -> None:
    assert record.status == "failed"
    assert reason in record.note
    assert "\x1b" not in record.note
    assert not (raw / "structures").exists()
    assert not [path for path in raw.rglob("*") if path.is_file()]


def redirecting(*targets: str) -> Callable[[Handler], None]:
    left = [*targets]

    def answer(handler: Handler) -> None:
        if not left:
            send(handler, CONTENT)
            return
        handler.send_response(302)
        handler.send_header("Location", left.pop(0))
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def send(handler: Handler, content: bytes, **headers: str) -> None:
    handler.send_response(200)
    for name, value in ({"Content-Length": str(len(content))} | headers).items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(content)


def test_a_redirect_on_the_same_host_is_followed(tmp_path: Path) -> None:
    with answering(redirecting("/moved", "moved?again")) as server:
        assert fetch(server, tmp_path).status == "fetched"


def test_a_redirect_to_another_host_is_not_followed(tmp_path: Path) -> None:
    with serving() as other:
        other.files[PLACE] = CONTENT
        with answering(redirecting(other.url + PLACE)) as server:
            record = fetch(server, tmp_path)
        assert_refused(record, tmp_path, f"a redirect to {other.url}")
        assert "give it with --mirror" in record.note
        assert not other.requests


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("ftp://127.0.0.1/1abc.bcif.gz", "a redirect to ftp://127.0.0.1"),
        ("file:///etc/passwd", "a redirect to file:///"),
        ("https://127.0.0.1:{port}/x", "a redirect to https://127.0.0.1"),
        ("http://localhost:{port}/1abc.bcif.gz", "a redirect to http://localhost"),
        ("http://user:secret@127.0.0.1:{port}/x", "a redirect to http://user"),
        ("http://evil.example\\@127.0.0.1:{port}/x", "a redirect to"),
        ("//evil.example/x", "a redirect to http://evil.example/x"),
        ("http://[::1/x", "a redirect to"),
        ("http://127.0.0.1:99999999/x", "a redirect to"),
    ],
)
def test_redirects_elsewhere(tmp_path: Path, target: str, reason: str) -> None:
    targets: list[str] = []
    with answering(lambda handler: redirecting(*targets)(handler)) as server:
        targets.append(target.replace("{port}", server.url.rpartition(":")[2]))
        assert_refused(fetch(server, tmp_path), tmp_path, reason)


def test_redirects_in_a_circle(tmp_path: Path) -> None:
    with answering(lambda handler: redirecting("/again")(handler)) as server:
        assert_refused(fetch(server, tmp_path), tmp_path, "more than 5 redirects")


def endless(handler: Handler) -> None:
    handler.send_response(200)
    handler.end_headers()
    for _ in range(5_000):
        handler.wfile.write(bytes(10_000))


def endless_chunks(handler: Handler) -> None:
    handler.protocol_version = "HTTP/1.1"
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    for _ in range(5_000):
        handler.wfile.write(b"2710\r\n" + bytes(10_000) + b"\r\n")


@pytest.mark.parametrize("answer", [endless, endless_chunks])
def test_endless_bodies(tmp_path: Path, answer: Callable[[Handler], None]) -> None:
    with answering(answer) as server:
        assert_refused(fetch(server, tmp_path), tmp_path, "longer than 100,000 bytes, the most")


@pytest.mark.parametrize("status", [302, 404, 503])
def test_endless_bodies_that_nobody_wants(tmp_path: Path, status: int) -> None:
    sent = []

    def answer(handler: Handler) -> None:
        handler.send_response(status)
        handler.send_header("Location", "http://evil.example/")
        handler.end_headers()
        for _ in range(5_000):
            sent.append(handler.wfile.write(bytes(100_000)))

    with answering(answer) as server:
        fetch(server, tmp_path)
    assert sum(sent) < 100_000_000


def test_a_part_that_grew_too_long_is_refused(tmp_path: Path) -> None:
    """Bytes of an earlier run count."""
    part = tmp_path / ".partial" / "1abc.bcif.gz"
    part.parent.mkdir()
    part.write_bytes(bytes(MOST - 10))
    part.with_name(part.name + ".tag").write_text('"v1"')

    def answer(handler: Handler) -> None:
        handler.send_response(206)
        handler.send_header("Content-Range", f"bytes {MOST - 10}-{MOST + 9}/{MOST + 10}")
        handler.end_headers()
        handler.wfile.write(bytes(20))

    with answering(answer) as server:
        assert_refused(fetch(server, tmp_path), tmp_path, "longer than 100,000 bytes, the most")


@pytest.mark.parametrize(
    ("length", "reason"),
    [
        ("100001", "longer than 100,000 bytes"),
        ("9" * 18, "longer than 100,000 bytes"),
        ("9" * 30, "the server gives the Content-Length 999"),
        ("9" * 5_000, "the server gives the Content-Length 999"),
        ("-5", "the server gives the Content-Length -5"),
        ("1e3", "the server gives the Content-Length 1e3"),
        ("٣", "the server gives the Content-Length"),
    ],
)
def test_absurd_lengths(tmp_path: Path, length: str, reason: str) -> None:
    def answer(handler: Handler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: " + length.encode() + b"\r\n\r\n")
        handler.wfile.write(CONTENT)
        handler.close_connection = True

    with answering(answer) as server:
        assert_refused(fetch(server, tmp_path), tmp_path, reason)


@pytest.mark.parametrize("wait", ["9" * 5_000, "-1", "Fri, 31 Dec 999999999 23:59:59 GMT", "\x00"])
def test_absurd_waits_do_no_harm(tmp_path: Path, wait: str) -> None:
    def answer(handler: Handler) -> None:
        handler.wfile.write(b"HTTP/1.1 503 Busy\r\nRetry-After: " + wait.encode() + b"\r\n")
        handler.wfile.write(b"Content-Length: 0\r\n\r\n")
        handler.close_connection = True

    with answering(answer) as server:
        assert_refused(fetch(server, tmp_path), tmp_path, "HTTP 503")


def test_words_of_a_server_reach_no_terminal_as_commands(tmp_path: Path) -> None:
    def answer(handler: Handler) -> None:
        handler.wfile.write(b"HTTP/1.1 403 \x1b]0;owned\x07" + b"x" * 5_000 + b"\r\n\r\n")
        handler.close_connection = True

    with answering(answer) as server:
        record = fetch(server, tmp_path)
    assert_refused(record, tmp_path, "HTTP 403 ?]0;owned?xxx")
    assert len(record.note) < 400


@pytest.mark.parametrize("mark", [b'"\xe4"', b'"' + b"a" * 5_000 + b'"', b'"\x1b[31m"', b"\x0b"])
def test_marks_that_are_no_header_are_not_sent_back(tmp_path: Path, mark: bytes) -> None:
    asked = []

    def answer(handler: Handler) -> None:
        asked.append(dict(handler.headers))
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nETag: " + mark + b"\r\n")
        handler.wfile.write(b"Content-Length: 300\r\n\r\nxx")
        handler.close_connection = True

    with answering(answer) as server:
        record = fetch(server, tmp_path)
    assert record.status == "failed"
    assert "the connection ended after 2 of 300 bytes" in record.note
    assert not any("If-Range" in headers for headers in asked)


def test_cookies_and_passwords_are_not_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc, asked = tmp_path / "netrc", []
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))

    def answer(handler: Handler) -> None:
        asked.append(dict(handler.headers))
        send(handler, b"not a structure", Set_Cookie="a=b; Path=/")

    with answering(answer) as server:
        fetch(server, tmp_path / "raw")
    assert len(asked) == QUICK.attempts
    assert not any({"Cookie", "Authorization"} & {*headers} for headers in asked)


def test_a_gzip_bomb_is_not_unpacked(tmp_path: Path) -> None:
    bomb = gzip.compress(bytes(80_000_000))
    assert len(bomb) < MOST
    with answering(lambda handler: send(handler, bomb)) as server:
        record = fetch(server, tmp_path)
    assert_refused(record, tmp_path, "a gzip file that unpacks to more than 1,000,000 bytes")


@pytest.mark.parametrize(
    "item", ["../../evil", "a/b", "..", "1abc\n", "%2e%2e", "a" * 17, "{id}", "1ab\u212a", "<id>x"]
)
def test_path_like_items_have_no_place_and_no_address(item: str) -> None:
    for source in (COMPONENT, *STRUCTURES.values()):
        for find in (source.place, lambda item, source=source: source.url(HOSTS, item)):
            with pytest.raises(ValueError, match="is not an id"):
                find(item)


def test_every_source_is_bounded() -> None:
    for source in SOURCES:
        assert source.registration or 0 < source.most <= 400_000_000


def test_successors_that_are_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = tmp_path / "deep" / "raw"
    evil = "../../../evil"
    text = (
        f"OBSLTE    31-JUL-94 3ABC     {evil}\nOBSLTE    31-JUL-94 1ABC     http://evil.example\n"
    )
    monkeypatch.setitem(CONTENTS, "obsolete", text)
    with serving_all(monkeypatch) as server:
        for path in (f"/rcsb-models/{evil}.bcif.gz", "/evil.bcif.gz", "/../../evil.bcif.gz"):
            server.files[path] = bcif_gz("4abc", two_chains())
        assert run(raw) == 1
    rows = report(raw)
    row = rows["structures-bcif 3abc"]
    assert (row["status"], row["note"]) == (
        "missing",
        f"3abc is obsolete; its successor {evil!r} is no PDB code",
    )
    assert rows["structures-bcif 1abc"]["status"] == "missing"
    assert rows["structures-bcif 2abc"]["status"] == "fetched"
    assert not list(tmp_path.glob("**/*evil*"))


@pytest.mark.parametrize("name", ["1ABC-../../x", "1ABC-a/b", "1ABC-a\\b", "1ABC-" + "A" * 30])
def test_chains_that_are_paths(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "EnzymeCommission"
    folder.mkdir()
    (folder / "nrPDB-EC_2020.04_train.txt").write_text(f"2ABC-A\n{name}\n")
    wanted = wanted_items(tmp_path)
    assert wanted.chains == ("2ABC-A",)
    assert len(wanted.problems) == 1


def write_row(raw: Path, place: str) -> None:
    row = Record("1abc", "open-route", "written", place, 4)
    assert write_report(raw, [row], {}) == ""


@pytest.mark.parametrize("place", ["../precious", "/etc/hostname", "PP/../../precious", "a\\..\\b"])
def test_a_report_with_places_outside_is_refused(tmp_path: Path, place: str) -> None:
    write_row(tmp_path, place)
    with pytest.raises(ValueError, match="is not in the raw folder"):
        read_report(tmp_path)


def test_a_report_does_not_delete_what_is_no_complex(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw, precious = tmp_path / "raw", tmp_path / "raw" / "my" / "notes.txt"
    precious.parent.mkdir(parents=True)
    precious.write_text("mine")
    write_row(raw, "my")
    (tmp_path / "table.csv").write_text("id,ligand,affinity,unit,source\n1abc,LIG,1,nM,x\n")
    with serving_all(monkeypatch):
        assert run(raw, affinity_table=tmp_path / "table.csv") == 0
    assert precious.read_text() == "mine"


@pytest.mark.parametrize("content", ["", "a,b\n", "item\n", '"', "\x00"])
def test_damaged_reports(tmp_path: Path, content: str) -> None:
    (tmp_path / REPORT_FILE).write_text(content)
    with pytest.raises(ValueError, match=r"fetch_report.csv, line \d: .* move it away"):
        read_report(tmp_path)


def test_cells_of_the_report_are_no_formulas(tmp_path: Path) -> None:
    rows = [Record(text, "open-route", "unusable") for text in ("=1+1", "+1", "-1", "@x", "ok")]
    assert write_report(tmp_path, rows, {}) == ""
    assert {row["item"] for row in report(tmp_path).values()} == {
        "'=1+1",
        "'+1",
        "'-1",
        "'@x",
        "ok",
    }
