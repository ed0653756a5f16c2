"""Real structures and labels: built, trained on as a user does, and known by heart where few."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest
import torch

from hemenet_lab.encoders import HeMeNet
from hemenet_lab.loading.datamodule import ProteinMTDataModule
from hemenet_lab.protein_mt.build.build import build_store
from hemenet_lab.protein_mt.raw.drops import DropRow
from hemenet_lab.store.entry import Entry
from hemenet_lab.store.reader import Store
from tests.baselines.small import SMALL as ZOO
from tests.baselines.small import small
from tests.fits import check_training, eight_complexes, memorise
from tests.integration.run import SMALL, fit_args, only, run_here
from tests.integration.test_fit import runs_of
from tests.protein_mt.reading import read_drops
from tests.shared import SAMPLE, needs_shared

pytestmark = needs_shared

WITHOUT_LABELS = ("mf", "bp", "cc")
"""The sample has no GO annotation file."""


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    assert SAMPLE is not None
    return build_store(SAMPLE, tmp_path_factory.mktemp("real"), workers=2).path


@pytest.fixture(scope="module")
def drops(path: Path) -> list[DropRow]:
    return read_drops(path)


# --- what became of the files --------------------------------------------------------------------


def raw_files(entry: Entry) -> tuple[Path, Path | None]:
    """Structure and ligand file of an entry."""
    assert SAMPLE is not None
    if entry.kind == "lba":
        folder = SAMPLE / "refined-set" / entry.id
        return folder / f"{entry.id}_protein.pdb", folder / f"{entry.id}_ligand.sdf"
    if entry.kind == "ppa":
        return SAMPLE / "PP" / f"{entry.id}.ent.pdb", None
    return SAMPLE / "EnzymeCommission" / "all" / f"{entry.id}.pdb", None


def count_atoms(structure: Path, ligand: Path | None) -> int:
    """Atom records of the first model, and atoms of the ligand: all that a reader could take."""
    text = structure.read_text(encoding="utf-8", errors="replace").partition("\nENDMDL")[0]
    count = sum(line.startswith(("ATOM", "HETATM")) for line in text.splitlines())
    return count + (int(ligand.read_text().splitlines()[3][:3]) if ligand else 0)


def test_every_atom_of_every_file_is_stored_or_dropped(path: Path, drops: list[DropRow]) -> None:
    store = Store(path)
    dropped: Counter[str] = Counter()
    for row in drops:
        if row.stage == "atoms":
            dropped[row.id] += row.count
    for index, name in enumerate(store.ids):
        entry = store[index]
        assert entry.num_atoms + dropped[name] == count_atoms(*raw_files(entry)), name


def test_every_file_is_stored_or_dropped(path: Path, drops: list[DropRow]) -> None:
    assert SAMPLE is not None
    files = {file.name for file in SAMPLE.glob("refined-set/*")}
    files |= {file.name.removesuffix(".ent.pdb") for file in SAMPLE.glob("PP/*.pdb")}
    files |= {file.stem for file in SAMPLE.glob("*/all/*.pdb")}
    left_out = {row.id for row in drops if row.stage == "entry"}
    stored = set(Store(path).ids)
    assert stored | left_out == files
    assert not stored & left_out


# --- training ------------------------------------------------------------------------------------


def test_fit_on_real_labels_without_go(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = ["--trainer.max_epochs=1", "--trainer.limit_train_batches=4"]
    run_here(monkeypatch, tmp_path, *fit_args(path, *SMALL, *short))
    run = only(runs_of(tmp_path))
    assert run.info.status == "FINISHED"
    metrics, counts = run.data.metrics, Store(path).counts()
    for task, metric in (("lba", "rmse"), ("ppa", "rmse"), ("ec", "fmax")):
        for stage in ("val", "test"):
            assert metrics[f"{stage}/{task}/n"] == counts[stage][task] > 0
            assert 0 < metrics[f"{stage}/{task}/{metric}"] < 100
    absent = {f"/{task}/" for task in WITHOUT_LABELS}
    assert not [name for name in metrics if any(part in name for part in absent)]
    results = only(list(tmp_path.glob("runs/artifacts/*/*/results.csv"))).read_text()
    rows = {row["task"]: row for row in csv.DictReader(results.splitlines())}
    assert {task: rows[task]["n"] for task in WITHOUT_LABELS} == dict.fromkeys(WITHOUT_LABELS, "0")


# --- few complexes --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def eight(path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return eight_complexes(path, tmp_path_factory.mktemp("eight") / "store")


@pytest.mark.parametrize("name", ZOO)
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
@pytest.mark.parametrize("tasks", [None, ["ec"]], ids=["multi-task", "single-task"])
def test_every_encoder_trains(
    name: str, tasks: list[str] | None, precision: str, eight: Path, tmp_path: Path
) -> None:
    data = ProteinMTDataModule(str(eight), split="halves", batch_graphs=2)
    module = check_training(small(name), data, tmp_path, tasks, precision)
    assert [task.name for task in module.tasks] == (tasks or ["lba", "ppa", "ec"])


def test_hemenet_overfits_8_complexes(eight: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    encoder = HeMeNet(32, 2, channel_dim=8, relation_dim=8, dropout=0.0)
    memory = memorise(encoder, eight, tmp_path, limit=1e-4, epochs=200)
    # a constant prediction keeps the variance of the labels, which is the first loss
    assert memory.losses[0] > 1.0
    batch = next(iter(memory.data.train_dataloader()))
    with torch.no_grad():
        outputs = memory.module.eval()(batch)
    for task in ("lba", "ppa"):
        mask = batch[f"mask_{task}"]
        error = (outputs[task] - batch[f"y_{task}"])[mask]
        assert mask.sum() == 4
        assert error.square().mean().sqrt() < 0.1, (task, memory.losses[::10])
