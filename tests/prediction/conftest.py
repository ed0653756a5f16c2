from __future__ import annotations

from pathlib import Path

import pytest

from hemenet_lab import Predictor
from hemenet_lab.calibration import CALIBRATION_KEY
from hemenet_lab.calibration.measure import calibrate
from hemenet_lab.store.reader import Store
from tests.prediction.small import checkpoint


@pytest.fixture(scope="package")
def store(tiny_store: Path) -> Store:
    return Store(tiny_store)


@pytest.fixture(scope="package")
def folder(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Checkpoints: ``plain``, ``other``, and ``best`` with a calibration of its own weights."""
    place = tmp_path_factory.mktemp("checkpoints")
    checkpoint(store, place / "plain.ckpt")
    checkpoint(store, place / "other.ckpt", seed=1)
    module = Predictor(place / "plain.ckpt", device="cpu").members[0].module
    known = calibrate(module, store).to_dict()
    checkpoint(store, place / "best.ckpt", **{CALIBRATION_KEY: known})
    return place


@pytest.fixture(scope="package")
def files(tiny_store: Path) -> list[Path]:
    """Two pairs of proteins, then two proteins with a ligand."""
    return (
        sorted(tiny_store.parent.glob("**/*.ent.pdb"))[:2]
        + sorted(tiny_store.parent.glob("**/*_protein.pdb"))[:2]
    )
