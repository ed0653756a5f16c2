"""Release dates from tables and from the headers of structure files."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from hemenet_lab.protein_mt.labels.affinity import parse_index_line
from hemenet_lab.protein_mt.raw.dates import read_dates, year_of
from hemenet_lab.protein_mt.raw.header import read_header
from tests.shared import SAMPLE, needs_shared

ATOM = "ATOM      1  N   ALA A   1      11.104   6.134  -6.504  1.00 20.00           N\n"
HEADER = "HEADER    HYDROLASE                               03-MAR-98   1ABC              \n"
REVDAT = "REVDAT   2   24-FEB-09 1ABC    1       VERSN\nREVDAT   1   12-AUG-98 1ABC    0\n"
SITE = "loop_\n_atom_site.group_PDB\n_atom_site.id\nATOM 1\n"
DEPOSITED = "_pdbx_database_status.recvd_initial_deposition_date   2003-11-02\n"
RELEASES = """loop_
_pdbx_audit_revision_history.ordinal
_pdbx_audit_revision_history.revision_date
1 2004-05-18
2 2008-04-29
#
"""


def written(folder: Path, text: str, name: str = "x.pdb") -> Path:
    path = folder / name
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "date"),
    [
        (HEADER + ATOM, "1998-03-03"),
        (HEADER + REVDAT + ATOM, "1998-08-12"),
        (HEADER.replace("03-MAR-98", "24-DEC-70") + ATOM, "2070-12-24"),
        (HEADER.replace("03-MAR-98", "24-DEC-71") + ATOM, "1971-12-24"),
        (HEADER.replace("03-MAR-98", "99-MAR-98") + ATOM, ""),
        (f"REMARK\n{ATOM}{HEADER}", ""),
        ("HEADER    \n" + ATOM, ""),
        ("", ""),
        (f"data_X\n#\n{DEPOSITED}{RELEASES}{SITE}", "2004-05-18"),
        (f"data_X\n#\n{DEPOSITED}{SITE}", "2003-11-02"),
        (f"data_X\n_pdbx_audit_revision_history.revision_date '2009-02-24'\n{SITE}", "2009-02-24"),
        (f"data_X\n_pdbx_audit_revision_history.revision_date ?\n{SITE}", ""),
        (f"data_X\nloop_\n_broken.a\n_broken.b\n1 2 3\n{SITE}", ""),
    ],
)
def test_header(tmp_path: Path, text: str, date: str) -> None:
    path = written(tmp_path, text)
    assert read_header(path).date == date
    packed = tmp_path / "x.gz"
    packed.write_bytes(gzip.compress(text.encode()))
    assert read_header(packed).date == date


def test_cut_file(tmp_path: Path) -> None:
    path = tmp_path / "x.pdb.gz"
    path.write_bytes(gzip.compress((HEADER + ATOM).encode())[:-9])
    assert read_header(path).date == ""


@needs_shared
def test_real_files() -> None:
    assert SAMPLE is not None
    cases = SAMPLE / "hard_cases"
    assert read_header(cases / "1gbt.bcif.gz").date == "1994-01-31"
    assert read_header(cases / "4ZHL.cif").date == ""  # written before the archive had such a table
    assert read_header(cases / "1LCD.pdb").date == "1994-01-31"
    assert (
        read_header(cases / "truncated.pdb").date
        == read_header(cases / "1A8O.pdb").date
        == "1998-10-14"
    )


def test_table(tmp_path: Path) -> None:
    text = "# made by hand\nid,date,note\n1ABC,2004-05-18,x\n2abc,1999,\n3abc,May 2004,\n4abc,,\n"
    dates, problems = read_dates(written(tmp_path, text, "dates.csv"))
    assert dates == {"1abc": "2004-05-18", "2abc": "1999"}
    assert [(problem.line, problem.id) for problem in problems] == [(5, "3abc"), (6, "4abc")]
    assert problems[0].reason == "date 'May 2004'; expected the form 2004-05-18 or 2004"


def test_table_without_its_columns(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"columns \['code', 'day'\], but not .*; it needs id and date"
    ):
        read_dates(written(tmp_path, "code,day\n1abc,2004\n", "dates.csv"))


def test_years() -> None:
    assert [year_of(text) for text in ("2004-05-18", "1999", "", "0000", "18.5.2004")] == [
        *(2004, 1999, 0, 0, 0)
    ]
    lines = [f"1abc  2.00  {year}  5.00  Ki=10uM  // 1abc.pdf (LIG)" for year in ("2004", "0000")]
    assert [parse_index_line(line).year for line in lines] == [2004, 0]
