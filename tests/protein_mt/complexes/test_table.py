"""The affinity table of the open route: its rows, and those that cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from hemenet_lab.protein_mt.complexes.table import parse_affinity, read_affinity_table
from hemenet_lab.protein_mt.complexes.write import binding_text
from hemenet_lab.protein_mt.labels.affinity import Binding, parse_binding

TABLE = """\
# values of two papers
id,ligand,receptor_chains,partner_chains,affinity,unit,measure,source,ligand_chain,ligand_number
1ABC,LIG,A,,10,nM,Ki,doi 10.1/x,,
2abc,lig,,,<7.5,pIC50,,"Some paper, 2020",B,302
3abc,,A;B,C,1e7,M-1,Ka,thesis,,
"""


def test_table(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text(TABLE)
    table = read_affinity_table(path)
    assert not table.problems
    assert [(row.id, row.kind, row.ligand, row.source) for row in table.rows] == [
        ("1abc", "lba", "LIG", "doi 10.1/x"),
        ("2abc", "lba", "LIG", "Some paper, 2020"),
        ("3abc", "ppa", "", "thesis"),
    ]
    first, second, third = table.rows
    assert first.binding == Binding("Ki", "=", 8.0)
    assert (first.receptor, first.ligand_chain, first.ligand_number) == (("A",), "", None)
    # a pK below 7.5 is a constant above 10^-7.5
    assert second.binding == Binding("IC50", ">", 7.5)
    assert (second.ligand_chain, second.ligand_number) == ("B", 302)
    assert third.binding == Binding("Ka", "=", 7.0)
    assert (third.receptor, third.partner) == (("A", "B"), ("C",))


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("abc,LIG,,,1,nM,,x,,", "is not a PDB code"),
        ("1abc,LIG,,,1,nM,,,,", "no source"),
        ("1abc,LIG,,,many,nM,,x,,", "affinity 'many' is not a number"),
        ("1abc,LIG,,,1,kg,,x,,", "unit 'kg'; expected one of fM"),
        ("1abc,LIG,,,1,MM,,x,,", "unit 'MM'"),
        ("1abc,LIG,,,1,nM,Km,x,,", "measure 'Km'"),
        ("1abc,LIG,,,0,nM,,x,,", "must be above zero"),
        ("1abc,4-mer,,,1,nM,,x,,", "ligands of several residues are not supported"),
        ("1abc,LIG,A,B,1,nM,,x,,", "both a ligand and partner_chains"),
        ("1abc,,A,,1,nM,,x,,", "neither a ligand nor"),
        ("1abc,,AB,B,1,nM,,x,,", "chain B is on both sides"),
        ("1abc,LIG,,,1,nM,,x,A,third", "ligand_number 'third'"),
    ],
)
def test_rows_that_cannot_be_used(tmp_path: Path, row: str, reason: str) -> None:
    path = tmp_path / "table.csv"
    path.write_text("\n".join([*TABLE.splitlines()[:2], row]))
    table = read_affinity_table(path)
    assert not table.rows
    [problem] = table.problems
    assert reason in problem.reason
    assert problem.line == 3


def test_a_second_row_for_an_entry_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text(TABLE + "1abc,LIG,,,1,nM,,x,,\n1abc,,A,B,1,nM,,x,,\n")
    table = read_affinity_table(path)
    assert len(table.rows) == 4  # as a pair the entry is another complex
    assert [(p.line, p.id, p.reason) for p in table.problems] == [
        (6, "1abc", "the entry has an earlier row, which is used")
    ]


def test_a_table_without_needed_columns(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("id,pKd\n1abc,7\n")
    with pytest.raises(ValueError, match=r"not \['affinity', 'unit', 'source'\]"):
        read_affinity_table(path)


@pytest.mark.parametrize(
    ("value", "unit", "measure"),
    [("10", "nM", "Ki"), ("<=2.5", "uM", ""), ("~3", "pM", "IC50"), ("1e7", "M-1", "Ka")],
)
def test_values_survive_the_index_file(value: str, unit: str, measure: str) -> None:
    binding = parse_affinity(value, unit, measure)
    again = parse_binding(binding_text(binding))
    assert (again.measure, again.sign) == (binding.measure, binding.sign)
    assert again.pk == pytest.approx(binding.pk, abs=1e-5)
