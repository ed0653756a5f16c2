"""The real sample, end to end: every structure stored or dropped, every label where it belongs."""

from __future__ import annotations

import csv
import gzip
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from hemenet_lab.protein_mt.build.build import build_store
from hemenet_lab.protein_mt.labels.read import read_labels
from hemenet_lab.protein_mt.raw.layout import find_raw
from hemenet_lab.protein_mt.verify import verify_store
from hemenet_lab.store.reader import Store
from tests.protein_mt.reading import read_drops
from tests.shared import SAMPLE, needs_shared

pytestmark = needs_shared


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    assert SAMPLE is not None
    return build_store(SAMPLE, tmp_path_factory.mktemp("sample"), workers=2).path


@pytest.fixture(scope="module")
def store(path: Path) -> Store:
    return Store(path)


@pytest.fixture(scope="module")
def table() -> list[dict[str, str]]:
    assert SAMPLE is not None
    with (SAMPLE / "labels.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_item_is_stored_or_dropped_for_want_of_labels(store: Store, path: Path) -> None:
    assert store.manifest["counts"]["entries"] == {
        "lba": {"found": 34, "stored": 34, "dropped": 0},
        "ppa": {"found": 46, "stored": 46, "dropped": 0},
        "chain": {"found": 54, "stored": 16, "dropped": 38},
        "user": {"found": 0, "stored": 0, "dropped": 0},
    }
    dropped = [row for row in read_drops(path) if row.stage == "entry"]
    assert Counter(row.reason for row in dropped) == {"no label of any task": 38}


def test_labels_are_those_of_the_table(store: Store, table: list[dict[str, str]]) -> None:
    ec = store.tasks[2]
    expected = Counter(row["complex_id"] for row in table if row["EC"])
    assert sum(expected.values()) == 57
    for row in table:
        if row["complex_id"] not in store.ids:
            assert not row["EC"]
            continue
        entry = store[store.index(row["complex_id"])]
        chain = entry.chain_names.index(row["chain"])
        assert entry.chain_uniprot[chain] == row["UniProt"]
        found = entry.terms.get("ec", {}).get(chain, np.array([], np.int32))
        terms = {ec.terms[term] for term in found}
        # the table was made by a union over fusions as well
        assert set(row["EC_annotated"].split(";")) - {""} <= terms <= set(row["EC"].split(";"))
        value = {**entry.values}.get(row["kind"].lower())
        assert value == (float(row["pKd"]) if row["pKd"] else None)
    for index, name in enumerate(store.ids):
        assert len(store[index].terms.get("ec", {})) <= expected[name]


def test_uniprot_ids_with_ec_numbers() -> None:
    """Counted once more without our readers: 15,655 ids are the only one of an annotated chain."""
    assert SAMPLE is not None
    with gzip.open(SAMPLE / "sifts" / "pdb_chain_uniprot.csv.gz", "rt") as file:
        rows = [line.rstrip("\n").split(",") for line in file if not line.startswith("#")]
    ids: dict[tuple[str, str], set[str]] = {}
    for row in rows[1:]:
        ids.setdefault((row[0], row[1]), set()).add(row[2])
    table = SAMPLE / "EnzymeCommission" / "nrPDB-EC_2020.04_annot.tsv"
    names = [line.split("\t")[0] for line in table.read_text().splitlines()[3:]]
    chains = [(name[:4].lower(), name[5:]) for name in names]
    assert (len(chains), sum(chain in ids for chain in chains)) == (19_201, 19_099)
    naive = {name for chain in chains if len(ids.get(chain, ())) == 1 for name in ids[chain]}
    transfer = read_labels(find_raw(SAMPLE)).transfer
    single = {chain: name for chain, (name, *more) in transfer.uniprot.chains.items() if not more}
    assert {name for chain, name in single.items() if transfer.labels(*chain)} == naive
    assert len(naive) == 15_655


def test_the_checker_passes_the_sample(path: Path) -> None:
    assert SAMPLE is not None
    checks = verify_store(path, SAMPLE)
    assert [found for found in checks if found.faults] == []
    done = {found.name for found in checks if found.looked_at}
    assert "ec labels of every chain are those of the table" in done
    assert "DeepFRI's splits are its lists" in done


def test_tasks_without_a_file_have_no_terms(store: Store) -> None:
    assert [task.num_outputs for task in store.tasks] == [1, 1, 538, 0, 0, 0]
    assert not store.labelled[:, 3:].any()
    assert not store.full_label.any()


def test_each_labelled_task_is_held_out(store: Store) -> None:
    """By quotas; the default, which is stable, draws lots over a handful of groups here."""
    counts = store.counts("balanced")
    for part, least in (("train", 20), ("val", 3), ("test", 4)):
        assert all(counts[part][task] >= least for task in ("lba", "ppa", "ec"))
    assert counts["unused"] == dict.fromkeys(("lba", "ppa", "ec", "mf", "bp", "cc"), 0)


def test_nothing_leaks(store: Store) -> None:
    for report in store.manifest["leakage"]["splits"]["default"].values():
        assert report["shared_uniprot"] == report["shared_clusters"] == 0
        assert report["both_covered"]["90"] == report["mostly_covered"]["90"] == 0


def test_partners_and_ligands(store: Store) -> None:
    entity = {name: set(store[n].entity.tolist()) for n, name in enumerate(store.ids)}
    kinds = {name: store[n].kind for n, name in enumerate(store.ids)}
    expected = {"lba": {0, 2}, "ppa": {0, 1}, "chain": {0}}
    assert all(found == expected[kinds[name]] for name, found in entity.items())


def test_one_worker_builds_the_same_bytes(path: Path, tmp_path: Path) -> None:
    assert SAMPLE is not None
    other = build_store(SAMPLE, tmp_path / "out", workers=1).path
    names = sorted(file.name for file in path.iterdir())
    assert sorted(file.name for file in other.iterdir()) == names
    for name in names:
        assert (other / name).read_bytes() == (path / name).read_bytes()
