from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hemenet_lab.structures import StructureError, read_atoms, read_structure
from hemenet_lab.structures.pdb import read_pdb
from hemenet_lab.structures.select import choose_model
from hemenet_lab.structures.table import PolymerHint
from tests.structures.files import Atom, pdb_text, peptide, residue, write_pdb

LINE = Atom("CA", "ALA", "A", 1, (1.0, 2.0, 3.0)).line()


def _read(text: str | bytes):  # type: ignore[no-untyped-def]  # an AtomTable, as read_pdb says
    data = text.encode() if isinstance(text, str) else text
    return choose_model(read_pdb(data, "x.pdb"), None)


def _place(line: str, first: int, text: str) -> str:
    """``line`` with ``text`` from column ``first`` (counted from 1)."""
    return line[: first - 1] + text + line[first - 1 + len(text) :]


def test_fields_of_one_line() -> None:
    atom = Atom("CA", "MSE", "B", -12, (-1.25, 2.5, 1000.125), "C", "B", "C", 0.35, 17.25, True)
    table = _read(atom.line() + "\n")
    words = (table.name, table.element, table.altloc, table.residue_name, table.chain, table.label)
    assert [column[0] for column in words] == ["CA", "C", "B", "MSE", "B", "B"]
    assert (table.number[0], table.insertion[0], table.hetero[0]) == (-12, "C", True)
    assert table.coords[0].tolist() == [-1.25, 2.5, 1000.125]
    assert table.occupancy[0] == np.float32(0.35)
    assert table.b_factor[0] == np.float32(17.25)


def test_short_line_has_default_occupancy_and_element_of_its_name() -> None:
    table = _read(LINE[:54] + "\n")
    assert (table.occupancy[0], table.b_factor[0], table.element[0]) == (1, 0, "C")


@pytest.mark.parametrize("tail", ["1ABC 123", "1AHG1234", "    A   ", "      C1", "       1"])
def test_old_text_in_columns_73_to_80_does_no_harm(tail: str) -> None:
    table = _read(_place(LINE, 73, tail) + "\n")
    assert table.element[0] == "C"


def test_line_ends_and_long_lines() -> None:
    text = f"{LINE}trailing text behind column 80\r\n{_place(LINE, 13, ' N  ')}\r\n"
    assert _read(text).name.array().tolist() == ["CA", "N"]
    assert len(_read(text.replace("\r\n", "\r"))) == 2


def test_serial_number_above_99999() -> None:
    assert len(_read(f"{_place(LINE, 6, '111757')}\n")) == 1


def test_residue_numbers_beyond_four_digits() -> None:
    numbers = ["9999", "A000", "A001", "ZZZZ", "a000", " -45"]
    table = _read("".join(_place(LINE, 23, number) + "\n" for number in numbers))
    assert table.number.tolist() == [9999, 10000, 10001, 1223055, 1223056, -45]


def test_chain_ids_of_two_letters_and_none() -> None:
    text = "".join(_place(LINE, 21, chain) + "\n" for chain in (" A", "AB", "  ", "C "))
    assert _read(text).chain.array().tolist() == ["A", "AB", "_", "_"]


def test_bad_occupancy_and_b_factor_are_counted() -> None:
    table = _read(_place(LINE, 55, "******    na") + "\n")
    assert (table.occupancy[0], table.b_factor[0]) == (1, 0)
    assert [(drop.kind, drop.count) for drop in table.drops] == [("value", 2)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        (" \n\n", "the file is empty"),
        ("HEADER    X\nEND\n", "no ATOM or HETATM record"),
        (f"{LINE}\n{LINE[:53]}", "line 2 ends inside the coordinates .53 of at least 54"),
        (f"{LINE}\n{LINE[:40]}\n{LINE}\n", "line 2 ends inside the coordinates"),
        (f"{LINE}\n{LINE[:60]}", "last line ends after 60 columns without a line end"),
        (f"MODEL        1\n{LINE}\n", "ends inside a MODEL"),
        (f"{_place(LINE, 31, '   x.000')}\n", "line 1 has '   x.000' where a coordinate"),
        (f"{LINE}\n{_place(LINE, 39, '        ')}\n", "line 2 has '        ' where a coord"),
        (f"{_place(LINE, 31, '     nan')}\n", "1 of 1 atoms have coordinates that are not finite"),
        (f"{_place(LINE, 47, '     inf')}\n", "not finite"),
        (f"{_place(LINE, 23, '12.4')}\n", "line 1 has '12.4' as residue number"),
    ],
)
def test_errors(text: str, message: str) -> None:
    with pytest.raises(StructureError, match=message):
        _read(text)


