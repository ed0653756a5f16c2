"""A chain that is named after the wrong protein is reported by the build and by the checker."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from biotite.structure.io.pdbx import (
    BinaryCIFBlock,
    BinaryCIFCategory,
    BinaryCIFColumn,
    BinaryCIFFile,
)

from hemenet_lab.cli import hemenet
from hemenet_lab.protein_mt.build import build_store
from hemenet_lab.protein_mt.raw.entry import UNPLACED
from hemenet_lab.protein_mt.raw.header import agreement, read_header
from hemenet_lab.protein_mt.splits import cluster_items, unlike_chains
from hemenet_lab.protein_mt.splits.clusters import Item
from hemenet_lab.protein_mt.verify import Check, verify_store
from hemenet_lab.store import Store, StoreError
from tests.protein_mt.raw_folder import THREE, mutated, pdb_text, sequence
from tests.protein_mt.verify.planted import edit, faults, put

RECEPTOR, HORMONE = sequence(1, 120), sequence(2, 110)
ALIKE, SEQRES = "chains of one UniProt id have a segment in common", "residues are those of SEQRES"
BY_BIOPYTHON = "residues are those of SEQRES, which Biopython reads"
CAPITALS = "residues are the capital letters of full sequences"
FULL = "full sequences are SEQRES, which Biopython reads"


def seqres(chain: str, text: str) -> str:
    rows = [text[start : start + 13] for start in range(0, len(text), 13)]
    return "".join(
        f"SEQRES {number:3d} {chain} {len(text):4d}  {' '.join(THREE[one] for one in row):<51}\n"
        for number, row in enumerate(rows, start=1)
    )


def without(text: str, numbers: range) -> str:
    """A file without the residues of these numbers."""
    lines = [line for line in text.splitlines(keepends=True) if line.startswith("ATOM")]
    return "".join(line for line in lines if int(line[22:26]) not in numbers)


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Chains of a receptor, of which 1ERN-A holds the hormone; 4ABC-A has another SEQRES."""
    folder = tmp_path_factory.mktemp("raw")
    chains = {
        "1EER-A": pdb_text({"A": RECEPTOR}),
        "2EER-A": pdb_text({"A": mutated(RECEPTOR, 4)}),
        "3EER-A": seqres("A", RECEPTOR) + without(pdb_text({"A": RECEPTOR}), range(51, 76)),
        "1ERN-A": pdb_text({"A": HORMONE}),
        "1BUY-A": pdb_text({"A": mutated(HORMONE, 3)}),
        "4ABC-A": seqres("A", sequence(3)) + pdb_text({"A": sequence(4)}),
        "5ABC-A": pdb_text({"A": sequence(5)}),
    }
    place = folder / "EnzymeCommission" / "all"
    place.mkdir(parents=True)
    for name, text in chains.items():
        (place / f"{name}.pdb").write_text(text)
    rows = "".join(f"{name}\t1.1.1.1\n" for name in chains)
    (folder / "EnzymeCommission" / "nrPDB-EC_2020.04_annot.tsv").write_text(
        f"### EC-numbers\n1.1.1.1\t1.1.1.2\n### PDB-chain\tEC-numbers\n{rows}"
    )
    ids = {"1BUY-A": "P01588", "4ABC-A": "P4", "5ABC-A": "P5"}
    rows = "".join(f"{name[:4].lower()},A,{ids.get(name, 'P19235')}\n" for name in chains)
    (folder / "sifts").mkdir()
    (folder / "sifts" / "pdb_chain_uniprot.csv").write_text(f"PDB,CHAIN,SP_PRIMARY\n{rows}")
    return folder


