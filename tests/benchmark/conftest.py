"""Fixtures of the benchmark's tests."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from hemenet_lab.benchmark.grids.run import Resolve
from hemenet_lab.cli import config_reader
from tests.benchmark.commands import Bench
from tests.tracking.fake_runs import empty_database, fake_runs

__all__ = ["bench", "empty_database", "fake_runs", "resolve"]


@pytest.fixture(scope="session")
def resolve() -> Resolve:
    return config_reader().read


@pytest.fixture
def bench(tmp_path: Path, tiny_store: Path, resolve: Resolve, empty_database: Path) -> Bench:
    folder = tmp_path / "runs"
    folder.mkdir()
    shutil.copy(empty_database, folder)
    return Bench(folder, tiny_store, resolve)
