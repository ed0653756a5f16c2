"""EC and GO annotation tables, and DeepFRI's split lists."""

from __future__ import annotations

from pathlib import Path

import pytest

from hemenet_lab.protein_mt.labels.deepfri import (
    read_ec,
    read_go,
    read_identity_flags,
    read_split_lists,
)
from hemenet_lab.protein_mt.raw.layout import split_chain_name
from tests.shared import SAMPLE, needs_shared

EC_TABLE = (
    "### EC-numbers\r\n1.1.1.1\t2.7.-.-\t3.4.21.4\r\n### PDB-chain\tEC-numbers\r\n"
    "1ABC-A\t3.4.21.4,1.1.1.1\r\n6SLH-AAA\t2.7.-.-\r\n2ABC-A\t9.9.9.9,1.1.1.1\r\n3ABC-A\t\r\n"
)
GO_TABLE = (
    "### GO-terms (molecular_function)\nGO:1\tGO:2\n### GO-names (molecular_function)\nbind\tcut\n"
    "### GO-terms (biological_process)\nGO:3\n### GO-names (biological_process)\nlive\n"
    "### GO-terms (cellular_component)\nGO:4\tGO:5\n### GO-names (cellular_component)\nin\tout\n"
    "### PDB-chain\tGO-terms (molecular_function)\tGO-terms (biological_process)\t"
    "GO-terms (cellular_component)\n"
    "1ABC-A\tGO:2,GO:1\t\tGO:5\n2ABC-A\t\tGO:3\n3ABC-B\tGO:1\n4ABC-C\t\t\t\n"
)


def test_ec_table(tmp_path: Path) -> None:
    path = tmp_path / "nrPDB-EC_annot.tsv"
    path.write_bytes(EC_TABLE.encode())
    table = read_ec(path)
    assert [task.name for task in table.tasks] == ["ec"]
    assert table.tasks[0].terms == ("1.1.1.1", "2.7.-.-", "3.4.21.4")
    assert table.chains == {
        "1ABC-A": {"ec": (0, 2)},
        "6SLH-AAA": {"ec": (1,)},
        "2ABC-A": {"ec": (0,)},
        "3ABC-A": {},
    }
    assert table.rows == 4
    assert table.support("ec").tolist() == [2, 1, 1]
    assert [(p.line, p.id, p.reason) for p in table.problems] == [
        (6, "2ABC-A", "9.9.9.9 is not in the header's terms")
    ]


def test_go_table_with_missing_trailing_fields(tmp_path: Path) -> None:
    path = tmp_path / "nrPDB-GO_annot.tsv"
    path.write_text(GO_TABLE, encoding="utf-8")
    table = read_go(path)
    assert [(task.name, task.term_names) for task in table.tasks] == [
        ("mf", ("bind", "cut")),
        ("bp", ("live",)),
        ("cc", ("in", "out")),
    ]
    # a branch without a term is not labelled
    assert table.chains == {
        "1ABC-A": {"mf": (0, 1), "cc": (1,)},
        "2ABC-A": {"bp": (0,)},
        "3ABC-B": {"mf": (0,)},
        "4ABC-C": {},
    }
    assert table.problems == ()


def test_vocabularies_of_the_published_size(tmp_path: Path) -> None:
    """The released code had one output more for each branch, since it counted terms from 1."""
    sizes, lines = {"mf": 489, "bp": 1_943, "cc": 320}, []
    for name, size in sizes.items():
        terms = [f"GO:{name}{number}" for number in range(size)]
        lines += [f"### GO-terms ({name})", "\t".join(terms)]
        lines += [f"### GO-names ({name})", "\t".join(f"name of {term}" for term in terms)]
    lines += ["### PDB-chain\tGO-terms", "1ABC-A\tGO:mf488,GO:mf0\tGO:bp1942\tGO:cc319", ""]
    path = tmp_path / "nrPDB-GO_annot.tsv"
    path.write_text("\n".join(lines), encoding="utf-8")
    table = read_go(path)
    assert {task.name: task.num_outputs for task in table.tasks} == sizes
    assert table.chains["1ABC-A"] == {"mf": (0, 488), "bp": (1_942,), "cc": (319,)}
    assert table.tasks[1].term_names[-1] == "name of GO:bp1942"


def test_chain_listed_twice_is_joined_and_reported(tmp_path: Path) -> None:
    path = tmp_path / "nrPDB-EC_annot.tsv"
    path.write_text(EC_TABLE + "1ABC-A\t2.7.-.-\r\n", encoding="utf-8")
    table = read_ec(path)
    assert table.chains["1ABC-A"] == {"ec": (0, 1, 2)}
    assert "earlier row" in table.problems[-1].reason


