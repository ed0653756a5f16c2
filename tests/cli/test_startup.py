"""What a command imports before it does anything: nothing heavy that it does not need."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tracking.fake_runs import empty_database

__all__ = ["empty_database"]
ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("torch", "lightning", "mlflow", "rdkit", "matplotlib", "pandas", "torch_geometric")
PROGRAM = """
import sys
from hemenet_lab.cli import hemenet, lightning
command = {lightning} and lightning or hemenet
try:
    command({words})
except SystemExit:
    pass
print(*sys.modules, file=sys.stderr)
"""


def modules_after(words: list[str], lightning: bool = False) -> set[str]:
    """Names of the modules that a command has imported when it ends."""
    program = PROGRAM.format(words=words, lightning=lightning)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return {*done.stderr.split()}


@pytest.mark.parametrize("action", ["fetch", "build", "inspect", "verify"])
def test_data_commands_are_explained_without_scipy(action: str) -> None:
    assert "scipy" not in modules_after(["data", action, "--help"])


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["--version"],
        ["data"],
        ["data", "sources"],
        ["data", "fetch", "--help"],
        ["data", "build", "--help"],
        ["data", "inspect", "--help"],
        ["data", "inspect", "nowhere"],
        ["data", "verify", "nowhere"],
        ["predict", "--help"],
        ["explain", "--help"],
        ["models", "--help"],
        ["benchmark", "--help"],
        ["benchmark", "run", "--help"],
    ],
    ids=" ".join,
)
def test_light_commands_import_nothing_heavy(words: list[str]) -> None:
    assert modules_after(words) & {*HEAVY} == set()


def test_listing_runs_needs_no_torch(empty_database: Path) -> None:
    found = modules_after(["models", "--folder", str(empty_database.parent)])
    assert "mlflow" in found
    assert found & {"torch", "lightning", "rdkit", "matplotlib"} == set()


def test_help_imports_no_parser_either() -> None:
    assert modules_after(["--help"]) & {*HEAVY, "numpy", "yaml", "jsonargparse"} == set()


def test_training_imports_no_chemistry_and_no_tracking_before_it_starts() -> None:
    found = modules_after(["fit", "--help"], lightning=True)
    assert "torch" in found
    assert found & {"mlflow", "rdkit", "biotite"} == set()


def test_the_package_itself_costs_nothing() -> None:
    program = "import sys, hemenet_lab; dir(hemenet_lab); print(*sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert {*done.stdout.split()} & {*HEAVY, "numpy"} == set()
