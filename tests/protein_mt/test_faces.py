"""Faces of folders that the command line and tests import: what they must not load."""

from __future__ import annotations

import subprocess
import sys

import pytest

SLOW = ("torch", "mlflow", "matplotlib", "biotite")


@pytest.mark.parametrize(
    ("folder", "absent"),
    [
        ("verify", (*SLOW, "rdkit", "scipy", "hemenet_lab.protein_mt.build")),
        ("demo", (*SLOW, "rdkit", "hemenet_lab.protein_mt.build")),
        ("complexes", SLOW),
        ("fetch", (*SLOW, "hemenet_lab.protein_mt.build")),
    ],
)
def test_faces_are_cheap(folder: str, absent: tuple[str, ...]) -> None:
    code = f"import sys, hemenet_lab.protein_mt.{folder}; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {*absent} & {*run.stdout.split()}