@pytest.fixture(scope="module")
def store(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(build_store(raw, tmp_path_factory.mktemp("store")).path)


def checked(store: Store, raw: Path | None = None) -> dict[str, Check]:
    return {found.name: found for found in verify_store(store.path, raw)}


def test_the_wrong_partner_is_in_the_manifest(store: Store) -> None:
    found = store.manifest["doubts"]["uniprot"]
    assert found["compared"] == 1
    [row] = found["pairs"]
    assert (row["uniprot"], row["id"], row["chain"], row["chains"]) == ("P19235", "1ERN-A", "A", 1)
    assert row["other_id"] in ("1EER-A", "2EER-A", "3EER-A")
    assert row["identity"] < 0.9 or row["aligned"] < 30


def test_inspect_prints_the_pair(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert hemenet(["data", "inspect", str(store.path)]) == 0
    text = capsys.readouterr().out
    assert "chains apart from others of their UniProt id (1 ids)" in text
    assert any(line.startswith("P19235   1ERN-A A") for line in text.splitlines())
    assert "4ABC-A  residues are not those of the sequence (SEQRES): chain A" in text
    assert "residues are not those of the sequence (SEQRES)" in store.manifest["counts"]["notes"]


def test_verify_finds_it_by_another_method(store: Store, raw: Path) -> None:
    found = checked(store, raw)
    assert not any(check.faults for check in found.values())
    [doubt] = found[ALIKE].doubts
    assert doubt.startswith("P19235: 1ERN-A chain A and ")
    assert " have 0 of " in doubt
    assert [text.partition(":")[0] for text in found[SEQRES].doubts] == ["entry 4ABC-A"]
    assert [text.partition(":")[0] for text in found[BY_BIOPYTHON].doubts] == ["entry 4ABC-A"]
    assert found[BY_BIOPYTHON].looked_at == 2
    assert found[ALIKE].state == "look"


def test_full_sequences_are_kept_where_every_residue_agrees(
    raw: Path, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    """That of 3EER-A: its residues 51 to 75 are missing. 4ABC-A is another protein."""
    full = {entry.id: entry.chain_sequence for entry in map(store.__getitem__, range(len(store)))}
    gap = RECEPTOR[:50] + RECEPTOR[50:75].lower() + RECEPTOR[75:]
    assert full == {name: (gap if name == "3EER-A" else "",) for name in store.ids}
    counts = store.manifest["counts"]
    assert counts["chains_with_sequence"] == 1
    assert counts["notes"][UNPLACED] == 1
    frame = store.to_pandas("chains")
    assert frame["sequence"].tolist() == [text for name in store.ids for text in full[name]]
    assert hemenet(["data", "inspect", str(store.path)]) == 0
    said = {line.rpartition("  ")[0].strip() for line in capsys.readouterr().out.splitlines()}
    assert {UNPLACED, "chains with full sequence (SEQRES)"} <= said
    found = checked(store, raw)
    for name in (CAPITALS, FULL):
        assert (found[name].looked_at, found[name].state) == (1, "ok")


def test_other_full_sequences_are_faults(store: Store, raw: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(store.path, tmp_path / "copy")
    edit(copy, "chain_sequence", put(0, ord("W") if RECEPTOR[0] != "W" else ord("A")))
    assert faults(copy) == {CAPITALS: ("entry 3EER-A: chain A",)}
    (copy / "chain_sequence.npy").write_bytes((store.path / "chain_sequence.npy").read_bytes())
    with pytest.raises(StoreError, match=r"chain_sequence.npy was changed or is damaged"):
        Store(copy)
    edit(copy, "chain_sequence", put(60, ord("w") if RECEPTOR[60] != "W" else ord("a")))
    found = checked(Store(copy), raw)[FULL]
    assert found.doubts == ("entry 3EER-A: chain A: 1 of 120 letters are others in its SEQRES",)
    edit(copy, "chain_sequence", lambda text: np.append(text, np.uint8(ord("w"))))
    edit(copy, "chain_sequence_end", lambda ends: ends + (ends > 0))
    assert list(faults(copy, raw)) == [FULL]


def test_doubts_are_no_faults(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert hemenet(["data", "verify", str(store.path)]) == 0
    assert "checks passed; 2 things to look at" in capsys.readouterr().out


def item(id: str, text: str, *names: str) -> Item:
    return Item(id, ("A",), (text,), (names,), frozenset())


def doubtful(*items: Item) -> list[dict[str, Any]]:
    pairs: list[dict[str, Any]] = unlike_chains(
        items, cluster_items(items, min_seq_id=0.9, coverage=0.3)
    )["pairs"]
    return pairs


def test_one_common_segment_is_enough() -> None:
    """A domain in a long chain and a part of it with the next one: too little for a cluster."""
    domain, rest, other = sequence(11, 40), sequence(12, 360), sequence(13, 360)
    assert doubtful(item("a", rest + domain, "P1"), item("b", domain + other, "P1")) == []
    short = sequence(14, 20)
    [row] = doubtful(item("a", rest + short, "P1"), item("b", short + other, "P1"))
    assert row["aligned"] < 30


def test_fusions_and_peptides_say_nothing() -> None:
    long, peptide = sequence(15, 100), sequence(16, 20)
    assert doubtful(item("a", long, "P1"), item("b", peptide, "P1")) == []
    assert doubtful(item("a", long, "P1"), item("b", sequence(17, 100), "P1", "P2")) == []


def test_agreement_with_a_declared_sequence() -> None:
    text = sequence(18, 60)
    assert agreement(text, text[:20] + text[31:]) == 1.0
    assert agreement(text.replace("A", "X"), text) == 1.0
    assert agreement(text, "XXX") == 1.0
    assert agreement("ACD", text) < 0.3
    changed = text[:30] + ("W" if text[30] != "W" else "A") + text[31:]
    assert 0.9 < agreement(text, changed) < 1.0


def test_sequences_of_headers(tmp_path: Path) -> None:
    pdb = seqres("A", "ACDE") + "SEQRES   1 B    2   DA  DG\n" + seqres("C", "MK") + "ATOM  \n"
    (tmp_path / "x.pdb").write_text(pdb.replace("MET", "MSE"))
    assert read_header(tmp_path / "x.pdb").sequences == {"A": "ACDE", "C": "MK"}
    cif = (
        "data_x\nloop_\n_entity_poly.entity_id\n_entity_poly.type\n"
        "_entity_poly.pdbx_seq_one_letter_code_can\n_entity_poly.pdbx_strand_id\n"
        "1 'polypeptide(L)'\n;ACD\nEUF\n;\nA,B\n2 polydeoxyribonucleotide AGA C\n"
        "loop_\n_atom_site.group_PDB\n_atom_site.id\nATOM 1\n"
    )
    (tmp_path / "x.cif").write_text(cif)
    assert read_header(tmp_path / "x.cif").sequences == {"A": "ACDEXF", "B": "ACDEXF"}


def test_sequences_of_binary_cif(tmp_path: Path) -> None:
    columns = {
        "type": ["polypeptide(L)"],
        "pdbx_seq_one_letter_code_can": ["ACDE"],
        "pdbx_strand_id": ["A, B"],
    }
    file = BinaryCIFFile()
    file["x"] = BinaryCIFBlock(
        {
            "entity_poly": BinaryCIFCategory(
                {name: BinaryCIFColumn(np.array(cells)) for name, cells in columns.items()}
            )
        }
    )
    file.write(str(tmp_path / "x.bcif"))
    assert read_header(tmp_path / "x.bcif").sequences == {"A": "ACDE", "B": "ACDE"}