def test_another_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "nrPDB-GO_annot.tsv"
    path.write_text("PDB,CHAIN\n1abc,A\n", encoding="utf-8")
    with pytest.raises(ValueError, match="expected a header line"):
        read_go(path)
    path.write_text(GO_TABLE, encoding="utf-8")
    with pytest.raises(ValueError, match="expected a header line '### PDB-chain"):
        read_ec(path)
    path.write_bytes(EC_TABLE.encode())
    with pytest.raises(ValueError, match="3 mf terms and 2 names of them"):
        read_go(path)


def test_a_header_that_repeats_a_term_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "nrPDB-EC_annot.tsv"
    first, *_ = terms = EC_TABLE.splitlines()[1].split("\t")
    path.write_text(EC_TABLE.replace("\t".join(terms), "\t".join([*terms, first])), "utf-8")
    with pytest.raises(ValueError, match=f"{path}: its header lists the ec term {first} twice"):
        read_ec(path)


def test_chain_names() -> None:
    assert split_chain_name("6SLH-AAA") == ("6slh", "AAA")
    assert split_chain_name("4UDF-1a") == ("4udf", "1a")
    for name in ("1abcA", "1abc", "", "-A", "1abc-"):
        with pytest.raises(ValueError, match="is not a PDB code, a hyphen"):
            split_chain_name(name)


def test_split_lists_and_flags(tmp_path: Path) -> None:
    for end, text in (("train", "1ABC-A\n2ABC-A\n"), ("valid", "3ABC-A\n"), ("test", "4ABC-A\n")):
        (tmp_path / f"x_{end}.txt").write_text(text, encoding="utf-8")
    assert read_split_lists(tmp_path, "x") == {
        "train": ("1ABC-A", "2ABC-A"),
        "val": ("3ABC-A",),
        "test": ("4ABC-A",),
    }
    (tmp_path / "x_test.txt").write_text("2ABC-A\n", encoding="utf-8")
    with pytest.raises(ValueError, match="lists chains twice: 2ABC-A"):
        read_split_lists(tmp_path, "x")
    flags = tmp_path / "x_test.csv"
    flags.write_bytes(b"PDB-chain,<30%,<95%\r\n4ABC-A,0,1\r\n")
    assert read_identity_flags(flags) == {"4ABC-A": {30: False, 95: True}}
    flags.write_bytes(b"PDB-chain,<30%,<95%\r\n4ABC-A,0,2\r\n")
    with pytest.raises(ValueError, match="expected 0 or 1 each"):
        read_identity_flags(flags)
    flags.write_bytes(b"chain,30\r\n4ABC-A,0\r\n")
    with pytest.raises(ValueError, match="expected PDB-chain,<30%"):
        read_identity_flags(flags)


@needs_shared
def test_published_counts_of_ec() -> None:
    """Counts that depend on the published files only."""
    assert SAMPLE is not None
    folder = SAMPLE / "EnzymeCommission"
    table = read_ec(folder / "nrPDB-EC_2020.04_annot.tsv")
    support = table.support("ec")
    assert (table.rows, len(support), support.min(), support.max()) == (19_201, 538, 11, 1_194)
    assert len(table.chains) == 19_201
    assert table.problems == ()
    per_chain = [len(labels["ec"]) for labels in table.chains.values()]
    assert (per_chain.count(1), per_chain.count(2), max(per_chain)) == (8_545, 9_654, 11)
    assert sum(not term.endswith(".-") for term in table.tasks[0].terms) == 377
    lists = read_split_lists(folder, "nrPDB-EC_2020.04")
    assert [len(part) for part in lists.values()] == [15_551, 1_729, 1_919]
    listed = {chain for part in lists.values() for chain in part}
    assert table.chains.keys() - listed == {"4UDF-1A", "4UDF-1B"}
    flags = read_identity_flags(folder / "nrPDB-EC_2020.04_test.csv")
    assert flags.keys() == set(lists["test"])


@needs_shared
def test_published_counts_of_go() -> None:
    assert SAMPLE is not None
    go = read_split_lists(SAMPLE / "GeneOntology", "nrPDB-GO_2019.06.18")
    assert [len(part) for part in go.values()] == [29_902, 3_323, 3_416]
    ec = read_split_lists(SAMPLE / "EnzymeCommission", "nrPDB-EC_2020.04")
    both = {c for part in go.values() for c in part} & {c for part in ec.values() for c in part}
    assert len(both) == 14_953
