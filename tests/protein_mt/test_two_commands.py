"""From nothing to a checked store with ``hemenet data fetch`` and ``hemenet data build``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hemenet_lab.cli import hemenet
from hemenet_lab.store.reader import Store
from tests.protein_mt.all_sources import run as fetch
from tests.protein_mt.all_sources import serving_all
from tests.protein_mt.fetch.test_pdbbind import layout_2020
from tests.protein_mt.local_server import LocalServer

TABLE = """\
id,ligand,receptor_chains,partner_chains,affinity,unit,source
1abc,LIG,A,,10,nM,a paper
2abc,,A,B,1,uM,a paper
"""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalServer]:
    with serving_all(monkeypatch) as state:
        yield state


def command(*words: object) -> int:
    return hemenet(["data", *map(str, words)])


@pytest.mark.parametrize("kind", ["bcif", "cif"])
def test_open_route(server: LocalServer, tmp_path: Path, kind: str) -> None:
    raw, out, table = tmp_path / "raw", tmp_path / "store", tmp_path / "table.csv"
    table.write_text(TABLE)
    assert fetch(raw, affinity_table=table, format=kind) == 0
    assert command("build", "--raw", raw, "--out", out, "--workers", 2) == 0
    assert command("verify", out, "--raw", raw) == 0
    store = Store(out)
    # 2ABC-B is there with GO terms, 3ABC-B by its successor 4abc
    assert store.ids == ("1ABC-A", "1abc", "2ABC-B", "2abc", "3ABC-B")
    assert store[1].values == {"lba": pytest.approx(8)}
    assert store[3].values == {"ppa": pytest.approx(6)}
    # its chains have the labels of the single chains, by their UniProt id or by themselves
    assert set(store[1].terms) == {"ec", "mf"}
    assert {task: list(chains) for task, chains in store[3].terms.items()} == {"bp": [1], "cc": [1]}
    assert store.manifest["labels"]["ontology"] == "releases/2019-07-01"
    assert store.manifest["data_card"]["label_files"]["sifts/pdb_chain_uniprot.csv.gz"]["licence"]


@pytest.mark.parametrize("options", [(), ("--keep-hetero",)])
def test_without_complexes(server: LocalServer, tmp_path: Path, options: tuple[str, ...]) -> None:
    raw, out = tmp_path / "raw", tmp_path / "store"
    assert fetch(raw) == 0
    assert command("build", "--raw", raw, "--out", out, "--workers", 1, *options) == 0
    assert command("verify", out, "--raw", raw) == 0
    store = Store(out)
    assert store.ids == ("1ABC-A", "2ABC-B", "3ABC-B")
    # the three atoms of chain A's ligand, the two of chain B's
    assert [int((store[n].entity == 2).sum()) for n in range(3)] == (
        [3, 2, 2] if options else [0] * 3
    )


def test_pdbbind_without_its_structures(
    server: LocalServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Complexes that cannot be read are dropped with their reasons, the rest is built."""
    raw, out = tmp_path / "raw", tmp_path / "store"
    assert fetch(raw, pdbbind=layout_2020(tmp_path / "pdbbind")) == 0
    assert command("build", "--raw", raw, "--out", out, "--workers", 1) == 0
    assert "files not readable" in capsys.readouterr().out
    assert command("verify", out, "--raw", raw) == 0
    assert Store(out).manifest["counts"]["entries"]["lba"] == {
        "found": 1,
        "stored": 0,
        "dropped": 1,
    }
