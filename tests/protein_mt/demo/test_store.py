"""The demo's store in the cache: complete, written once, safe with several processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from hemenet_lab.protein_mt.demo import demo_store
from hemenet_lab.protein_mt.demo.settings import SIZES, VERSION, DemoSettings
from hemenet_lab.store.reader import Store


def test_all_tasks_are_labelled_and_split(tiny_store: Path) -> None:
    store = Store(tiny_store)
    assert len(store) == 24
    assert store.manifest["synthetic"] is True
    assert [task.name for task in store.tasks] == ["lba", "ppa", "ec", "mf", "bp", "cc"]
    assert (store.labelled.sum(axis=0) >= 8).all()
    split = store.split()
    assert {0, 1, 2} <= set(split.tolist())
    assert store.full_label.any()
    assert not store.labelled[:, 2:].all()  # some entries have no label of some chain-level task


def test_labels_are_transferred_by_uniprot(tiny_store: Path) -> None:
    """A protein that is annotated on its single chain has the same labels in its complex."""
    store = Store(tiny_store)
    terms: dict[str, list[tuple[str, list[int]]]] = {}
    for entry in (store[i] for i in range(len(store))):
        for chain, uniprot in enumerate(entry.chain_uniprot):
            if uniprot and chain in entry.terms.get("mf", {}):
                found = entry.terms["mf"][chain].tolist()
                terms.setdefault(uniprot, []).append((entry.kind, found))
    shared = [rows for rows in terms.values() if len({kind for kind, _ in rows}) > 1]
    assert shared
    assert all(len({tuple(found) for _, found in rows}) == 1 for rows in shared)


def test_second_call_changes_nothing(tiny_store: Path, cache: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in tiny_store.iterdir()}
    assert demo_store(cache, size="tiny") == tiny_store
    assert {path: path.stat().st_mtime_ns for path in tiny_store.iterdir()} == before


def test_broken_draft_is_replaced_and_two_processes_share(tmp_path: Path) -> None:
    """What a killed process left is thrown away; of two that start at once, one writes."""
    place = tmp_path / "cache"
    folder = place / f"demo-tiny-v{VERSION}"
    draft = folder / "raw.draft"
    draft.mkdir(parents=True)
    (draft / "half.pdb").write_text("ATOM")
    code = (
        "import sys; from pathlib import Path; from hemenet_lab.protein_mt.demo import tiny_store;"
        "print(tiny_store(Path(sys.argv[1])))"
    )
    command = [sys.executable, "-c", code, str(place)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    answers = {process.communicate(timeout=300)[0].splitlines()[-1] for process in running}
    assert [process.returncode for process in running] == [0, 0]
    assert len(answers) == 1
    assert not draft.exists()
    assert not list((folder / "raw").rglob("half.pdb"))
    assert len(Store(answers.pop())) == 24


def test_full_size_is_a_few_hundred_items() -> None:
    full = SIZES["full"]
    assert full == DemoSettings()
    total = full.ligand_complexes + full.protein_complexes + full.single_chains
    assert 350 <= total <= 500
