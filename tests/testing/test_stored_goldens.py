"""The golden numbers of the published layers: all equal, and none that could not differ."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from hemenet_lab.testing import goldens
from hemenet_lab.testing.checks.fixture import TARGETS, Fixture
from tests.shared import GOLDENS, needs_shared

STORED = sorted((Path(__file__).parents[1] / "goldens").glob("*.npz"))


def test_a_file_of_each_layer_is_stored() -> None:
    layers = ("hemenet", "dymean", "egnn", "gearnet", "gvp", "cdconv")
    wanted = {f"{name}_layer" for name in layers}
    wanted |= {"hemenet_encoder", "task_aware_readout", "se3set_attention", "f1_max"}
    assert {path.stem for path in STORED} == wanted


@pytest.mark.parametrize("path", STORED, ids=lambda path: path.stem)
def test_stored_numbers_to_1e_9(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert goldens.main([str(path.parent), "--only", path.stem]) == 0
    assert "1 files" in capsys.readouterr().out


def moved(fixture: Fixture) -> Fixture:
    """The same file with every target off by 1e-6, relative to its largest number."""
    arrays = {key: fixture.array(key) for key in fixture.keys("")}
    for key in fixture.keys(""):
        if key.startswith(TARGETS):
            arrays[key] = arrays[key] + 1e-6 * max(1.0, float(np.abs(arrays[key]).max()))
    return Fixture(arrays, fixture.meta, fixture.name)


@pytest.mark.parametrize("path", STORED, ids=lambda path: path.stem)
def test_every_comparison_notices_a_small_error(path: Path) -> None:
    fixture = moved(Fixture.load(path))
    check = import_module(f"hemenet_lab.testing.checks.{fixture.kind}").check
    comparisons = [found for found in check(fixture) if found.key.startswith(TARGETS)]
    assert comparisons
    assert [found.key for found in comparisons if found.ok] == []


def other_parameters(fixture: Fixture) -> Fixture:
    """The same file with parameters and float inputs that do not belong to its outputs."""
    arrays = {key: fixture.array(key) for key in fixture.keys("")}
    for key in fixture.keys(""):
        if key.startswith(("param/", "input/")) and arrays[key].dtype == np.float64:
            arrays[key] = 1.01 * arrays[key]
    return Fixture(arrays, fixture.meta, fixture.name)


@pytest.mark.parametrize(
    "path", [path for path in STORED if path.stem != "f1_max"], ids=lambda path: path.stem
)
def test_numbers_are_computed_from_the_file(path: Path) -> None:
    fixture = other_parameters(Fixture.load(path))
    check = import_module(f"hemenet_lab.testing.checks.{fixture.kind}").check
    wrong = [found for found in check(fixture) if not found.ok]
    assert len(wrong) > 0.5 * sum(key.startswith(TARGETS) for key in fixture.keys(""))


@needs_shared
def test_every_shared_file_passes() -> None:
    assert GOLDENS is not None
    assert goldens.main([str(GOLDENS)]) == 0
