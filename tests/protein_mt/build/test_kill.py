"""A build that is really killed (SIGKILL) while it reads, and run again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hemenet_lab.protein_mt.build.build import build_store
from tests.protein_mt.raw_folder import write_raw

ROOT = Path(__file__).resolve().parents[3]
KILLED = """
import os, signal, sys
from hemenet_lab.protein_mt.build import build
real, read = build.read_items, []
def read_items(jobs):
    if len(read) == 9:
        os.kill(os.getpid(), signal.SIGKILL)
    read.append(jobs)
    return real(jobs)
build.read_items = read_items
build.build_store(sys.argv[1], sys.argv[2])
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL on this system")
def test_killed_build_goes_on_and_gives_the_same_bytes(tmp_path: Path) -> None:
    raw, out, whole = write_raw(tmp_path / "raw"), tmp_path / "out", tmp_path / "whole"
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(raw), str(out)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    assert len(list((out / ".partial").glob("*.npz"))) == 9
    assert build_store(raw, out).resumed == 9
    assert build_store(raw, whole).resumed == 0
    names = sorted(path.name for path in whole.iterdir())
    assert sorted(path.name for path in out.iterdir()) == names
    for name in names:
        assert (out / name).read_bytes() == (whole / name).read_bytes()
