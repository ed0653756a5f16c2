"""Deposited sequences: read with the atoms, and used only where they are the residues' own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import gemmi
import msgpack
import numpy as np
import pytest
from biotite.structure.io import pdbx

from hemenet_lab.store import entry_from_structure
from hemenet_lab.structures import StructureError, read_structure, structure_from
from tests.shared import SAMPLE, needs_shared
from tests.structures.files import Atom, peptide, residue, write_cif, write_pdb

ONE = {"ALA": "A", "GLY": "G", "SER": "S", "MSE": "M"}
DECLARED = ["GLY", "SER", "MSE", "ALA", "ALA", "GLY", "ALA", "TRP", "SER"]
LETTERS = "GSMAAGAWS"
SEEN = [1, 2, 3, 6, 8]
"""Places of the residues with atoms: S M A, then A, then S."""


def atoms(places: list[int], declared: list[str] = DECLARED, first: int = 1) -> list[Atom]:
    """Residues at places of a sequence, numbered by them; neighbours are bonded."""
    return [
        atom
        for place in places
        for atom in residue(
            declared[place], "A", first + place, 3.8 * place, hetero=declared[place] == "MSE"
        )
    ]


def seqres(names: list[str], chain: str = "A", size: int | None = None) -> str:
    rows = [names[start : start + 13] for start in range(0, len(names), 13)]
    number = len(names) if size is None else size
    return "".join(
        f"SEQRES {row:3d} {chain} {number:4d}  {' '.join(part)}\n"
        for row, part in enumerate(rows, start=1)
    )


def pdb(path: Path, head: str, of: list[Atom]) -> Path:
    file = write_pdb(path / "a.pdb", of)
    file.write_text(head + file.read_text())
    return file


def cif(
    path: Path,
    of: list[Atom],
    declared: list[str],
    positions: list[int],
    ending: str = "cif",
    leave: str = "",
) -> Path:
    """With ``_entity_poly_seq``; the positions are those of the residues' atoms, one each."""
    file = write_cif(path / f"a.{ending}", of)
    content = (pdbx.CIFFile if ending == "cif" else pdbx.BinaryCIFFile).read(file)
    block = content.block
    numbers = np.unique([atom.number for atom in of], return_inverse=True)[1]
    size = len(declared)
    site = block["atom_site"]
    make = type(site)
    site["label_seq_id"] = np.array(positions)[numbers]
    site["label_entity_id"] = np.full(len(of), "1")
    tables = {
        "entity": {"id": ["1"], "type": ["polymer"]},
        "entity_poly_seq": {
            "entity_id": ["1"] * size,
            "num": [*range(1, size + 1)],
            "mon_id": declared,
        },
        "struct_asym": {"id": ["A"], "entity_id": ["1"]},
        "pdbx_poly_seq_scheme": {
            "asym_id": ["A"] * size,
            "seq_id": [*range(1, size + 1)],
            "mon_id": declared,
        },
    }
    for name, table in tables.items():
        if name not in leave.split():
            block[name] = make({key: np.array(column) for key, column in table.items()})
    content.write(file)
    return file


def placed(path: Path) -> list[int]:
    return read_structure(path).sequence_place.tolist()


def test_records_of_pdb_files(tmp_path: Path) -> None:
    found = read_structure(pdb(tmp_path, seqres(DECLARED), atoms(SEEN)))
    assert found.chain_sequence == (LETTERS,)
    assert found.sequence_place.tolist() == SEEN
    entry = entry_from_structure(found)
    assert entry.chain_sequence == ("gSMAagAwS",)
    assert entry.sequences == ("SMAAS",)


@pytest.mark.parametrize("ending", ["cif", "bcif"])
@pytest.mark.parametrize(
    "leave",
    ["", "pdbx_poly_seq_scheme", "struct_asym", "entity_poly_seq", "struct_asym entity_poly_seq"],
)
def test_categories_of_mmcif(tmp_path: Path, ending: str, leave: str) -> None:
    file = cif(tmp_path, atoms(SEEN), DECLARED, [place + 1 for place in SEEN], ending, leave)
    found = read_structure(file)
    assert found.chain_sequence == (LETTERS,)
    assert found.sequence_place.tolist() == SEEN


