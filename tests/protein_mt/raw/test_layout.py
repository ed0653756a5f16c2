"""What is found in a raw folder, and one chain of a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from hemenet_lab.protein_mt.raw.entry import ChainNotFound, select_chain
from hemenet_lab.protein_mt.raw.layout import find_raw, structure_stem
from hemenet_lab.structures import read_structure
from tests.protein_mt.raw_folder import pdb_text, write_raw
from tests.shared import SAMPLE, needs_shared


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_names_of_structure_files() -> None:
    assert structure_stem("1abc.ent.pdb") == "1abc"
    assert structure_stem("1ABC-A.cif.gz") == "1ABC-A"
    assert structure_stem("1abc.bcif") == "1abc"
    assert structure_stem("1abc_ligand.sdf") is None


def test_all_layouts(tmp_path: Path) -> None:
    raw = find_raw(write_raw(tmp_path))
    ids = {kind: [s.id for s in raw.sources if s.kind == kind] for kind in ("lba", "ppa", "chain")}
    # one code is there as both kinds of complex
    assert ids["lba"] == ["1aab", "1aac", "1aad", "1aae", "1aaf", "1aag", "1aah", "lba_1aaa"]
    assert ids["ppa"] == [*(f"2aa{code}" for code in "abcdef"), "ppa_1aaa"]
    assert ids["chain"] == [f"3AA{code}-A" for code in "ABCDEFGH"]
    assert [source.id for source in raw.sources] == sorted(s.id for s in raw.sources)
    found = {source.id: source for source in raw.sources}
    assert found["lba_1aaa"].code == found["ppa_1aaa"].code == "1aaa"
    assert [path.name for path in found["1aab"].ligands] == ["1aab_ligand.sdf", "1aab_ligand.mol2"]
    assert found["1aah"].ligands == ()
    assert [raw.name(p) for p in found["3AAC-A"].others] == ["GeneOntology/all/3AAC-A.pdb"]
    assert raw.name(found["3AAC-A"].structure) == "EnzymeCommission/all/3AAC-A.pdb"
    assert (found["3AAC-A"].code, found["3AAC-A"].chain) == ("3aac", "A")
    files = {kind: [raw.name(path) for path in paths] for kind, paths in raw.affinities.items()}
    assert files == {
        "lba": ["index/INDEX_general_PL_data.2020"],
        "ppa": ["pp_affinity.csv", "index/INDEX_general_PP.2020"],
    }
    assert [raw.name(path) for path in raw.unused] == ["index/INDEX_general_PL_data.2016"]
    assert not raw.synthetic


def test_folders_of_other_releases(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "refined-set/1abc/1abc_protein.pdb",
        "refined-set/index/INDEX_general_PL.2021",
        "v2020-other-PL/1abc/1abc_protein.pdb",
        "v2020-other-PL/2abc/2abc_protein.pdb",
        "P-L/1981-2000/3abc/3abc_protein.cif.gz",
        "PP/4abc.ent.pdb",
        "P-P/2001-2010/5abc.cif",
        "hard_cases/6abc/6abc_protein.pdb",
        "GeneOntology/all/6SLH-AAA.bcif.gz",
        "GeneOntology/all/notes.pdb",
        "SYNTHETIC",
    )
    raw = find_raw(tmp_path)
    assert [source.id for source in raw.sources] == [
        *(f"{number}abc" for number in range(1, 6)),
        "6SLH-AAA",
    ]
    first = raw.sources[0]
    assert raw.name(first.structure) == "refined-set/1abc/1abc_protein.pdb"
    assert [raw.name(p) for p in first.others] == ["v2020-other-PL/1abc/1abc_protein.pdb"]
    assert [raw.name(p) for p in raw.affinities["lba"]] == [
        "refined-set/index/INDEX_general_PL.2021"
    ]
    assert raw.affinities["ppa"] == ()
    assert raw.synthetic


def test_folders_without_structures_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="does not exist"):
        find_raw(tmp_path / "nowhere")
    touch(tmp_path, "pp_affinity.csv")
    with pytest.raises(ValueError, match="holds no structures; expected for example refined-set"):
        find_raw(tmp_path)


def test_one_chain_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "x.pdb"
    path.write_text(pdb_text({"A": "ACDEF", "B": "GHIK", "C": "LMN"}), encoding="utf-8")
    structure = read_structure(path)
    found = select_chain(structure, "B")
    assert (found.chain_id, found.num_chains, found.num_residues) == (("B",), 1, 4)
    assert found.residue_name.tolist() == ["GLY", "HIS", "ILE", "LYS"]
    assert found.atom_residue.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert found.num_atoms == 8
    assert found.coords.tolist() == structure.coords[10:18].tolist()
    assert [(drop.kind, drop.count) for drop in found.drops] == [("other chain", 16)]
    with pytest.raises(ChainNotFound, match=r"chain 'D' is not among .* are 'A', 'B', 'C'; is it"):
        select_chain(structure, "D")


def test_single_chain_takes_the_name_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "6SLH-AAA.pdb"
    path.write_text(pdb_text({"A": "ACDEF"}), encoding="utf-8")
    found = select_chain(read_structure(path), "AAA")
    assert found.chain_id == ("AAA",)
    assert found.drops == ()
    # in the file of a whole entry a chain has its author id, or is not there
    with pytest.raises(ChainNotFound, match=r"chain 'AAA' is not among .* author ids are 'A'"):
        select_chain(read_structure(path), "AAA", by_author_id=True)


@needs_shared
def test_sample_folder() -> None:
    assert SAMPLE is not None
    raw = find_raw(SAMPLE)
    kinds = [source.kind for source in raw.sources]
    assert [kinds.count(kind) for kind in ("lba", "ppa", "chain")] == [34, 46, 54]
    assert raw.go is None
    assert [raw.name(path) for path in raw.label_files] == [
        "index/INDEX_general_PL_data.2020",
        "pp_affinity.csv",
        "index/INDEX_general_PP.2020",
        "EnzymeCommission/nrPDB-EC_2020.04_annot.tsv",
        "sifts/pdb_chain_uniprot.csv.gz",
    ]
