"""Items that were read before are read again when the code that reads them has changed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import hemenet_lab
from hemenet_lab.protein_mt.build.resume import READING_CODE, code_digest
from tests.protein_mt.raw_folder import write_raw

PACKAGE = Path(hemenet_lab.__file__).parent
STOPPED = """
import sys
from hemenet_lab.protein_mt.build import build as module
def stop(*args, **options):
    raise KeyboardInterrupt
module.write_store = stop
try:
    module.build_store(sys.argv[1], sys.argv[2])
except KeyboardInterrupt:
    pass
"""
WHOLE = """
import sys
from hemenet_lab.protein_mt.build import build_store
print(build_store(sys.argv[1], sys.argv[2]).resumed)
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package, to change."""
    ignored = shutil.ignore_patterns("__pycache__")
    return shutil.copytree(PACKAGE, tmp_path_factory.mktemp("code") / "hemenet_lab", ignore=ignored)


def run(code: str, package: Path, *arguments: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(package.parent), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
        cwd=package.parent,
    )
    return done.stdout.strip()


def test_changed_reader_reads_all_again(package: Path, tmp_path: Path) -> None:
    raw = write_raw(tmp_path / "raw")
    run(STOPPED, package, raw, tmp_path / "same")
    shutil.copytree(tmp_path / "same", tmp_path / "other")
    assert run(WHOLE, package, raw, tmp_path / "same") == "23"
    with (package / "structures" / "residues.py").open("a") as file:
        file.write("# changed\n")
    assert run(WHOLE, package, raw, tmp_path / "other") == "0"


@pytest.mark.parametrize("folder", READING_CODE)
def test_every_file_of_the_folders_counts(package: Path, folder: str) -> None:
    before = code_digest.__wrapped__(package)
    new = package / folder / "anything.py"
    new.write_text("value = 1\n")
    added = code_digest.__wrapped__(package)
    new.write_text("value = 2\n")
    changed = code_digest.__wrapped__(package)
    new.unlink()
    assert len({before, added, changed}) == 3
    assert code_digest.__wrapped__(package) == before


def test_code_elsewhere_does_not_count(package: Path) -> None:
    before = code_digest.__wrapped__(package)
    new = package / "metrics" / "anything.py"
    new.write_text("value = 1\n")
    assert code_digest.__wrapped__(package) == before
    new.unlink()


def test_moved_folder_is_noticed(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="was the folder moved"):
        code_digest.__wrapped__(tmp_path)
