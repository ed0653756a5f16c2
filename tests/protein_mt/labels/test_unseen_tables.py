"""Affinity tables as people write them: the right pKd or a row that says why not."""

from __future__ import annotations

from pathlib import Path

import pytest

from hemenet_lab.protein_mt.labels.affinity import read_affinity_csv
from hemenet_lab.protein_mt.verify.derive import affinities

READABLE = {
    "quoted": '"id" , "pKd"\n"1abc", "6.2"\n',
    "quoted decimal comma": 'id,pKd\n1abc,"6,2"\n',
    "semicolons": "id;pKd\n1ABC;6,2\n",
    "tabs and a mark": "\ufeffid\tpKd\npdb_00001abc\t6.2\n",
    "PDB": "PDB,pkd\n1abc,6.2\n",
    "PDB ID": "PDB ID,pKd\n1abc,6.2\n",
    "Excel's first line": "sep=;\nid;pKd\n1abc;6,2\n",
    "comments and an empty column": "# pKd\n\nid,pKd,\n1abc,+6.2,\n",
    "no unit": "id,pKd,unit\n1abc,6.2,-\n",
    "a plain sign": "id,pKd,relation\n1abc,6.2,=\n",
}


@pytest.mark.parametrize("name", READABLE)
def test_readable_tables(tmp_path: Path, name: str) -> None:
    path = tmp_path / "pl_affinity.csv"
    path.write_text(READABLE[name], encoding="utf-8")
    table = read_affinity_csv(path)
    assert table.problems == ()
    assert {record.id: record.pk for record in table.records} == {"1abc": 6.2}
    assert affinities([path], bounds=False) == {"1abc": 6.2}  # the checker's own reader


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("id,pKd\n1abc,1_0\n", "'1_0' is not a number"),
        ("id,pKd\n1abc,630 nM\n", "'630 nM' is not a number"),
        ("id,pKd,unit\n1abc,6.3,nM\n", "unit 'nm'; a pKd has none"),
        ("id,pKd,relation\n1abc,6.3,about\n", "sign 'about'"),
        ("id,pKd\n1abc,6,2\n", "3 cells, the header has 2"),
    ],
)
def test_rows_that_are_not_used(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "pl_affinity.csv"
    path.write_text(text + "2abc,5.0\n")
    table = read_affinity_csv(path)
    assert [(record.id, record.pk) for record in table.records] == [("2abc", 5.0)]
    [problem] = table.problems
    assert (problem.line, problem.id) in ((2, "1abc"), (2, ""))
    assert reason in problem.reason
    assert affinities([path], bounds=False) == {"2abc": 5.0}


def test_signs_make_bounds_of_the_constant(tmp_path: Path) -> None:
    path = tmp_path / "pl_affinity.csv"
    path.write_text("id,pKd,Relation\n1abc,6,>\n2abc,5,≤\n3abc,4,~\n")
    signs = [(record.sign, record.censored) for record in read_affinity_csv(path).records]
    assert signs == [("<", True), (">=", True), ("~", False)]
    assert affinities([path], bounds=False) == {"3abc": 4.0}
    assert set(affinities([path], bounds=True)) == {"1abc", "2abc", "3abc"}


@pytest.mark.parametrize("column", ["pKd (nM)", "Kd_nM", "Kd"])
def test_other_columns_are_refused_with_the_formula(tmp_path: Path, column: str) -> None:
    path = tmp_path / "pl_affinity.csv"
    path.write_text(f"id,{column}\n1abc,630\n")
    with pytest.raises(ValueError, match=r"9 - log10\(value\) of nM"):
        read_affinity_csv(path)
