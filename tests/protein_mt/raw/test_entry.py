"""Chains from files of whole entries: each file is read once, each chain has its author id."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hemenet_lab.protein_mt.build import build as build_module
from hemenet_lab.protein_mt.build import origin
from hemenet_lab.protein_mt.build.build import build_store
from hemenet_lab.protein_mt.build.origin import source_digests
from hemenet_lab.protein_mt.build.parallel import by_file, read_items, read_jobs
from hemenet_lab.protein_mt.build.resume import load_result, result_file
from hemenet_lab.protein_mt.labels.read import read_labels
from hemenet_lab.protein_mt.raw import entry as read_entry
from hemenet_lab.protein_mt.raw.drops import read_drops
from hemenet_lab.protein_mt.raw.entry import read_source
from hemenet_lab.protein_mt.raw.layout import find_raw, write_chain_list
from hemenet_lab.protein_mt.settings import BuildSettings
from hemenet_lab.store.reader import Store
from hemenet_lab.structures import Structure, read_structure
from tests.protein_mt.cif_files import bcif_gz, cif_gz
from tests.structures.files import Atom, peptide

CHAINS = {"A": 12, "B": 13, "H": 14, "h": 15, "AA": 16}
"""Author chain ids of 6hhq and their lengths; the label ids are others, in another order."""
LABELS = {"A": "C", "B": "A", "H": "D", "h": "B", "AA": "E"}
STORED = ("1ABC-X", *(f"6HHQ-{chain}" for chain in sorted(CHAINS)))
MISSING = ("1ABC-A", "6HHQ-E", "6HHQ-Z")
"""Listed chains that are not there: a label id only, twice; and no id at all."""


def atoms_of(chains: dict[str, int]) -> list[Atom]:
    names = ("ALA", "GLY", "SER")
    found = [
        atom
        for place, (chain, length) in enumerate(chains.items())
        for atom in peptide(
            [names[n * (place + 1) % 3] for n in range(length)], chain, y=30 * place
        )
    ]
    water = Atom("O", "HOH", next(iter(chains)), 900, (0.0, 0.0, 50.0), hetero=True)
    return [*found, water]


def write_entries(raw: Path) -> Path:
    """6hhq with five chains, 1abc with one, and 2bad, which is cut; all with EC numbers."""
    (raw / "structures").mkdir(parents=True)
    (raw / "structures" / "6hhq.bcif.gz").write_bytes(bcif_gz("6hhq", atoms_of(CHAINS), LABELS))
    (raw / "structures" / "1abc.bcif.gz").write_bytes(
        bcif_gz("1abc", atoms_of({"X": 20}), {"X": "A"})
    )
    (raw / "structures" / "2bad.cif.gz").write_bytes(cif_gz("2bad", atoms_of({"A": 9}))[:-40])
    listed = [*STORED, *MISSING, "2BAD-A", "2BAD-B"]
    files = {"6HHQ": "6hhq.bcif.gz", "1ABC": "1abc.bcif.gz", "2BAD": "2bad.cif.gz"}
    write_chain_list(raw, [(chain, files[chain[:4]]) for chain in listed])
    rows = "".join(f"{chain}\t1.1.1.{n % 2}\n" for n, chain in enumerate(listed))
    table = raw / "EnzymeCommission" / "nrPDB-EC_2020.04_annot.tsv"
    table.parent.mkdir()
    table.write_text(
        f"### EC-numbers\n1.1.1.0\t1.1.1.1\n### PDB-chain\tEC-numbers\n{rows}", encoding="utf-8"
    )
    return raw


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_entries(tmp_path_factory.mktemp("raw"))


@pytest.fixture(scope="module")
def path(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_store(raw, tmp_path_factory.mktemp("store")).path


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Counts how often each file is parsed and hashed in this process."""
    seen: Counter[str] = Counter()
    digest = origin.file_digest

    def counted(path: Path, **options: Any) -> Structure:
        seen[f"parsed {path.name}"] += 1
        return read_structure(path, **options)

    def file_digest(path: Path) -> bytes:
        seen[f"hashed {path.name}"] += 1
        return digest(path)

    monkeypatch.setattr(read_entry, "read_structure", counted)
    monkeypatch.setattr(origin, "file_digest", file_digest)
    return seen


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_every_file_is_parsed_and_hashed_once(
    raw: Path, tmp_path: Path, calls: Counter[str]
) -> None:
    build_store(raw, tmp_path / "out")
    files = ("1abc.bcif.gz", "2bad.cif.gz", "6hhq.bcif.gz")
    assert {name: count for name, count in calls.items() if "annot" not in name} == {
        f"{what} {name}": 1 for what in ("parsed", "hashed") for name in files
    }


