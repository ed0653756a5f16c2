"""Whatever a label file holds, its reader gives an answer or one error with the file's name."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hemenet_lab.protein_mt.labels.affinity import read_affinity_csv, read_pdbbind_index
from hemenet_lab.protein_mt.labels.deepfri import (
    read_ec,
    read_go,
    read_identity_flags,
    read_split_lists,
)
from hemenet_lab.protein_mt.labels.ontology import read_enzyme_names, read_obo
from hemenet_lab.protein_mt.labels.sifts import (
    WantedTerms,
    read_sifts,
    read_sifts_ec,
    read_sifts_go,
)
from hemenet_lab.protein_mt.raw import read_dates
from hemenet_lab.protein_mt.raw.layout import read_chain_list
from tests.examples import tries
from tests.protein_mt.labels.test_enzyme_names import CLASSES, DATA
from tests.protein_mt.labels.test_ontology import OBO
from tests.protein_mt.labels.test_sifts import EC, GO

WANTED = WantedTerms(frozenset({"1abc", "2abc"}), frozenset(), min_ec=1, min_go=1)
GO_TABLE = "".join(
    f"### GO-terms ({name})\nGO:{name}1\tGO:{name}2\n### GO-names ({name})\none\ttwo\n"
    for name in ("m", "b", "c")
)


def _go(path: Path) -> Any:
    ontology = path.with_name("go-basic.obo")
    ontology.write_text(OBO)
    return read_sifts_go(path, WANTED, read_obo(ontology))


def _lists(path: Path) -> Any:
    for end in ("train", "valid", "test"):
        path.with_name(f"x_{end}.txt").write_bytes(path.read_bytes() if end == "train" else b"")
    return read_split_lists(path.parent, "x")


def _chain_list(path: Path) -> Any:
    folder = path.parent / "structures"
    folder.mkdir(exist_ok=True)
    (folder / "chains.csv").write_bytes(path.read_bytes())
    return list(read_chain_list(path.parent))


READERS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "affinity.csv": (read_affinity_csv, "id,pKd,note\n1abc,6.5,x\n2abc;7,5\n"),
    "INDEX": (read_pdbbind_index, "1abc 2.0 2000 6.0 Ki=1uM // 1abc.pdf (LIG)\n2abc NMR 1 Kd<1M\n"),
    "pdb_chain_uniprot.csv": (read_sifts, "PDB,CHAIN,SP_PRIMARY\n1abc,A,P1\n1abc,B,None\n"),
    "pdb_chain_enzyme.csv": (lambda path: read_sifts_ec(path, WANTED), EC),
    "pdb_chain_go.csv": (_go, GO),
    "go-basic.obo": (read_obo, OBO),
    "enzyme.dat": (lambda path: read_enzyme_names(path, None), DATA),
    "enzclass.txt": (lambda path: read_enzyme_names(None, path), CLASSES),
    "ec_annot.tsv": (read_ec, "### EC-numbers\n1.1.1.1\n### PDB-chain\tEC\n1ABC-A\t1.1.1.1\n"),
    "go_annot.tsv": (read_go, f"{GO_TABLE}### PDB-chain\tGO\n1ABC-A\tGO:m1\tGO:b2\tGO:c1\n"),
    "test.csv": (read_identity_flags, "PDB-chain,<30%,<95%\n1ABC-A,0,1\n"),
    "list.txt": (_lists, "1ABC-A\n2ABC-B\n"),
    "dates.csv": (read_dates, "id,date\n1abc,2004-05-18\n2abc,soon\n"),
    "chains.csv": (_chain_list, "chain,file\n1ABC-A,1abc.cif.gz\n"),
}


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """A file with bytes changed, inserted or cut, perhaps gzipped before or after."""
    packed = draw(st.sampled_from(["plain", "before", "after"]))
    data = bytearray(gzip.compress(whole, mtime=0) if packed == "before" else whole)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(data)))
        kind = draw(st.sampled_from(["cut", "put", "insert", "double"]))
        some = draw(st.binary(min_size=1, max_size=6) | st.sampled_from([b"\0", b'"', b"\n", b","]))
        if kind == "cut":
            del data[place : place + draw(st.integers(1, 30))]
        elif kind == "put":
            data[place : place + len(some)] = some
        elif kind == "insert":
            data[place:place] = some
        else:
            data[place:place] = data[place : place + 40]
    return gzip.compress(bytes(data), mtime=0) if packed == "after" else bytes(data)


@pytest.mark.parametrize("name", READERS)
def test_any_content(name: str, tmp_path: Path) -> None:
    read, text = READERS[name]

    @tries(60)
    @given(damaged(text.encode()))
    def check(content: bytes) -> None:
        path = tmp_path / name
        path.write_bytes(content)
        found: Exception | None = None
        try:
            read(path)
        except Exception as error:
            found = error
        assert found is None or (type(found) is ValueError and str(tmp_path) in str(found))

    check()
