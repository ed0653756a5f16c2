"""PDBbind INDEX files in all their layouts, and affinity CSV files."""

from __future__ import annotations

from pathlib import Path

import pytest

from hemenet_lab.protein_mt.labels.affinity import (
    parse_index_line,
    read_affinity_csv,
    read_pdbbind_index,
)
from tests.shared import SAMPLE, needs_shared

LIGAND_INDEX = """\
# ====================
# PDB code, resolution, release year, -logKd/Ki, Kd/Ki, reference, ligand name
3zzf  2.20  2012   0.40  Ki=400mM      // 3zzf.pdf (NLG)
1abc  NMR   2001   8.00  Kd<10nM       // 1abc.pdf (XYZ) incomplete ligand #1

1ABD  1.00  1999   6.00  IC50~1uM\t// 1abd.pdf (4-mer)
1abe  1.00  1999   6.00  Kd=1pM        // 1abe.pdf (LIG)
broken line
2abc  2.00  2001   7.00  Kd=?nM        // 2abc.pdf (LIG)
"""
PAIR_INDEX = """\
# a later release: more lines of
# comments, no -log column
3sgb  1.80  1983  Kd=17.9pM       // 3sgb.pdf (56-mer) OVOMUCOID, 1.79 x 10-11M
1a2k  2.50  0000  Kd=152nM        // 1a2k.ent.pdb (AB|C) Ran GTPase / NTF2
"""


def test_ligand_index(tmp_path: Path) -> None:
    path = tmp_path / "INDEX_general_PL_data.2020"
    path.write_bytes(LIGAND_INDEX.encode())
    table = read_pdbbind_index(path)
    assert [(r.id, r.pk, r.measure, r.sign) for r in table.records] == [
        ("3zzf", 0.40, "Ki", "="),
        ("1abc", 8.00, "Kd", "<"),
        ("1abd", 6.00, "IC50", "~"),
        ("1abe", 6.00, "Kd", "="),
    ]
    bound, about = table.records[1], table.records[2]
    assert bound.censored
    assert bound.note == "1abc.pdf (XYZ) incomplete ligand #1"
    assert about.approximate
    assert not about.censored
    # the column is taken as published; that it contradicts the constant is noted
    assert table.records[3].note.endswith("[column -log10 K is 6.00, the constant gives 12.00]")


def test_lines_that_cannot_be_read_are_reported(tmp_path: Path) -> None:
    path = tmp_path / "INDEX_general_PL_data.2020"
    path.write_text(LIGAND_INDEX, encoding="utf-8")
    problems = read_pdbbind_index(path).problems
    assert [(p.line, p.id) for p in problems] == [(8, ""), (9, "2abc")]
    assert "PDB code, resolution, year" in problems[0].reason
    assert "'Kd=?nM'" in problems[1].reason


def test_pair_index_without_log_column(tmp_path: Path) -> None:
    path = tmp_path / "INDEX_general_PP.2021"
    # older files hold names in Latin-1, and Windows line ends
    path.write_bytes(PAIR_INDEX.replace("\n", "\r\n").encode() + b"# caf\xe9\r\n")
    first, second = read_pdbbind_index(path).records
    assert first.pk == pytest.approx(10.74715, abs=1e-5)
    assert first.receptor_chains == ()
    assert (second.receptor_chains, second.partner_chains) == (("A", "B"), ("C",))


def test_line_without_code_is_refused() -> None:
    with pytest.raises(ValueError, match="not a line of PDB code"):
        parse_index_line("abcd 2.0 2000 Kd=1nM // x")


def test_affinity_csv(tmp_path: Path) -> None:
    path = tmp_path / "pp_affinity.csv"
    path.write_text(
        "# ours\npKd,id,receptor_chains,partner_chains,note\n"
        '6.8,1A2K,AB,C,"two, chains"\n9,1acb,,,\n'
        "high,1acc,A,B,\n,1acd,A,B,\n7.0,,A,B,\ninf,1ace,,,\n",
        encoding="utf-8",
    )
    table = read_affinity_csv(path)
    first, second = table.records
    assert (first.id, first.pk, first.note) == ("1a2k", 6.8, "two, chains")
    assert (first.receptor_chains, first.partner_chains) == (("A", "B"), ("C",))
    assert (second.id, second.pk, second.partner_chains) == ("1acb", 9.0, ())
    assert [(p.line, p.id) for p in table.problems] == [
        (5, "1acc"),
        (6, "1acd"),
        (7, ""),
        (8, "1ace"),
    ]


def test_affinity_csv_needs_its_columns(tmp_path: Path) -> None:
    path = tmp_path / "pp_affinity.csv"
    path.write_text("id,affinity\n1abc,7\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"but not \['pKd'\]"):
        read_affinity_csv(path)


def test_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"cannot read .*nowhere"):
        read_pdbbind_index(tmp_path / "nowhere")


@needs_shared
def test_sample_layouts_agree() -> None:
    """The two layouts of the pair index and the CSV file hold the same affinities."""
    assert SAMPLE is not None
    with_column = read_pdbbind_index(SAMPLE / "index/INDEX_general_PP.2020")
    real = read_pdbbind_index(SAMPLE / "index/real_layout/INDEX_general_PP.2020")
    table = read_affinity_csv(SAMPLE / "pp_affinity.csv")
    for found in (with_column, real, table):
        assert (len(found.records), found.problems) == (46, ())
    for records in (with_column.records, real.records):
        other = {record.id: record for record in records}
        for record in table.records:
            assert other[record.id].pk == pytest.approx(record.pk, abs=0.011)
            assert other[record.id].receptor_chains == record.receptor_chains
            assert other[record.id].partner_chains == record.partner_chains
    ligands = read_pdbbind_index(SAMPLE / "index/INDEX_general_PL_data.2020")
    assert (len(ligands.records), ligands.problems) == (34, ())
    assert not any("[column" in record.note for record in ligands.records)
