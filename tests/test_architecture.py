"""The house: imports go one way and through faces; few rooms, each of a readable size."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from tests.house import (
    ROOT,
    Import,
    all_imports,
    cycles,
    dotted,
    faces,
    files,
    folder_imports,
    folder_of,
    imports_in,
    lines_of,
    loose,
    module_imports,
    prefixes,
    single_client,
    sizes,
    stage_of,
)

TASKS = "hemenet_lab.tasks"
"""The one module that is no folder's: data that every stage may use."""
MOST_FILES = 15
MOST_LINES = 350
MOST_SINGLE_CLIENT = 10
SHIPPED_TESTS = ("hemenet_lab.testing", "hemenet_lab.testing.checks")
BASELINES_MAY_USE = ("hemenet_lab.encoders", "hemenet_lab.nn", "hemenet_lab.graphs")
BASELINES_MAY_USE += ("hemenet_lab.structures", "baselines")


def from_the_right(found: Import) -> bool:
    """Whether an import goes against the direction of the stages."""
    return stage_of(folder_of(found.module)) > stage_of(folder_of(found.source))


def past_a_face(found: Import) -> bool:
    """Whether an import reaches into another folder instead of using its face."""
    other = folder_of(found.module)
    return found.module not in (other, TASKS) and other != folder_of(found.source)


def test_imports_come_from_the_left() -> None:
    assert [found for found in all_imports() if from_the_right(found)] == []


def test_other_folders_are_entered_by_their_faces() -> None:
    assert [found for found in all_imports() if past_a_face(found)] == []


def test_folders_and_modules_have_no_cycles() -> None:
    assert cycles(folder_imports()) == []
    assert cycles(module_imports()) == []


def test_wrong_imports_are_found() -> None:
    def only(module: str, source: str) -> Import:
        return next(imports_in(module, source))

    assert from_the_right(only("hemenet_lab.store.reader", "from hemenet_lab.model import X\n"))
    hidden = "def f():\n    from hemenet_lab.encoders import X\n"
    assert from_the_right(only("hemenet_lab.nn.mlp", hidden))
    typed = "if TYPE_CHECKING:\n    from hemenet_lab.graphs.view import GraphView\n"
    assert past_a_face(only("hemenet_lab.model.module", typed))
    assert past_a_face(only("hemenet_lab.model.module", "from hemenet_lab.graphs import view\n"))
    good = only("hemenet_lab.model.module", "from hemenet_lab.graphs import GraphView\n")
    assert not from_the_right(good)
    assert not past_a_face(good)
    assert cycles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]


def test_every_folder_has_a_face() -> None:
    assert [name for name, has_all in faces().items() if not has_all] == []


def test_folders_are_small() -> None:
    large = {name: size for name, size in sizes().items() if size > MOST_FILES}
    assert {name: size for name, size in large.items() if name not in SHIPPED_TESTS} == {}


def test_no_three_siblings_share_a_prefix() -> None:
    assert prefixes() == []


def test_few_files_serve_one_sibling_only() -> None:
    found = [name for name in single_client() if not name.startswith(SHIPPED_TESTS)]
    assert len(found) <= MOST_SINGLE_CLIENT, found


def test_nothing_lies_loose() -> None:
    assert loose() == ["tasks.py"]


@pytest.mark.parametrize("path", files(), ids=dotted)
def test_files_can_be_read_at_a_sitting(path: Path) -> None:
    assert lines_of(path) <= MOST_LINES


@pytest.mark.parametrize("path", sorted((ROOT / "baselines").rglob("*.py")), ids=dotted)
def test_baselines_come_in_by_the_public_door(path: Path) -> None:
    for found in imports_in(dotted(path), path.read_text("utf-8")):
        assert folder_of(found.module).startswith(BASELINES_MAY_USE), found


def test_tests_that_run_side_by_side_take_one_thread_each() -> None:
    assert torch.get_num_threads() == int(os.environ["OMP_NUM_THREADS"])
