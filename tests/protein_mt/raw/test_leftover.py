"""Every file of a raw folder is used or has a row that says why not; ids have one spelling."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from hemenet_lab.protein_mt.build import build_store
from hemenet_lab.protein_mt.raw import chain_name, entry_code, find_raw, leftover_rows
from hemenet_lab.protein_mt.raw.ids import split_chain_name
from hemenet_lab.store import Store
from tests.protein_mt.raw_folder import SDF, pdb_text, sequence, write_raw


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def reasons(raw: Path) -> dict[str, str]:
    return {row.id: row.reason for row in leftover_rows(find_raw(raw), ())}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("1ABC", "1abc"),
        (" 1abc ", "1abc"),
        ("pdb_00001abc", "1abc"),
        ("PDB_00001ABC", "1abc"),
        ("pdb_10001abc", "pdb_10001abc"),
        ("pdb_0000abcd", "pdb_0000abcd"),
        ("MyDimer", "mydimer"),
    ],
)
def test_entry_code(text: str, code: str) -> None:
    assert entry_code(text) == code


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("1ABC-A", ("1abc", "A")),
        ("1abc_a", ("1abc", "a")),
        ("pdb_00001ABC-A", ("1abc", "A")),
        ("pdb_10001ABC_A-2", ("pdb_10001abc", "A-2")),
        ("1ABC-A-2", ("1abc", "A-2")),
        ("AF-P12931-A", ("af-p12931", "A")),
        ("P12931", ("p12931", "A")),
    ],
)
def test_split_chain_name(name: str, parts: tuple[str, str]) -> None:
    assert split_chain_name(name) == parts
    assert split_chain_name(chain_name(*parts)) == parts


def test_files_of_other_names_have_a_row(tmp_path: Path) -> None:
    raw = write_raw(tmp_path)
    text = pdb_text({"A": sequence(1), "B": sequence(2)})
    for name in ("mydimer.pdb", "AF-P12931-F1-model_v4.pdb", "1ak4_complex.pdb"):
        write(raw / "PP" / name, text)
    for name in ("P12931.pdb", "2P3A_A.pdb"):
        write(raw / "EnzymeCommission" / "all" / name, text)
    write(raw / "EnzymeCommission" / "3AAA-B.pdb", text)
    write(raw / "structures" / "7xyz.cif.gz", "")
    write(raw / "refined-set" / "1aaa" / "1aaa_pocket.pdb", text)
    write(raw / "refined-set" / "1aaa" / "1aaa_ligand.pdbqt", "")
    write(raw / "refined-set" / "1aaz" / "1xyz_protein.pdb", text)
    write(raw / "notes.docx", "")
    write(raw / ".DS_Store", "")
    write(raw / "index" / "INDEX_refined_data.2020", "")
    found = reasons(raw)
    pair = "structure file not used: its name is neither a PDB id nor an id of the affinity table"
    for name in ("mydimer.pdb", "AF-P12931-F1-model_v4.pdb", "1ak4_complex.pdb"):
        assert found[f"PP/{name}"] == pair
    for name in ("P12931.pdb", "2P3A_A.pdb"):
        assert "neither a chain such as 1ABC-A" in found[f"EnzymeCommission/all/{name}"]
    assert "read from EnzymeCommission/all" in found["EnzymeCommission/3AAA-B.pdb"]
    assert "chains.csv does not name it" in found["structures/7xyz.cif.gz"]
    assert "the whole protein is read" in found["refined-set/*"]
    assert "ligand file not used" in found["refined-set/1aaa/1aaa_ligand.pdbqt"]
    assert "its folder has another name" in found["refined-set/1aaz/1xyz_protein.pdb"]
    assert "of no kind" in found["notes.docx"]
    assert found["./*"] == "hidden file not looked at"
    assert "table not used" in found["index/INDEX_refined_data.2020"]


def test_any_name_is_an_id_where_a_table_has_it(tmp_path: Path) -> None:
    raw = write_raw(tmp_path / "raw")
    text = pdb_text({"A": sequence(41), "B": sequence(42)})
    write(raw / "PP" / "mydimer.pdb", text)
    write(raw / "PP" / "AF-P12931-F1-model_v4.pdb", text)
    write(raw / "PP" / "pdb1ak4.ent", text)
    write(raw / "EnzymeCommission" / "all" / "P12931.pdb", pdb_text({"Q": sequence(43)}))
    table = raw / "pp_affinity.csv"
    rows = "MyDimer,7.1,A,B\naf-p12931-f1-model_v4,7.2,A,B\n1AK4,7.3,A,B\n"
    table.write_text(table.read_text() + rows, encoding="utf-8")
    annotation = raw / "EnzymeCommission" / "nrPDB-EC_2020.04_annot.tsv"
    annotation.write_bytes(annotation.read_bytes() + b"P12931\t1.1.1.2\r\n")
    assert not {name for name in reasons(raw) if not name.startswith(("sifts/", "index/"))} - {
        "pp_affinity.csv",
        "EnzymeCommission/nrPDB-EC_2020.04_annot.tsv",
        "GeneOntology/nrPDB-GO_2019.06.18_annot.tsv",
    }
    store = Store(build_store(raw, tmp_path / "store").path)
    values = {name: store[store.index(name)].values for name in store.ids}
    assert values["mydimer"] == {"ppa": 7.1}
    assert values["af-p12931-f1-model_v4"] == {"ppa": 7.2}
    assert values["1ak4"] == {"ppa": 7.3}
    chain = store[store.index("P12931-A")]
    assert chain.chain_names == ("A",)
    assert chain.terms["ec"][0].tolist() == [2]


def test_capitals_and_long_ids_are_the_same_entry(tmp_path: Path) -> None:
    raw = write_raw(tmp_path / "raw")
    pair = pdb_text({"A": sequence(51), "B": sequence(52)})
    for code in ("1AZA", "pdb_00001azb"):
        folder = raw / "refined-set" / code
        write(folder / f"{code}_protein.pdb", pdb_text({"A": sequence(50)}))
        write(folder / f"{code}_ligand.sdf", SDF)
    write(raw / "pl_affinity.csv", "id,pKd\npdb_00001aza,7.5\n1AZB,7.6\n")
    write(raw / "PP" / "pdb_00002aza.pdb", pair)
    write(raw / "PP" / "2AZB.pdb", pair)
    table = raw / "pp_affinity.csv"
    rows = "2AZA,6.1,A,B\npdb_00002azb,6.2,A,B\n"
    table.write_text(table.read_text() + rows, encoding="utf-8")
    write(raw / "EnzymeCommission" / "all" / "pdb_00003aza-A.pdb", pdb_text({"A": sequence(53)}))
    annotation = raw / "EnzymeCommission" / "nrPDB-EC_2020.04_annot.tsv"
    annotation.write_bytes(annotation.read_bytes() + b"3aza-A\t1.1.1.2\r\n")
    with (raw / "sifts" / "pdb_chain_uniprot.csv").open("a") as file:
        file.write("pdb_00002aza,A,P77\n")
    path = build_store(raw, tmp_path / "store").path
    store = Store(path)
    found = {name: store[store.index(name)] for name in store.ids}
    assert found["1aza"].values == {"lba": 7.5}
    assert found["1azb"].values == {"lba": 7.6}
    assert found["2aza"].values == {"ppa": 6.1}
    assert found["2azb"].values == {"ppa": 6.2}
    assert found["2aza"].chain_uniprot == ("P77", "")
    assert found["3AZA-A"].terms["ec"][0].tolist() == [2]
    with (path / "drops.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if "az" in row["id"].lower()]
    assert rows == []


def test_store_inside_the_raw_folder_is_no_part_of_it(tmp_path: Path) -> None:
    raw = write_raw(tmp_path)
    before = reasons(raw)
    build_store(raw, raw / "store")
    assert reasons(raw) == before
