"""Every public source on the local server, and a fetch from it."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hemenet_lab.protein_mt.fetch import FetchSettings, report_text, run_fetch
from hemenet_lab.protein_mt.fetch.report import REPORT_FILE
from hemenet_lab.protein_mt.sources import HOSTS, MIRRORS_VARIABLE, OBSOLETE, TABLES
from tests.protein_mt.cif_files import COMPONENT, bcif_gz, cif_gz, two_chains
from tests.protein_mt.labels.test_ontology import OBO
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
    "obo": OBO,
    "enzyme": "ID   1.1.1.1\nDE   alcohol dehydrogenase.\n//\n",
    "enzclass": "1. -. -.-  Oxidoreductases.\n",
    "obsolete": OBSOLETE_TEXT,
}


@contextmanager
def serving_all(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalServer]:
    """All sources on one server; only the checksums of DeepFRI's real lists are left out."""
    tables = tuple(replace(table, sha256="", git_blob="") for table in TABLES)
    monkeypatch.setattr("hemenet_lab.protein_mt.fetch.benchmark.TABLES", tables)
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


def run(raw: Path, **settings: Any) -> int:
    """Fetches and prints the summary, quick to give up; 0 where everything is there."""
    quick: dict[str, Any] = {"attempts": 1, "timeout": 20.0, "rate": 1000.0, "workers": 4}
    result = run_fetch(FetchSettings(raw, **(quick | settings)))
    print(report_text(result))
    return 0 if result.complete else 1


def report(raw: Path) -> dict[str, dict[str, str]]:
    with (raw / REPORT_FILE).open(encoding="utf-8", newline="") as file:
        return {f"{row['source']} {row['item']}": row for row in csv.DictReader(file)}
