"""Stores that several tests of the checker share."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from hemenet_lab.protein_mt.build.build import build_store
from tests.protein_mt.further_tables import write_full_raw


@pytest.fixture(scope="session")
def full_raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small raw folder with every table that a build can use; not to be changed."""
    return write_full_raw(tmp_path_factory.mktemp("raw"))


@pytest.fixture(scope="session")
def sound(full_raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its store, without faults; not to be changed."""
    return build_store(full_raw, tmp_path_factory.mktemp("store")).path


@pytest.fixture
def damaged(sound: Path, tmp_path: Path) -> Path:
    """A copy of the store to plant faults in."""
    return Path(shutil.copytree(sound, tmp_path / "store"))
