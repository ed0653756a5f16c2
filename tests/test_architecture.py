"""Imports go one way: a module uses only stages to its left."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

STAGES: tuple[tuple[str, ...], ...] = (
    (
        "hemenet_lab.__version__",
        "hemenet_lab.tasks",
        "hemenet_lab.plain",
        "hemenet_lab.checkpoint_io",
        "hemenet_lab.nn",
    ),
    ("hemenet_lab.structures",),
    (
        "hemenet_lab.data.cache_folder",
        "hemenet_lab.data.entry",
        "hemenet_lab.data.entry_check",
        "hemenet_lab.data.convert",
        "hemenet_lab.data.store",
        "hemenet_lab.data.store_fields",
        "hemenet_lab.data.store_writer",
    ),
    ("hemenet_lab.protein_mt",),
    ("hemenet_lab.data",),
    ("hemenet_lab.encoders",),
    ("baselines",),
    ("hemenet_lab.readout", "hemenet_lab.heads", "hemenet_lab.losses", "hemenet_lab.metrics"),
    ("hemenet_lab.evaluation", "hemenet_lab.uncertainty", "hemenet_lab.schedule"),
    ("hemenet_lab.saved",),
    ("hemenet_lab.module",),
    ("hemenet_lab.tracking", "hemenet_lab.run_record", "hemenet_lab.callbacks"),
    ("hemenet_lab.predictions",),
    ("hemenet_lab.results",),
    ("hemenet_lab.predict",),
    ("hemenet_lab.prediction_table",),
    ("hemenet_lab.testing",),
    ("hemenet_lab.benchmark",),
    ("hemenet_lab.cli", "hemenet_lab.__main__"),
)
"""From raw files (left) to the command line (right)."""

BASELINES_MAY_USE = (
    "hemenet_lab.encoders",
    "hemenet_lab.nn",
    "hemenet_lab.data.graph",
    "hemenet_lab.data.view",
    "hemenet_lab.structures.vocabulary",
    "baselines",
)


def stage_of(module: str) -> int:
    """Stage of a module: that of the longest name in `STAGES` that leads to it."""
    found = [
        (len(name), number)
        for number, names in enumerate(STAGES)
        for name in names
        if module == name or module.startswith(f"{name}.")
    ]
    assert found, f"{module} belongs to no stage; add it to STAGES where it belongs"
    return max(found)[1]


def imports_of(source: str) -> Iterator[str]:
    """Our modules that a source file imports, wherever in the file."""
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        yield from (name for name in names if name.split(".")[0] in ("hemenet_lab", "baselines"))


def modules() -> list[Path]:
    paths = [*ROOT.glob("hemenet_lab/**/*.py"), *ROOT.glob("baselines/**/*.py")]
    return sorted(path for path in paths if path != ROOT / "hemenet_lab" / "__init__.py")


def dotted(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def violations(module: str, source: str) -> list[str]:
    mine = stage_of(module)
    return [name for name in imports_of(source) if stage_of(name) > mine]


@pytest.mark.parametrize("path", modules(), ids=dotted)
def test_imports_only_from_the_left(path: Path) -> None:
    assert violations(dotted(path), path.read_text()) == []


def test_an_import_from_the_right_is_found() -> None:
    assert violations("hemenet_lab.data.store", "from hemenet_lab.module import X\n")
    assert violations("hemenet_lab.nn.mlp", "def f():\n    import hemenet_lab.encoders\n")
    assert not violations("hemenet_lab.module", "from hemenet_lab.data.graph import ProteinGraph\n")


@pytest.mark.parametrize("path", sorted((ROOT / "baselines").glob("*.py")), ids=dotted)
def test_baselines_come_in_by_the_public_door(path: Path) -> None:
    for name in imports_of(path.read_text()):
        assert name.startswith(BASELINES_MAY_USE), f"{dotted(path)} imports {name}"