def test_a_complete_last_line_without_line_end_is_read() -> None:
    assert len(_read(f"{LINE}\n{LINE}")) == 2
    assert len(_read(LINE[:54])) == 1
    assert len(_read(f"{LINE}\nEND\n  ")) == 1
    assert len(_read(f"MODEL        1\n{LINE}\nEND")) == 1


@pytest.mark.parametrize("record", ["ATOM  ", "HETATM", "ANISOU"])
@pytest.mark.parametrize("columns", range(1, 80))
def test_a_file_cut_inside_a_line_is_refused(record: str, columns: int) -> None:
    """Only a cut at the very end of a line cannot be seen."""
    line = record + LINE[6:]
    text = f"{LINE}\n{line}\n{LINE}\n{line}\n"
    with pytest.raises(StructureError, match="fetch it again"):
        _read(text[: 3 * 81 + columns])
    assert len(_read(text[: 3 * 81 + 80])) == (2 if record == "ANISOU" else 4)


def test_unreadable_records_are_counted() -> None:
    text = f"AATOM{LINE[5:]}\n{LINE}\natom  {LINE[6:]}\nANISOU{LINE[6:]}\nREMARK 1.00 2.00 3.00\n"
    table = _read(text)
    assert len(table) == 1
    assert [(drop.kind, drop.count) for drop in table.drops] == [("record", 2)]


def test_first_model_and_atoms_outside_of_models() -> None:
    text = (
        f"MODEL        1\n{LINE}\nENDMDL\nMODEL        2\n{LINE}\n{LINE}\nENDMDL\n"
        f"{_place(LINE, 22, 'B')}\nEND\n"
    )
    table = _read(text)
    assert table.chain.array().tolist() == ["A", "B"]
    assert [(drop.kind, drop.count) for drop in table.drops] == [("model", 2)]


def test_models_separated_by_endmdl_alone() -> None:
    table = _read(f"{LINE}\nENDMDL\n{LINE}\nENDMDL\n")
    assert (len(table), table.drops[0].count) == (1, 1)


def test_end_inside_the_file_ends_nothing() -> None:
    assert len(_read(f"{LINE}\nEND\n{_place(LINE, 22, 'B')}\nEND\n")) == 2


def test_hetatm_behind_the_last_ter_of_its_chain_is_marked() -> None:
    het = "HETATM" + LINE[6:]
    other_chain = _place(het, 22, "B")
    text = f"{LINE}\nTER\n{het}\nTER\n{het}\n{LINE}\n{other_chain}\n"
    marks = (_read(text).hint == PolymerHint.AFTER_TER).tolist()
    assert marks == [False, False, True, False, False]


def test_ter_inside_a_chain_splits_and_loses_nothing(tmp_path: Path) -> None:
    atoms = peptide(["ALA", "GLY", "SER", "ALA"])
    plain = read_structure(write_pdb(tmp_path / "a.pdb", atoms))
    lines = pdb_text(atoms).splitlines()
    lines[5:5], lines[11:11] = ["TER"], ["TER      10      GLY A   2"]
    (tmp_path / "b.pdb").write_text("\n".join(lines))
    broken = read_structure(tmp_path / "b.pdb")
    assert broken.chain_id == ("A",)
    assert np.array_equal(broken.coords, plain.coords)
    assert np.array_equal(broken.sequence_index, plain.sequence_index)


def test_more_than_62_chains(tmp_path: Path) -> None:
    ids = [f"{a}{b}" for a in "ABCDEFGHIJ" for b in "0123456789"]
    text = "".join(
        _place(atom.line(), 21, f"{chain:>2}") + "\n"
        for chain in ids
        for atom in residue("GLY", "A", 1, 0.0)
    )
    (tmp_path / "many.pdb").write_text(text)
    assert read_structure(tmp_path / "many.pdb").chain_id == tuple(ids)


def test_a_gzipped_file_that_is_cut(tmp_path: Path) -> None:
    data = gzip.compress(pdb_text(peptide(["ALA"] * 30)).encode())
    (tmp_path / "a.pdb.gz").write_bytes(data)
    assert len(read_atoms(tmp_path / "a.pdb.gz")) == 150
    (tmp_path / "b.pdb.gz").write_bytes(data[: len(data) // 2])
    with pytest.raises(StructureError, match=r"b\.pdb\.gz: the gzip file is cut or damaged"):
        read_atoms(tmp_path / "b.pdb.gz")


def test_missing_file() -> None:
    with pytest.raises(FileNotFoundError):
        read_structure("no-such-file.pdb")


def test_id_is_the_file_name_without_endings(tmp_path: Path) -> None:
    atoms = [replace(atom) for atom in peptide(["ALA"])]
    assert read_structure(write_pdb(tmp_path / "1abc.ent.pdb", atoms)).id == "1abc"
    assert read_structure(tmp_path / "1abc.ent.pdb", id="mine").id == "mine"
