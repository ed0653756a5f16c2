"""What is wanted: DeepFRI's lists, the user's ids, obsolete entries, the list of chains."""

from __future__ import annotations

from pathlib import Path

import pytest

from hemenet_lab.protein_mt.fetch.wanted import current_entry, read_ids, read_obsolete, wanted_items
from hemenet_lab.protein_mt.raw.layout import find_raw, read_chain_list, write_chain_list
from tests.shared import SAMPLE, needs_shared

OBSOLETE = """\
 LIST OF OBSOLETE COORDINATE ENTRIES AND SUCCESSORS
OBSLTE    31-JUL-94 116L     216L
OBSLTE    21-NOV-03 1HG6
OBSLTE    18-JUL-84 1HHB     2HHB 3HHB
OBSLTE    01-JAN-10 2HHB     4HHB
OBSLTE    01-JAN-10 9AAA     9AAB
OBSLTE    01-JAN-10 9AAB     9AAA
"""


def make_lists(raw: Path) -> None:
    folder = raw / "EnzymeCommission"
    folder.mkdir(parents=True)
    (folder / "nrPDB-EC_2020.04_annot.tsv").write_text(
        "### EC-numbers\n1.1.1.1\t2.-.-.-\n### PDB-chain\tEC-numbers\n"
        "1ABC-A\t1.1.1.1\n2ABC-AA\t1.1.1.1,2.-.-.-\n"
    )
    (folder / "nrPDB-EC_2020.04_train.txt").write_text("1ABC-A\r\n3ABC-b\r\n3ABC-B\r\n")


def test_all_listed_chains(tmp_path: Path) -> None:
    make_lists(tmp_path)
    wanted = wanted_items(tmp_path)
    assert wanted.codes == ("1abc", "2abc", "3abc")
    assert wanted.chains == ("1ABC-A", "2ABC-AA", "3ABC-B", "3ABC-b")
    assert not wanted.problems


def test_names_that_are_no_chains_are_reported(tmp_path: Path) -> None:
    make_lists(tmp_path)
    with (tmp_path / "EnzymeCommission" / "nrPDB-EC_2020.04_annot.tsv").open("a") as file:
        file.write("LONGCODE-A\t1.1.1.1\n")
    [problem] = wanted_items(tmp_path).problems
    assert problem.startswith("'LONGCODE-A'")


def test_only_some(tmp_path: Path) -> None:
    make_lists(tmp_path)
    wanted = wanted_items(tmp_path, ["3abc", "1abc-Z", "4ABC"])
    assert wanted.codes == ("1abc", "3abc", "4abc")
    # all listed chains of an entry; a chain by its name, listed or not
    assert wanted.chains == ("1ABC-Z", "3ABC-B", "3ABC-b")


@needs_shared
def test_published_lists() -> None:
    assert SAMPLE is not None
    wanted = wanted_items(SAMPLE)
    assert (len(wanted.chains), len(wanted.codes)) == (40_888, 36_337)
    assert not wanted.problems


def test_ids_file(tmp_path: Path) -> None:
    path = tmp_path / "ids.txt"
    path.write_text("# some\n1abc, 2ABC-A\n3abc # one more\n")
    assert read_ids(path) == ("1abc", "2ABC-A", "3abc")


@pytest.mark.parametrize(
    ("text", "found"), [("1abc\nP12345\n", "found 'P12345'"), ("#\n", "it names nothing")]
)
def test_ids_files_of_another_form(tmp_path: Path, text: str, found: str) -> None:
    path = tmp_path / "ids.txt"
    path.write_text(text)
    with pytest.raises(ValueError, match=found):
        read_ids(path)


def test_successors(tmp_path: Path) -> None:
    path = tmp_path / "obsolete.dat"
    path.write_text(OBSOLETE)
    successors = read_obsolete(path)
    assert len(successors) == 6
    assert current_entry("1abc", successors).note == ""
    entry = current_entry("116l", successors)
    assert (entry.current, entry.note) == ("216l", "obsolete: 116l → 216l")
    entry = current_entry("1hhb", successors)
    assert entry.current == "4hhb"
    assert entry.note == "obsolete: 1hhb → 2hhb → 4hhb (not used: 3hhb)"
    assert current_entry("1hg6", successors).current == ""
    assert "without a successor" in current_entry("1hg6", successors).note
    assert "in a circle" in current_entry("9aaa", successors).note


def test_chains_of_whole_entries(tmp_path: Path) -> None:
    write_chain_list(tmp_path, [("6HHQ-h", "6hhq.bcif.gz"), ("6HHQ-H", "6hhq.bcif.gz")])
    (tmp_path / "structures" / "6hhq.bcif.gz").touch()
    assert [name for name, _ in read_chain_list(tmp_path)] == ["6HHQ-H", "6HHQ-h"]
    sources = find_raw(tmp_path).sources
    assert [(s.id, s.kind, s.code, s.chain) for s in sources] == [
        ("6HHQ-H", "chain", "6hhq", "H"),
        ("6HHQ-h", "chain", "6hhq", "h"),
    ]


def test_no_list_of_chains(tmp_path: Path) -> None:
    assert not list(read_chain_list(tmp_path))


def test_lists_of_chains_that_do_not_fit(tmp_path: Path) -> None:
    write_chain_list(tmp_path, [("1ABC-A", "1abc.bcif.gz")])
    with pytest.raises(ValueError, match=r"names '1abc.bcif.gz' for chain 1ABC-A, which is not in"):
        list(read_chain_list(tmp_path))
    (tmp_path / "structures" / "chains.csv").write_text("name\n1ABC-A\n")
    with pytest.raises(ValueError, match=r"has the columns \['name'\]"):
        list(read_chain_list(tmp_path))
