"""The table of sources, and mirrors in place of its hosts."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from hemenet_lab.cli import hemenet
from hemenet_lab.protein_mt.fetch.checks import CHECKS
from hemenet_lab.protein_mt.sources import (
    HOSTS,
    MIRRORS_VARIABLE,
    SOURCES,
    STRUCTURES,
    TABLES,
    hosts_with,
    sources_text,
)
from tests.shared import SAMPLE, needs_shared


def test_every_source_is_complete() -> None:
    names = [source.name for source in SOURCES]
    assert len({*names}) == len(names)
    for source in SOURCES:
        assert source.licence
        assert source.size
        assert source.registration == (not source.host)
        assert not source.host or source.check in CHECKS
        assert not source.sha256 or re.fullmatch("[0-9a-f]{64}", source.sha256)
    assert {source.host for source in SOURCES if source.host} == {*HOSTS}
    assert len({source.place("1abc") for source in SOURCES}) == len(SOURCES)


def test_addresses_and_places() -> None:
    assert STRUCTURES["bcif"].url(HOSTS, "1ABC") == "https://models.rcsb.org/1abc.bcif.gz"
    assert STRUCTURES["cif"].url(HOSTS, "1abc") == "https://files.rcsb.org/download/1ABC.cif.gz"
    assert STRUCTURES["cif"].place("1ABC") == "structures/1abc.cif.gz"


@needs_shared
def test_checksums_are_those_of_the_published_lists() -> None:
    assert SAMPLE is not None
    checked = [source for source in TABLES if source.sha256]
    assert len(checked) == 9
    for source in checked:
        content = (SAMPLE / source.place()).read_bytes()
        assert hashlib.sha256(content).hexdigest() == source.sha256, source.name


@needs_shared
def test_published_lists_pass_their_checks() -> None:
    assert SAMPLE is not None
    for source in TABLES:
        path = SAMPLE / source.place()
        if path.is_file():
            CHECKS[source.check](path)


@pytest.mark.parametrize(
    ("check", "content"),
    [
        ("ec", "<html>\n"),
        ("go", "### EC-numbers\n1.1.1.1\n### PDB-chain\tEC-numbers\n"),
        ("chains", "1ABC-A\n<html>\n"),
        ("chains", "\n"),
        ("identities", "chain,flag\n"),
        ("pdb_chain_uniprot", "# a comment\nPDB,CHAIN\n1abc,A\n"),
        ("pdb_chain_uniprot", "PDB,CHAIN,SP_PRIMARY\n"),
        ("pdb_chain_go", "PDB,CHAIN,SP_PRIMARY\n1abc,A,P1\n"),
        ("obo", "[Term]\nid: GO:1\n"),
        ("obo", "format-version: 1.2\n"),
        ("enzyme", "ID   1.1.1.1\nDE   Alcohol dehydrog"),
        ("enzyme", "//\n"),
        ("enzclass", "<html>\n"),
        ("obsolete", " LIST OF OBSOLETE COORDINATE ENTRIES AND SUCCESSORS\n"),
        ("component", "data_X\n_chem_comp.id X\n"),
        ("component", "<html>\n"),
        ("structure", "data_1ABC\n_entry.id 1ABC\n"),
    ],
)
def test_checks_refuse_other_content(tmp_path: Path, check: str, content: str) -> None:
    path = tmp_path / "file"
    path.write_text(content)
    with pytest.raises(ValueError, match=r"."):
        CHECKS[check](path)


def test_mirrors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MIRRORS_VARIABLE, "rcsb=https://a.example/pdb, sifts=http://b.example")
    hosts = hosts_with(["rcsb=https://c.example"])
    assert hosts == HOSTS | {"rcsb": "https://c.example", "sifts": "http://b.example"}
    assert STRUCTURES["cif"].url(hosts, "1abc") == "https://c.example/download/1ABC.cif.gz"


@pytest.mark.parametrize(
    ("mirror", "reason"),
    [
        ("pdb=https://a.example", "expected NAME=URL with a NAME of rcsb"),
        ("https://a.example", "expected NAME=URL"),
        ("rcsb=ftp://a.example", "must begin with http"),
        ("rcsb", "must begin with http"),
    ],
)
def test_mirrors_of_another_form(mirror: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        hosts_with([mirror])


def test_text_has_everything() -> None:
    text = sources_text()
    for source in SOURCES:
        assert source.what in text
        assert source.licence in text
    assert "https://models.rcsb.org/<id>.bcif.gz" in text
    assert "registration needed" in re.sub(" +", " ", text)


def test_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert hemenet(["data", "sources", "--mirror", "rcsb-models=http://c.example/"]) == 0
    assert "http://c.example/<id>.bcif.gz" in capsys.readouterr().out
