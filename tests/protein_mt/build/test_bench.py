"""The benchmarks of the build run, on few entries."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from hemenet_lab.protein_mt.splits import mmseqs
from tests.bench_script import bench_script
from tests.shared import SAMPLE, needs_shared


@pytest.fixture(scope="module")
def build() -> Iterator[ModuleType]:
    with bench_script("bench_build") as module:
        yield module


@pytest.fixture(scope="module")
def search() -> Iterator[ModuleType]:
    with bench_script("bench_search") as module:
        yield module


def test_families_have_the_identity_they_should(search: ModuleType) -> None:
    texts, of_family = search.families(300, 1)
    assert len(set(texts)) == 300
    assert np.bincount(of_family).max() > 5
    order = np.argsort(texts)
    family = np.array(of_family)[order]
    hits = mmseqs.search(sorted(texts), min_seq_id=0.3, coverage=0.3)
    assert (family[hits.query] == family[hits.target]).all()
    assert len(hits.query) > 300
    assert 0.35 < hits.identity.min() < hits.identity.max() < 0.95


def test_splits(search: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    search.bench_splits(60, 0)
    assert "leakage reports" in capsys.readouterr().out


def test_search(search: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    search.bench_search(60, 0, 1)
    text = capsys.readouterr().out
    for step in ("MMseqs2 cluster", "MMseqs2 search", "splits", "leakage reports", "Peak memory"):
        assert step in text


@needs_shared
def test_entry(build: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    build.bench_entry(SAMPLE, 3, tmp_path)
    assert "3 chains of " in capsys.readouterr().out


@needs_shared
def test_read(build: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    build.bench_read(SAMPLE, [8], tmp_path)
    text = capsys.readouterr().out
    assert "| 8 |" in text
    assert "40,000 entries on 16 cores" in text
