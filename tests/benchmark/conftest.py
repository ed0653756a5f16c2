"""Fixtures of the benchmark's tests."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from hemenet_lab.benchmark.identity import Resolve
from hemenet_lab.cli import config_reader
from hemenet_lab.tracking import Tracker
from tests.benchmark.commands import Bench
from tests.benchmark.fake_runs import FakeRuns


@pytest.fixture(scope="session")
def resolve() -> Resolve:
    return config_reader().read


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow takes seconds to make one."""
    folder = tmp_path_factory.mktemp("empty")
    Tracker(folder=str(folder))
    return folder / "mlruns.db"


@pytest.fixture
def bench(tmp_path: Path, tiny_store: Path, resolve: Resolve, empty_database: Path) -> Bench:
    folder = tmp_path / "runs"
    folder.mkdir()
    shutil.copy(empty_database, folder)
    return Bench(folder, tiny_store, resolve)


@pytest.fixture
def fake_runs(tmp_path: Path, empty_database: Path) -> FakeRuns:
    """An empty tracking database to write finished runs into."""
    folder = tmp_path / "fake"
    folder.mkdir()
    shutil.copy(empty_database, folder)
    return FakeRuns(folder)