def test_chains_are_those_of_the_entry(path: Path) -> None:
    store = Store(path)
    assert store.ids == STORED
    for place, (chain, length) in enumerate(CHAINS.items()):
        entry = store[store.index(f"6HHQ-{chain}")]
        assert (entry.chain_names, entry.num_nodes) == ((chain,), length)
        # each chain lies at a height of its own
        assert np.abs(entry.coords[:, 1] - 30 * place).max() < 5
    assert store.manifest["counts"]["entries"]["chain"] == {"found": 11, "stored": 6, "dropped": 5}


def test_label_ids_are_not_taken_for_author_ids(path: Path) -> None:
    reasons = {row.id: row.reason for row in read_drops(path) if row.stage == "entry"}
    assert set(reasons) == {*MISSING, "2BAD-A", "2BAD-B"}
    assert reasons["6HHQ-E"] == (
        "chain not in the file: 6HHQ-E: chain 'E' is not among the protein chains of the file, "
        "whose author ids are 'A' (label id 'C'), 'B' (label id 'A'), 'H' (label id 'D'), "
        "'h' (label id 'B'), 'AA' (label id 'E'); is it another version of the entry, or the wrong "
        "name?"
    )
    # nor is the only chain of an entry taken for another
    assert "whose author ids are 'X' (label id 'A')" in reasons["1ABC-A"]
    assert "chain named by its file name" not in Store(path).manifest["counts"]["notes"]


def test_a_file_that_cannot_be_read_drops_all_its_chains(path: Path) -> None:
    reasons = {row.id: row.reason for row in read_drops(path) if row.stage == "entry"}
    assert reasons["2BAD-A"] == reasons["2BAD-B"]
    assert reasons["2BAD-A"].startswith("files not readable: 2bad.cif.gz: the gzip file is cut")


def test_what_an_entry_lacks_is_not_put_down_to_one_chain(path: Path) -> None:
    rows = {row.reason: row.count for row in read_drops(path) if row.id == "6HHQ-A"}
    assert rows.pop("whole entry's water: water molecule, counted for each of its chains") == 1
    [(reason, count)] = rows.items()
    assert reason == "other chain: not the chain of this item"
    assert count == sum(Store(path)[place].num_atoms for place in (2, 3, 4, 5))


def test_any_number_of_workers_gives_the_same_bytes(raw: Path, path: Path, tmp_path: Path) -> None:
    for workers in (2, 3):
        out = build_store(raw, tmp_path / str(workers), workers=workers).path
        assert content(out) == content(path)


def test_reading_together_is_reading_alone(raw: Path, tmp_path: Path) -> None:
    found = find_raw(raw)
    digests = source_digests(found, workers=1, progress=False)
    jobs = read_jobs(found, read_labels(found), digests, tmp_path, BuildSettings())
    groups = by_file(jobs.values())
    assert [len(group) for group in groups] == [2, 2, 7]
    for group in groups:
        assert read_items(group) == [True] * len(group)
        assert read_items(group) == [False] * len(group)
    for job in jobs.values():
        together, alone = load_result(job.result), read_source(job.source)
        assert (together.drops, together.notes, together.date) == (
            *(alone.drops, alone.notes, alone.date),
        )
        assert (together.entry is None) == (alone.entry is None)
        if together.entry and alone.entry:
            assert together.entry.chain_names == alone.entry.chain_names
            np.testing.assert_array_equal(together.entry.coords, alone.entry.coords)
            np.testing.assert_array_equal(together.entry.node_type, alone.entry.node_type)


def test_a_stopped_build_reads_only_what_is_missing(
    raw: Path, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, calls: Counter[str]
) -> None:
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(build_module, "put_in_place", lambda *folders: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            build_store(raw, out)
    for chain in ("6HHQ-H", "6HHQ-AA"):
        (out / ".partial" / result_file(chain)).unlink()
    calls.clear()
    assert build_store(raw, out).resumed == 9
    assert {name for name in calls if name.startswith("parsed")} == {"parsed 6hhq.bcif.gz"}
    assert calls["parsed 6hhq.bcif.gz"] == 1
    assert content(out) == content(path)


def test_working_files_differ_by_more_than_their_case() -> None:
    names = {result_file(chain).lower() for chain in ("6HHQ-H", "6HHQ-h", "6hhq-h", "4V4B-A/1")}
    assert len(names) == 4
    assert all("/" not in name for name in names)
