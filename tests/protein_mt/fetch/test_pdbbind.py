"""PDBbind's archives in both layouts, whole and with parts missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from hemenet_lab.protein_mt.fetch.pdbbind import find_pdbbind, take_pdbbind
from hemenet_lab.protein_mt.fetch.report import Record
from hemenet_lab.protein_mt.raw.layout import find_raw

LIGANDS = "# v\n1abc  2.0  2001  6.00  Kd=1uM  // (LIG)\n2abc  2.0  2001  6.00  Kd=1uM  // (LIG)\n"
PAIRS = "# v\n3abc  2.0  2001  Kd=1uM  // 3abc.ent.pdb (A|B)\n"


def put(path: Path, text: str = "END\n") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def put_complex(folder: Path, code: str) -> None:
    for name in ("protein.pdb", "pocket.pdb", "ligand.sdf", "ligand.mol2"):
        put(folder / code / f"{code}_{name}")


def layout_2020(root: Path) -> Path:
    put_complex(root / "refined-set", "1abc")
    put_complex(root / "v2020-other-PL", "2abc")
    put(root / "refined-set" / "index" / "INDEX_general_PL_data.2020", LIGANDS)
    put(root / "refined-set" / "readme" / "PDBbind_intro.txt")
    put(root / "PP" / "3abc.ent.pdb")
    put(root / "index" / "INDEX_general_PP.2020", PAIRS)
    return root


def layout_later(root: Path) -> Path:
    put_complex(root / "P-L" / "1981-2000", "1abc")
    put_complex(root / "P-L" / "2001-2010", "2abc")
    put(root / "P-P" / "P-P" / "3abc_complex.pdb")
    put(root / "index" / "INDEX_general_PL.2020R1.lst", LIGANDS)
    put(root / "index" / "INDEX_general_PP.2020R1.lst", PAIRS)
    return root


def take(root: Path, raw: Path, ligand_set: str = "refined", copy: bool = False) -> list[Record]:
    return take_pdbbind(find_pdbbind(root), raw, ligand_set, copy=copy)


def lacks(records: list[Record]) -> dict[str, str]:
    return {record.item: record.note for record in records if not record.is_here}


def test_refined_set_of_2020(tmp_path: Path) -> None:
    records = take(layout_2020(tmp_path / "pdbbind"), tmp_path / "raw")
    assert not lacks(records)
    raw = find_raw(tmp_path / "raw")
    assert [(s.id, s.kind) for s in raw.sources] == [("1abc", "lba"), ("3abc", "ppa")]
    assert [path.name for path in raw.sources[0].ligands] == ["1abc_ligand.sdf", "1abc_ligand.mol2"]
    assert [path.name for path in raw.affinities["lba"]] == ["INDEX_general_PL_data.2020"]
    assert [path.name for path in raw.affinities["ppa"]] == ["INDEX_general_PP.2020"]
    assert raw.sources[0].structure.is_symlink()
    assert not (tmp_path / "raw" / "refined-set" / "1abc" / "1abc_pocket.pdb").exists()


def test_general_set_of_2020(tmp_path: Path) -> None:
    take(layout_2020(tmp_path / "pdbbind"), tmp_path / "raw", "general", copy=True)
    raw = find_raw(tmp_path / "raw")
    assert [source.id for source in raw.sources] == ["1abc", "2abc", "3abc"]
    assert not raw.sources[0].structure.is_symlink()


def test_taking_again_changes_nothing(tmp_path: Path) -> None:
    root = layout_2020(tmp_path / "pdbbind")
    for copy in (False, True):
        first = take(root, tmp_path / "raw", copy=copy)
        assert take(root, tmp_path / "raw", copy=copy) == first


def test_other_files_in_the_way(tmp_path: Path) -> None:
    put(tmp_path / "raw" / "PP" / "3abc.pdb", "another file\n")
    with pytest.raises(ValueError, match=r"3abc.pdb is there already and is not"):
        take(layout_2020(tmp_path / "pdbbind"), tmp_path / "raw")


def test_later_layout(tmp_path: Path) -> None:
    records = take(layout_later(tmp_path / "pdbbind"), tmp_path / "raw", "general")
    assert not lacks(records)
    raw = find_raw(tmp_path / "raw")
    assert [(s.id, s.kind) for s in raw.sources] == [
        ("1abc", "lba"),
        ("2abc", "lba"),
        ("3abc", "ppa"),
    ]
    assert raw.affinities["lba"][0].name == "INDEX_general_PL.2020R1.lst"


def test_later_layout_does_not_say_what_is_refined(tmp_path: Path) -> None:
    root = layout_later(tmp_path / "pdbbind")
    missing = lacks(take(root, tmp_path / "raw"))
    assert [*missing] == ["list of the refined set"]
    assert "PDBbind_v2020_plain_text_index.tar.gz" in missing["list of the refined set"]
    assert "or choose --ligand-set general" in missing["list of the refined set"]
    put(root / "index" / "INDEX_refined_data.2020", LIGANDS.replace("2abc", "9abc"))
    missing = lacks(take(root, tmp_path / "raw"))
    assert missing == {"9abc": "no folder of this complex"}
    assert [s.id for s in find_raw(tmp_path / "raw").sources] == ["1abc", "3abc"]


def test_nothing_there(tmp_path: Path) -> None:
    (tmp_path / "pdbbind").mkdir()
    missing = lacks(take(tmp_path / "pdbbind", tmp_path / "raw"))
    assert [*missing] == ["refined set", "PP", "INDEX_general_PL_data.*", "INDEX_general_PP.*"]
    assert "PDBbind_v2020_refined.tar.gz, after registering at http" in missing["refined set"]
    assert missing["PP"].endswith(f"unpack it into {tmp_path / 'pdbbind'}")


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"the PDBbind folder .* does not exist"):
        find_pdbbind(tmp_path / "pdbbind")


def test_only_the_refined_set_where_all_is_asked_for(tmp_path: Path) -> None:
    put_complex(tmp_path / "pdbbind" / "refined-set", "1abc")
    missing = lacks(take(tmp_path / "pdbbind", tmp_path / "raw", "general"))
    assert "PDBbind_v2020_other_PL.tar.gz" in missing["general set"]


def test_incomplete_complexes(tmp_path: Path) -> None:
    root = layout_2020(tmp_path / "pdbbind")
    put_complex(root / "refined-set", "4abc")
    put_complex(root / "refined-set", "5abc")
    for kind in ("sdf", "mol2"):
        (root / "refined-set" / "4abc" / f"4abc_ligand.{kind}").unlink()
    put(root / "refined-set" / "5abc" / "5abc_protein.pdb", "")
    put(root / "PP" / "6abc.ent.pdb", "")
    put(root / "index" / "INDEX_general_PP.2020", PAIRS + PAIRS[4:].replace("3abc", "7abc"))
    missing = lacks(take(root, tmp_path / "raw"))
    assert [*missing] == ["4abc", "5abc", "6abc", "7abc"]
    assert "no protein or no ligand file" in missing["4abc"]
    assert "5abc_protein.pdb empty; unpack the archive again" in missing["5abc"]
    assert "in the index, but without a file" in missing["7abc"]


def test_index_of_another_release(tmp_path: Path) -> None:
    root = layout_2020(tmp_path / "pdbbind")
    put(root / "index" / "INDEX_general_PP.2020", PAIRS.replace("3abc", "8abc"))
    index = root / "refined-set" / "index" / "INDEX_general_PL_data.2020"
    put(index, LIGANDS.replace("1abc", "8abc"))
    missing = lacks(take(root, tmp_path / "raw"))
    assert "names none of the ligands" in missing["INDEX_general_PL_data.2020"]
    assert "8abc" in missing