def test_places_are_those_of_gemmi(tmp_path: Path) -> None:
    """Where there is one way only; else its alignment takes one of them (4 for 6 in `SEEN`)."""
    file = pdb(tmp_path, seqres(DECLARED), atoms([1, 2, 3, 5, 8]))
    theirs = gemmi.read_structure(str(file))
    theirs.setup_entities()
    theirs.assign_label_seq_id()
    assert [each.label_seq - 1 for each in theirs[0]["A"]] == placed(file)


@pytest.mark.parametrize(
    ("names", "size"),
    [
        ([], None),
        (DECLARED[:7], None),  # shorter than what is seen
        (DECLARED[2:], None),  # begins too late
        ([*DECLARED[:3], "SER", *DECLARED[4:]], None),  # another residue than the seen one
        ([*DECLARED[:3], "UNK", *DECLARED[4:]], None),
        ([*DECLARED[:3], "TRP", *DECLARED[3:]], None),  # one between two that are bonded
        (DECLARED[::-1], None),
        (DECLARED, 12),  # a record is lost
    ],
)
def test_whatever_differs_places_nothing(
    tmp_path: Path, names: list[str], size: int | None
) -> None:
    file = pdb(tmp_path, seqres(names, size=size), atoms(SEEN))
    assert placed(file) == [-1] * len(SEEN)
    assert entry_from_structure(read_structure(file)).chain_sequence == ("",)


@pytest.mark.parametrize(
    "positions",
    [
        [1, 2, 3, 6, 8],  # counted from 0
        [2, 3, 4, 7, 10],  # beyond the end
        [2, 3, 4, 5, 9],  # the fifth is an ALA too, but the sixth
        [3, 2, 4, 7, 9],
        [2, 3, 4, 4, 9],
    ],
)
def test_positions_of_mmcif_that_are_no_places(tmp_path: Path, positions: list[int]) -> None:
    expected = [-1] * 5
    if positions == [2, 3, 4, 5, 9]:
        expected = [1, 2, 3, 4, 8]  # what the file says, and every residue agrees
    assert placed(cif(tmp_path, atoms(SEEN), DECLARED, positions)) == expected


def test_the_author_s_numbers_tell_repeats_apart(tmp_path: Path) -> None:
    """GGGGGG fits a run of two glycines in five ways."""
    names = [*["GLY"] * 6, "SER", "ALA"]
    file = pdb(tmp_path, seqres(names), atoms([3, 4, 7], names))
    assert placed(file) == [3, 4, 7]
    shifted = [replace(atom, number=atom.number + 50) for atom in atoms([3, 4, 7], names)]
    assert placed(pdb(tmp_path, seqres(names), shifted)) == [3, 4, 7]
    # without the alanine, nothing tells which glycines these are
    assert placed(pdb(tmp_path, seqres(names), atoms([3, 4], names))) == [-1, -1]
    # numbers that do not grow over the gap, or jump elsewhere, do not tell how long it is
    for numbers in ({4: 4, 5: 5, 8: 6}, {4: 4, 5: 15, 8: 18}):
        other = [replace(a, number=numbers[a.number]) for a in atoms([3, 4, 7], names)]
        assert placed(pdb(tmp_path, seqres(names), other)) == [-1, -1, -1]


def test_two_residues_at_one_place_of_the_sequence(tmp_path: Path) -> None:
    """Microheterogeneity: the first one that is declared counts, another is no agreement."""
    file = cif(tmp_path, atoms(SEEN), DECLARED, [place + 1 for place in SEEN])
    text = file.read_text()
    for first, second, expected in (("MSE", "ALA", SEEN), ("ALA", "MSE", [-1] * 5)):
        both = pdbx.CIFFile.read(file)
        rows = [(n, name) for n, name in enumerate(DECLARED, start=1) if n != 3]
        rows = [*rows[:2], (3, first), (3, second), *rows[2:]]
        number, name = zip(*rows, strict=True)
        for category, owner, place in (
            ("entity_poly_seq", "entity_id", "num"),
            ("pdbx_poly_seq_scheme", "asym_id", "seq_id"),
        ):
            key = both.block[category][owner].as_array()[0]
            both.block[category] = pdbx.CIFCategory(
                {owner: np.full(10, key), place: np.array(number), "mon_id": np.array(name)}
            )
        both.write(file)
        assert placed(file) == expected
        file.write_text(text)


