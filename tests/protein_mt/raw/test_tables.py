"""One rule for every table of a raw folder: delimiters, blanks, marks, damage."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import pytest

from hemenet_lab.protein_mt.labels.affinity import read_affinity_csv, read_pdbbind_index, unit_hint
from hemenet_lab.protein_mt.labels.sifts import read_sifts
from hemenet_lab.protein_mt.raw import number_text, read_lines, read_table

PLAIN = "id,pKd\n1aaa,6.5\n1bbb,7.25\n"


def values(path: Path) -> dict[str, float]:
    table = read_affinity_csv(path)
    assert table.problems == ()
    return {record.id: record.pk for record in table.records}


@pytest.mark.parametrize(
    "content",
    [
        PLAIN.encode(),
        b"\xef\xbb\xbf" + PLAIN.replace("\n", "\r\n").encode(),
        PLAIN.encode("utf-16"),
        PLAIN.replace(",", "\t").encode("utf-16-le").join([b"\xff\xfe", b""]),
        PLAIN.replace(",", " , ").encode(),
        PLAIN.replace("pKd", "PKD").replace("id", "Id").encode(),
        PLAIN.replace(",", ";").encode(),
        PLAIN.replace(",", "\t").encode(),
        PLAIN.replace(",", ";").replace(".", ",").encode(),
        b"# made by hand\n\n" + PLAIN.replace("1bbb", "\n# more\n1bbb").encode(),
        b'"id","pKd","note"\n"1aaa","6.5","K\xb5M, and more"\n1bbb,7.25,\n',
        gzip.compress(PLAIN.encode()),
    ],
)
def test_forms_of_a_table(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "pl_affinity.csv"
    path.write_bytes(content)
    assert values(path) == {"1aaa": 6.5, "1bbb": 7.25}


def test_decimal_comma_between_commas_is_no_value(tmp_path: Path) -> None:
    path = tmp_path / "pl_affinity.csv"
    path.write_text("id,pKd\n1aaa,6,5\n1bbb,7.25\n")
    table = read_affinity_csv(path)
    assert [(problem.line, problem.reason) for problem in table.problems] == [
        (2, "3 cells, the header has 2")
    ]
    assert (number_text("7,5"), number_text("7.5"), number_text("1,234.5")) == (
        *("7.5", "7.5", "1,234.5"),
    )


def test_lines_are_counted_as_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('# one\nid,note\n\n1aaa,"two\nlines"\n1bbb,x\n')
    assert [(row.line, row["id"]) for row in read_table(path, ("id",))] == [
        (5, "1aaa"),
        (6, "1bbb"),
    ]


@pytest.mark.parametrize(
    ("pk", "words"),
    [(630.9, "nM"), (20.1, "nM"), (-12.3, "kcal/mol"), (1.5e-9, "mol/L"), (7.0, ""), (0.0, "")],
)
def test_hint_at_another_quantity(pk: float, words: str) -> None:
    assert words in unit_hint(pk)
    assert bool(words) == bool(unit_hint(pk))


def test_a_column_of_another_quantity_is_refused(tmp_path: Path) -> None:
    """Values of 1.5 and 12.5 nM look like pKd, so that not even these may be used."""
    path = tmp_path / "pl_affinity.csv"
    path.write_text("id,pKd\n1aaa,1.5\n1bbb,12.5\n1ccc,630.9\n1ddd,79432.8\n")
    with pytest.raises(ValueError, match=r"2 of 4 values .* line 4 \(1ccc\): pKd 630.9 .* nM"):
        read_affinity_csv(path)


def test_single_slips_are_left_out_with_their_row(tmp_path: Path) -> None:
    path = tmp_path / "pl_affinity.csv"
    path.write_text("id,pKd\n" + "".join(f"1a{n:02d},7\n" for n in range(20)) + "1bbb,75\n")
    table = read_affinity_csv(path)
    assert len(table.records) == 20
    assert [(problem.line, problem.id) for problem in table.problems] == [(22, "1bbb")]
    index = tmp_path / "INDEX_general_PL_data.2020"
    index.write_text("1aaa 2.0 2000 6.00 Ki=1uM // x\n1bbb 2.0 2000 600 Ki=1uM // x\n")
    found = read_pdbbind_index(index)
    assert [record.id for record in found.records] == ["1aaa"]
    assert "600 is not plausible" in found.problems[0].reason


def test_damaged_gzip_names_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "pdb_chain_uniprot.csv.gz"
    rows = "".join(f"{n}abc,A,P{n * 7919 % 10007}\n" for n in range(20_000))
    whole = bytearray(gzip.compress(f"PDB,CHAIN,SP_PRIMARY\n{rows}".encode()))
    whole[10] = 0xFF  # a block of a type that does not exist
    path.write_bytes(bytes(whole))
    with pytest.raises(zlib.error), gzip.open(path) as file:
        file.read()
    with pytest.raises(ValueError, match=r"cannot read .*csv.gz after line \d+: Error -3"):
        read_sifts(path)


def test_no_table_at_all(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b'id,pKd\n1aaa,"' + b"x" * 200_000)
    with pytest.raises(ValueError, match=r"t.csv, line 2 is not a row of a table: field larger"):
        list(read_table(path, ("id", "pKd")))
    path.write_text("id,ID,pKd\n")
    with pytest.raises(ValueError, match="has the column id twice"):
        list(read_table(path, ("id", "pKd")))
    path.write_text("")
    with pytest.raises(ValueError, match=r"has the columns \[\]|but not"):
        list(read_table(path, ("id", "pKd")))
    with pytest.raises(ValueError, match="after line 0"):
        list(read_lines(tmp_path / "none.csv"))
