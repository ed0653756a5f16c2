"""Fixtures that several tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import shape_checks, tracking_tables

shape_checks.install()


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test writes into the user's cache or tracking database."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.fixture(scope="session", autouse=True)
def _quick_databases() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        tracking_tables.copy_after_the_first(patch)
        yield


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache folder for the whole session, instead of the user's."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEMENET_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def esm2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a tiny ESM2 with random weights."""
    pytest.importorskip("transformers")
    from tests.embeddings.tiny import tiny_esm2

    return tiny_esm2(tmp_path_factory.mktemp("models") / "esm2-tiny")


@pytest.fixture(scope="session")
def tiny_store(cache: Path) -> Path:
    """A store of about 24 synthetic entries with labels of all six tasks."""
    from hemenet_lab.protein_mt.demo import tiny_store

    return tiny_store(cache)
