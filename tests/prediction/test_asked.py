"""What words on a command line mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from hemenet_lab.prediction.asked import named_complexes
from hemenet_lab.prediction.complexes import read_complexes
from hemenet_lab.prediction.stream import Complex, Failure


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for name in ("a.pdb", "b.cif.gz", "lig.sdf", "notes.txt"):
        (tmp_path / name).write_text("")
    return tmp_path


def shown(found: list[Complex | Failure]) -> list[str]:
    return [str(each) if isinstance(each, Failure) else Path(each.shown).name for each in found]


def test_files_folders_and_patterns_give_each_once(place: Path) -> None:
    words = [str(place / "a.pdb"), str(place), str(place / "*.cif*")]
    assert shown(named_complexes(words)) == ["a.pdb", "b.cif.gz"]


def test_rows_of_a_table_are_relative_to_it_and_fail_alone(place: Path) -> None:
    table = place / "complexes.csv"
    table.write_text(
        "structure,ligand,receptor_chains,partner_chains,id,pose,of mine\n"
        "a.pdb,lig.sdf,,,first,2,x\n"
        "gone.pdb,,,,,,\n"
        ",,,,,,\n"
        "a.pdb,,AB,C;D,,,\n"
        "a.pdb,,,,,zero,\n"
        "a.pdb,,,,,,,surplus\n"
    )
    found = named_complexes([str(table)])
    first, gone, empty, fourth, zero, surplus = found
    assert isinstance(first, Complex)
    assert (first.ligand, first.id, first.pose) == (place / "lig.sdf", "first", 2)
    assert isinstance(fourth, Complex)
    assert (fourth.receptor_chains, fourth.partner_chains) == (("A", "B"), ("C", "D"))
    assert f"{table} line 3: {place / 'gone.pdb'} is not there" in str(gone)
    assert f"{table} line 4: " in str(empty)
    assert "give a number" in str(zero)
    assert "cells" in str(surplus)


@pytest.mark.parametrize(
    ("words", "options", "message"),
    [
        ([], {}, "no structures given"),
        (["{}/*.xyz"], {}, "no file matches"),
        (["{}/a.pdb", "{}/b.cif.gz"], {"ligand": Path("l.sdf")}, "goes with a single structure"),
        (["{}/a.pdb"], {"model": "first"}, "model first: give a number"),
        (["{}/empty.csv"], {}, "has the column structure"),
        (["{}/empty.csv"], {"partner_chains": "B"}, "in its columns"),
    ],
)
def test_what_cannot_be_meant_is_said(
    words: list[str], options: dict, message: str, place: Path
) -> None:
    (place / "empty.csv").write_text("file\n")
    with pytest.raises(ValueError, match=message):
        named_complexes([word.format(place) for word in words], **options)


TWO_AND_ONE = "".join(
    f"ATOM  {4 * k + n:5}  {name:<3} GLY {chain}{number:4}    {x + 4 * k:8.3f}{y:8.3f}   0.000"
    f"  1.00 10.00           {name[0]}\n"
    for k, (chain, number) in enumerate([("A", 1), ("A", 2), ("B", 1), ("C", 7)])
    for n, (name, x, y) in enumerate([("N", 0, 1.458), ("CA", 0, 0), ("C", 1.4, -0.5), ("O", 2, 0)])
)


def test_other_chains_than_those_of_receptor_and_partner_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "three.pdb"
    path.write_text(TWO_AND_ONE)
    [found] = read_complexes(path, partner_chains="C", receptor_chains="A", contact=99)
    assert found.entry.chain_names == ("A", "C")
    assert found.entry.residue_number.tolist() == [1, 2, 7]
    assert found.entry.coords[:, 0].max() == 14
    assert "chains B left out" in found.drops[-1]
    with pytest.raises(ValueError, match="no chain X; it has A, B, C"):
        [*read_complexes(path, receptor_chains="X")]
    with pytest.raises(ValueError, match="chain A is among"):
        [*read_complexes(path, partner_chains="A", receptor_chains="A")]
