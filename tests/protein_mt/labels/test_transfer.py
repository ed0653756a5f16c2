"""SIFTS tables and label transfer by UniProt id, by hand and against the sample's own table."""

from __future__ import annotations

import csv
import gzip
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hemenet_lab.protein_mt.labels.deepfri import FunctionTable, read_ec
from hemenet_lab.protein_mt.labels.sifts import UniprotMap, read_sifts
from hemenet_lab.protein_mt.labels.transfer import LabelOrigin, LabelTransfer, is_full_label
from hemenet_lab.protein_mt.raw import split_chain_name
from hemenet_lab.store.entry import Entry
from hemenet_lab.tasks import BP, CC, EC, LBA, MF, PROTEIN_MT
from tests.shared import SAMPLE, needs_shared

EC_TABLE = FunctionTable(
    (EC.with_terms("abcd"),),
    {"1AAA-A": {"ec": (0,)}, "1BBB-B": {"ec": (1,)}, "1CCC-A": {"ec": (2,)}, "1DDD-A": {}},
    4,
)
GO_TABLE = FunctionTable(
    (MF.with_terms("mn"), BP.with_terms("b"), CC.with_terms("c")),
    {"1AAA-A": {"mf": (0,)}, "1EEE-A": {"mf": (1,), "bp": (0,), "cc": (0,)}},
    2,
)
UNIPROT = UniprotMap(
    {
        ("1aaa", "A"): ("P1",),
        ("1bbb", "B"): ("P1", "P2"),
        ("1eee", "A"): ("P1",),
        ("9xyz", "A"): ("P1",),
        ("9xyz", "B"): ("P2",),
        ("9xyz", "C"): ("P9",),
    }
)


def entry(chains: str, **fields: Any) -> Entry:
    """An entry with one residue per chain."""
    n = len(chains)
    arrays: dict[str, Any] = {
        "node_type": np.zeros(n, np.int8),
        "entity": np.zeros(n, np.int8),
        "node_chain": np.arange(n, dtype=np.int16),
        "sequence_index": np.zeros(n, np.int32),
        "residue_number": np.ones(n, np.int32),
        "insertion_code": np.zeros(n, np.uint8),
        "node_atoms": np.ones(n, np.uint8),
        "coords": np.zeros((n, 3), np.float32),
        "atom_element": np.ones(n, np.int8),
        "atom_slot": np.ones(n, np.int8),
    }
    return replace(Entry("9xyz", "lba", **arrays, chain_names=tuple(chains)), **fields)


def labels(pdb: str, chain: str) -> dict[str, list[int]]:
    found = LabelTransfer([EC_TABLE, GO_TABLE], UNIPROT).labels(pdb, chain)
    return {task: terms.tolist() for task, terms in found.items()}


def test_union_over_chains_with_the_same_uniprot_id() -> None:
    # P1 is the only id of 1AAA-A (EC a, MF m) and 1EEE-A (MF n, BP, CC); 1BBB-B is a fusion
    everything = {"ec": [0], "mf": [0, 1], "bp": [0], "cc": [0]}
    assert labels("9xyz", "A") == everything
    assert labels("1aaa", "A") == everything
    # GO to EC: 1EEE-A is in the GO table only; EC to GO: 1AAA-A is
    assert labels("1EEE", "A") == everything
    # the fusion has what is known of its parts, and its own EC b
    assert labels("1bbb", "B") == {**everything, "ec": [0, 1]}
    # P2 is only in the fusion: nothing is known of it
    assert labels("9xyz", "B") == {}


def test_source_says_to_which_id_of_a_fusion_a_label_belongs() -> None:
    table = replace(
        EC_TABLE,
        parts={"1BBB-B": {"P2": {"ec": (1,)}}, "1CCC-A": {"": {"ec": (2,)}, "P2": {"ec": (3,)}}},
    )
    transfer = LabelTransfer([table], UNIPROT)
    assert transfer.labels("9xyz", "B")["ec"].tolist() == [1, 3]
    assert transfer.labels("9xyz", "A")["ec"].tolist() == [0]
    # what no id is named for stays with a chain of no known id
    assert transfer.labels("1ccc", "A")["ec"].tolist() == [2]


def test_maltose_binding_protein_gets_no_enzyme_number_from_its_fusions() -> None:
    """1EZ9-A has the id P0AEX9 alone; enzymes fused to it are no reason to label it."""
    fused = {f"{n}AAA-A": {"ec": (n,)} for n in range(1, 4)}
    ids = {(f"{n}aaa", "A"): ("P0AEX9", f"P{n}") for n in range(1, 4)}
    table = FunctionTable((EC.with_terms("abcd"),), fused, 3)
    transfer = LabelTransfer([table], UniprotMap({**ids, ("1ez9", "A"): ("P0AEX9",)}))
    assert transfer.labels("1ez9", "A") == {}
    assert transfer.labels("2aaa", "A")["ec"].tolist() == [2]


def test_every_label_knows_its_source() -> None:
    transfer = LabelTransfer([EC_TABLE, GO_TABLE], UNIPROT)
    assert transfer.origins("1BBB", "B") == [
        LabelOrigin("bp", 0, "1EEE-A", "uniprot P1"),
        LabelOrigin("cc", 0, "1EEE-A", "uniprot P1"),
        LabelOrigin("ec", 0, "1AAA-A", "uniprot P1"),
        LabelOrigin("ec", 1, "1BBB-B", "own"),
        LabelOrigin("mf", 0, "1AAA-A", "uniprot P1"),
        LabelOrigin("mf", 1, "1EEE-A", "uniprot P1"),
    ]
    alone = LabelTransfer([EC_TABLE, GO_TABLE], UNIPROT, share=False)
    assert alone.origins("1bbb", "B") == [LabelOrigin("ec", 1, "1BBB-B", "own")]


