"""One structure file to fetch from the local server, and runs that give up soon."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hemenet_lab.protein_mt.fetch.checks import CHECKS
from hemenet_lab.protein_mt.fetch.request import Job
from hemenet_lab.protein_mt.fetch.session import Session
from hemenet_lab.protein_mt.fetch.settings import Policy
from tests.protein_mt.cif_files import bcif_gz, two_chains
from tests.protein_mt.local_server import LocalServer

PLACE = "/1abc.bcif.gz"
CONTENT = bcif_gz("1abc", two_chains())
QUICK = Policy(attempts=3, timeout=20, first_wait=0.01, longest_wait=0.5, rate=1000)
IMPATIENT = replace(QUICK, timeout=0.3)
ONCE = replace(QUICK, attempts=1)


def job(
    server: LocalServer, raw: Path, place: str = PLACE, sha256: str = "", most: int = 1_000_000
) -> Job:
    name = place.strip("/")
    return Job(
        name.split(".")[0],
        "structures",
        server.url + place,
        raw / "structures" / name,
        raw / ".partial" / name,
        CHECKS["structure"],
        most,
        sha256,
    )


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
