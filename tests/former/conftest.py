"""Fixtures that these tests share."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hemenet_lab.protein_mt.build.build import build_store
from tests.former.stored import CONTACT, unpack


def strangers() -> set[str]:
    """Imported modules of ours that do not lie in the package that they are named after."""
    found = set()
    for name, module in list(sys.modules.items()):
        top = name.split(".")[0]
        if top in ("hemenet_lab", "baselines") and getattr(module, "__file__", None):
            package = Path(str(sys.modules[top].__file__)).parent
            if not Path(str(module.__file__)).is_relative_to(package):
                found.add(name)
    return found


@pytest.fixture(autouse=True)
def _own_modules() -> Iterator[None]:
    """No former module is found in another checkout.

    Where the project is installed from one checkout (editable) and tested in another, Python
    imports what the latter no longer has from the former, and a lost class path goes unnoticed.
    """
    before = strangers()
    yield
    assert strangers() == before, "imported from another checkout; in this one it is not there"


@pytest.fixture(scope="session")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpack("raw", tmp_path_factory.mktemp("former"))


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """The finished store; a copy, since commands write caches into it."""
    return unpack("store", tmp_path)


@pytest.fixture(scope="session")
def fresh(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store built now from the raw files of then, in which one partner lies 8.1 Å away."""
    place = tmp_path_factory.mktemp("fresh") / "store"
    return build_store(raw, place, settings=CONTACT).path