def test_chains_of_one_entity_and_copies_of_a_chain(tmp_path: Path) -> None:
    first = atoms(SEEN)
    second = [
        replace(a, chain="B", place=(a.place[0], a.place[1] + 40.0, 0.0)) for a in atoms([0, 1])
    ]
    head = seqres(DECLARED) + seqres(DECLARED, "B")
    found = read_structure(pdb(tmp_path, head, [*first, *second]))
    assert found.chain_sequence == (LETTERS, LETTERS)
    assert found.sequence_place.tolist() == [*SEEN, 0, 1]
    # an assembly whose models repeat the id
    body = "".join(
        f"MODEL     {model:4d}\n"
        + "".join(
            f"{replace(a, place=(a.place[0], a.place[1] + 40.0 * model, 0.0)).line()}\n"
            for a in first
        )
        + "ENDMDL\n"
        for model in (1, 2)
    )
    (tmp_path / "a.pdb1").write_text(seqres(DECLARED) + body + "END\n")
    copies = read_structure(tmp_path / "a.pdb1")
    assert copies.chain_id == ("A", "A-2")
    assert copies.chain_sequence == (LETTERS, LETTERS)
    assert copies.sequence_place.tolist() == [*SEEN, *SEEN]


@pytest.mark.parametrize("ending", ["pdb", "cif"])
def test_structures_of_gemmi_have_them_too(tmp_path: Path, ending: str) -> None:
    if ending == "pdb":
        file = pdb(tmp_path, seqres(DECLARED), atoms(SEEN))
    else:
        file = cif(tmp_path, atoms(SEEN), DECLARED, [place + 1 for place in SEEN])
    found = structure_from(gemmi.read_structure(str(file)))
    assert found.chain_sequence == (LETTERS,)
    assert found.sequence_place.tolist() == SEEN


def test_a_category_that_cannot_be_decoded_tells_no_sequence(tmp_path: Path) -> None:
    file = cif(tmp_path, atoms(SEEN), DECLARED, [place + 1 for place in SEEN], "bcif")
    data = msgpack.unpackb(file.read_bytes())
    for category in data["dataBlocks"][0]["categories"]:
        if category["name"] in ("_entity_poly_seq", "_pdbx_poly_seq_scheme"):
            category["columns"][1]["data"]["encoding"] = [{"kind": "Later"}]
    file.write_bytes(msgpack.packb(data))
    found = read_structure(file)
    assert found.chain_sequence == ("",)
    assert found.sequence_place.tolist() == [-1] * 5


def test_ions_have_no_place(tmp_path: Path) -> None:
    zinc = Atom("ZN", "ZN", "A", 90, (9.0, 9.0, 9.0), "ZN", hetero=True)
    file = pdb(tmp_path, seqres(DECLARED), [*atoms(SEEN), zinc])
    found = read_structure(file, keep_hetero=True)
    assert found.sequence_place.tolist() == [*SEEN, -1]
    assert entry_from_structure(found).chain_sequence == ("gSMAagAwS",)


def test_a_decoded_category_is_bounded_too(tmp_path: Path) -> None:
    file = cif(tmp_path, peptide(["ALA", "GLY"]), ["ALA", "GLY"], [1, 2], "bcif")
    content = file.read_bytes()
    data = msgpack.unpackb(content)
    for category in data["dataBlocks"][0]["categories"]:
        if category["name"] == "_entity_poly_seq":
            category["rowCount"] = 10**9
    file.write_bytes(msgpack.packb(data))
    with pytest.raises(StructureError, match="1,000,000,000 atoms or more"):
        read_structure(file)


@needs_shared
def test_real_files_agree_with_gemmi() -> None:
    """Every chain of the sample that has a sequence; gemmi aligns those of PDB files."""
    assert SAMPLE is not None
    looked_at = 0
    files = sorted(SAMPLE.glob("refined-set/[12]*/*_protein.pdb"))[:12]
    for file in [*files, *SAMPLE.glob("hard_cases/[367]*.cif")]:
        found = read_structure(file)
        theirs = gemmi.read_structure(str(file))
        theirs.setup_entities()
        theirs.assign_label_seq_id()
        for number, name in enumerate(found.chain_id):
            rows = (found.residue_chain == number) & found.is_polymer
            if not found.chain_sequence[number] or not rows.any():
                continue
            residues = {(r.seqid.num, r.seqid.icode.strip()): r for r in theirs[0][name]}
            places = zip(found.residue_number[rows], found.insertion_code[rows], strict=True)
            want = [residues[int(at), code].label_seq - 1 for at, code in places]
            assert found.sequence_place[rows].tolist() == want
            looked_at += 1
    assert looked_at > 5
