"""Fixtures of the benchmark's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from hemenet_lab.benchmark.identity import Resolve
from hemenet_lab.cli import config_reader
from tests.benchmark.commands import Bench


@pytest.fixture(scope="session")
def resolve() -> Resolve:
    return config_reader().read


@pytest.fixture
def bench(tmp_path: Path, tiny_store: Path, resolve: Resolve) -> Bench:
    return Bench(tmp_path / "runs", tiny_store, resolve)