def test_own_annotation_counts_without_a_uniprot_id() -> None:
    assert labels("1ccc", "A") == {"ec": [2]}
    assert labels("1ddd", "A") == {}
    assert labels("9xyz", "C") == {}
    # chain ids tell upper from lower case
    assert labels("9xyz", "a") == {}


def test_complex_gets_the_labels_of_each_chain() -> None:
    transfer = LabelTransfer([EC_TABLE, GO_TABLE], UNIPROT)
    found = transfer.apply(entry("ABCD"), "9XYZ")
    assert found.chain_uniprot == ("P1", "P2", "P9", "")
    assert {task: sorted(chains) for task, chains in found.terms.items()} == {
        "ec": [0],
        "mf": [0],
        "bp": [0],
        "cc": [0],
    }
    assert found.terms["ec"][0].tolist() == [0]
    assert found.terms["ec"][0].dtype == np.int32


def test_unreadable_chain_names_are_reported() -> None:
    table = replace(EC_TABLE, chains={"1AAAA": {"ec": (0,)}})
    assert [problem.id for problem in LabelTransfer([table], UNIPROT).problems] == ["1AAAA"]


def test_full_label() -> None:
    transfer = LabelTransfer([EC_TABLE, GO_TABLE], UNIPROT)
    value = {LBA.name: 7.0}
    assert is_full_label(transfer.apply(entry("AX", values=value), "9xyz"), PROTEIN_MT)
    # no affinity; a chain with an id that lacks GO terms; no chain with an id
    assert not is_full_label(transfer.apply(entry("AX"), "9xyz"), PROTEIN_MT)
    assert not is_full_label(transfer.apply(entry("AB", values=value), "9xyz"), PROTEIN_MT)
    assert not is_full_label(transfer.apply(entry("XY", values=value), "9xyz"), PROTEIN_MT)


def test_sifts_table(tmp_path: Path) -> None:
    path = tmp_path / "pdb_chain_uniprot.csv.gz"
    text = (
        "# 2024/01/12 | PDB: 01.24\n"
        "PDB,CHAIN,SP_PRIMARY,RES_BEG,RES_END,PDB_BEG,PDB_END,SP_BEG,SP_END\n"
        "1abc,A,P2,1,10,None,None,1,10\n1abc,A,P1,11,20,11,20,1,10\n1ABC,A,P2,21,30,21,30,11,20\n"
        "1abc,a,P3,None,None,None,None,None,None\n1abc,NA,P4,1,2,1,2,1,2\n1abc,B,None,1,2,1,2,1,2\n"
    )
    path.write_bytes(gzip.compress(text.encode()))
    found = read_sifts(path)
    assert found.ids("1ABC", "A") == ("P1", "P2")
    assert found.ids("1abc", "a") == ("P3",)
    assert found.ids("1abc", "NA") == ("P4",)
    assert found.ids("1abc", "B") == ()
    assert (found.rows, [problem.line for problem in found.problems]) == (6, [8])


def test_other_tables_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "pdb_chain_uniprot.csv"
    path.write_text("PDB,CHAIN,UNIPROT\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"but not \['SP_PRIMARY'\]"):
        read_sifts(path)


def test_cut_gzip_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pdb_chain_uniprot.csv.gz"
    lines = "".join(f"1abc,{n},P{n},,,,,,\n" for n in range(500))
    whole = gzip.compress(f"PDB,CHAIN,SP_PRIMARY\n{lines}".encode())
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="is the file there and whole"):
        read_sifts(path)


@needs_shared
def test_sample_table_of_labels() -> None:
    """UniProt ids and EC numbers of every chain as `labels.csv` of the sample has them.

    That table was made by a union over fusions as well, so it may have more.
    """
    assert SAMPLE is not None
    table = read_ec(SAMPLE / "EnzymeCommission" / "nrPDB-EC_2020.04_annot.tsv")
    uniprot = read_sifts(SAMPLE / "sifts" / "pdb_chain_uniprot.csv.gz")
    assert uniprot.rows == 56_866
    transfer = LabelTransfer([table], uniprot)
    with (SAMPLE / "labels.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 224
    for row in rows:
        pdb = row["complex_id"].partition("-")[0]
        found = transfer.labels(pdb, row["chain"]).get("ec", np.array([], np.int32))
        terms = {table.tasks[0].terms[index] for index in found}
        assert terms <= set(row["EC"].split(";"))
        assert terms >= set(filter(None, row["EC_annotated"].split(";")))
        assert ";".join(uniprot.ids(pdb, row["chain"])) == row["UniProt"]


@needs_shared
def test_further_numbers_of_the_sample() -> None:
    """45 of the table's chains get further numbers; with fusions as sources it were 192."""
    assert SAMPLE is not None
    table = read_ec(SAMPLE / "EnzymeCommission" / "nrPDB-EC_2020.04_annot.tsv")
    uniprot = read_sifts(SAMPLE / "sifts" / "pdb_chain_uniprot.csv.gz")
    transfer = LabelTransfer([table], uniprot)
    further = [
        name
        for name, own in table.chains.items()
        if transfer.labels(*split_chain_name(name))["ec"].tolist() != list(own["ec"])
    ]
    assert len(further) == 45
