"""EC numbers and GO terms from SIFTS's tables: evidence, ancestors, thresholds."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from hemenet_lab.protein_mt.labels.deepfri import FunctionTable
from hemenet_lab.protein_mt.labels.ontology import read_obo
from hemenet_lab.protein_mt.labels.sifts import Wanted, read_sifts_ec, read_sifts_go, sifts_date
from tests.protein_mt.labels.test_ontology import OBO

EC = """# 2026/01/10 - 12:00 | PDB: 01.26 | UniProt: 2026.01
PDB,CHAIN,ACCESSION,EC_NUMBER
1abc,A,P1,1.1.1.10
1abc,A,P1,1.1.1.9
1abc,B,P1,1.1.1.9
2abc,A,P2,1.1.1.-
2abc,A,P2,1.1.-.-
2abc,B,P2,?
3abc,A,P3,2.1.1.1
9xyz,A,P9,2.1.1.1
9xyz,B,P9,2.1.1.1
"""
GO = """# 2026/01/10 - 12:00 | PDB: 01.26
PDB,CHAIN,SP_PRIMARY,WITH_STRING,EVIDENCE,GO_ID
1abc,A,P1,"InterPro:IPR1, InterPro:IPR2",IEA,GO:0000099
1abc,B,P1,,IDA,GO:0000001
2abc,A,P2,,IEA,GO:0000010
2abc,A,P2,,ND,GO:0000003
2abc,B,P2,,TAS,GO:0000097
3abc,A,P3,,IPI,GO:0003674
9xyz,A,P9,,IDA,GO:0000003
"""
CODES = frozenset({"1abc", "2abc", "3abc"})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pdb_chain_enzyme.csv").write_text(EC)
    (tmp_path / "pdb_chain_go.csv.gz").write_bytes(gzip.compress(GO.encode()))
    (tmp_path / "go-basic.obo").write_text(OBO)
    return tmp_path


def go(folder: Path, **options: object) -> FunctionTable:
    wanted = Wanted(CODES, frozenset(), **{"min_go": 1, **options})
    graph = read_obo(folder / "go-basic.obo")
    return read_sifts_go(folder / "pdb_chain_go.csv.gz", wanted, graph)


def named(table: FunctionTable) -> dict[str, set[str]]:
    terms = {task.name: task.terms for task in table.tasks}
    return {
        chain: {terms[task][term] for task, found in labels.items() for term in found}
        for chain, labels in table.chains.items()
    }


def test_ec_numbers_bring_their_class(folder: Path) -> None:
    table = read_sifts_ec(folder / "pdb_chain_enzyme.csv", Wanted(CODES, frozenset(), min_ec=1))
    assert table.tasks[0].terms == ("1.1.1.-", "1.1.1.9", "1.1.1.10", "2.1.1.-", "2.1.1.1")
    assert named(table) == {
        "1ABC-A": {"1.1.1.-", "1.1.1.9", "1.1.1.10"},
        "1ABC-B": {"1.1.1.-", "1.1.1.9"},
        "2ABC-A": {"1.1.1.-"},
        "3ABC-A": {"2.1.1.-", "2.1.1.1"},
    }
    assert table.left_out == {
        "pdb_chain_enzyme.csv: EC number of fewer than three levels": 1,
        "pdb_chain_enzyme.csv: no EC number in this row": 1,
    }


def test_ec_threshold_counts_single_chains_only(folder: Path) -> None:
    path = folder / "pdb_chain_enzyme.csv"
    two = read_sifts_ec(path, Wanted(CODES, frozenset(), min_ec=2))
    assert two.tasks[0].terms == ("1.1.1.-", "1.1.1.9")
    counted = read_sifts_ec(path, Wanted(CODES, frozenset({"1ABC-A", "2ABC-A"}), min_ec=2))
    assert counted.tasks[0].terms == ("1.1.1.-",)
    # chains that are not counted are labelled all the same
    assert counted.chains["1ABC-B"] == {"ec": (0,)}
    assert "3ABC-A" not in counted.chains


def test_go_terms_bring_their_ancestors(folder: Path) -> None:
    table = go(folder)
    assert [task.name for task in table.tasks] == ["mf", "bp", "cc"]
    assert [task.terms for task in table.tasks] == [
        ("GO:0000001", "GO:0000002"),
        ("GO:0000010",),
        (),
    ]
    assert table.tasks[0].term_names == ("catalysis", "hydrolysis")
    assert named(table) == {
        "1ABC-A": {"GO:0000001", "GO:0000002"},
        "1ABC-B": {"GO:0000001"},
        "2ABC-A": {"GO:0000010"},
    }
    assert table.left_out == {
        "pdb_chain_go.csv.gz: evidence ND, which is not wanted": 1,
        "pdb_chain_go.csv.gz: term is obsolete or unknown in releases/2019-07-01": 1,
    }


def test_ancestors_in_another_branch_are_labels_of_that_branch(folder: Path) -> None:
    table = go(folder, relations="is_a+part_of")
    assert table.chains["1ABC-B"] == {"mf": (0,), "bp": (0,)}


def test_evidence(folder: Path) -> None:
    assert set(named(go(folder, evidence="curated"))) == {"1ABC-B"}
    found = go(folder, evidence="experimental")
    assert set(named(found)) == {"1ABC-B"}
    assert found.left_out["pdb_chain_go.csv.gz: evidence IEA, which is not wanted"] == 2


def test_go_thresholds(folder: Path) -> None:
    assert go(folder, min_go=2).tasks[0].terms == ("GO:0000001",)
    assert go(folder, max_go=1).tasks[0].terms == ("GO:0000002",)


def test_date_of_the_table(folder: Path) -> None:
    assert sifts_date(folder / "pdb_chain_go.csv.gz") == "2026/01/10 - 12:00 | PDB: 01.26"
    assert sifts_date(folder / "go-basic.obo") == ""


def test_other_columns_are_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"but not \['EC_NUMBER'\]; expected SIFTS's table"):
        read_sifts_ec(folder / "pdb_chain_go.csv.gz", Wanted(CODES, frozenset()))


def test_each_row_names_its_protein(tmp_path: Path) -> None:
    """A fusion's number belongs to the protein that ACCESSION names, in either table."""
    path = tmp_path / "pdb_chain_enzyme.csv"
    path.write_text(
        "PDB,CHAIN,ACCESSION,EC_NUMBER\n"
        "1abc,A,P1,1.1.1.9\npdb_00001abc,A,P2,2.1.1.1\n2abc,A,None,1.1.1.9\n"
    )
    table = read_sifts_ec(path, Wanted(CODES, frozenset(), min_ec=1))
    assert table.tasks[0].terms == ("1.1.1.-", "1.1.1.9", "2.1.1.-", "2.1.1.1")
    assert table.parts == {"1ABC-A": {"P1": {"ec": (0, 1)}, "P2": {"ec": (2, 3)}}}
    assert table.chains == {"1ABC-A": {"ec": (0, 1, 2, 3)}, "2ABC-A": {"ec": (0, 1)}}


def test_several_numbers_in_one_field(tmp_path: Path) -> None:
    path = tmp_path / "pdb_chain_enzyme.csv"
    path.write_text(
        "PDB, CHAIN, EC_NUMBER\n"
        '1abc,A,"2.7.11.1, 2.7.12.1"\n2abc,A,2.7.11.1; 3.4\n3abc,A,kinase\n3abc,A,\n'
    )
    table = read_sifts_ec(path, Wanted(CODES, frozenset(), min_ec=1))
    assert named(table) == {
        "1ABC-A": {"2.7.11.-", "2.7.11.1", "2.7.12.-", "2.7.12.1"},
        "2ABC-A": {"2.7.11.-", "2.7.11.1"},
    }
    assert {text.partition(": ")[2]: count for text, count in table.left_out.items()} == {
        "EC number of fewer than three levels": 1,
        "not an EC number": 1,
        "no EC number in this row": 1,
    }
