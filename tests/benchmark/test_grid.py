"""From a grid file to commands."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path

import pytest

from hemenet_lab.benchmark.grids.grid import load_grid
from hemenet_lab.benchmark.grids.run import GridOptions, shown

GRID = """
title: A grid
base: [base.yaml]
seeds: 2
axes:
  encoder:
    one: {configs: [one.yaml]}
    two: {configs: [two.yaml], set: {model.size: 5}}
  task:
    all: {}
    lba: {set: {model.tasks: [lba]}}
exclude:
  - {encoder: two, task: [lba]}
"""


def write(folder: Path, text: str = GRID) -> Path:
    for name in ("base", "one", "two", "extra"):
        (folder / f"{name}.yaml").write_text("a: 1\n")
    path = folder / "small.yaml"
    path.write_text(text)
    return path


def test_every_combination_and_seed_but_the_excluded(tmp_path: Path) -> None:
    grid = load_grid(write(tmp_path))
    assert (grid.name, grid.title) == ("small", "A grid")
    names = [run.name for run in grid.runs()]
    assert names == [
        *("one-all-seed0", "one-all-seed1", "one-lba-seed0", "one-lba-seed1"),
        *("two-all-seed0", "two-all-seed1"),
    ]


def test_words_of_a_run_in_order(tmp_path: Path) -> None:
    path = write(tmp_path, GRID.replace("[lba]}}", "[lba], a.b: x y}}", 1))
    options = GridOptions(
        seeds=1,
        configs=(tmp_path / "extra.yaml",),
        settings=("model.size=7",),
        only=("encoder=one", "task=lba"),
        folder="elsewhere",
    )
    (run,) = load_grid(path).runs(options)
    words = list(run.arguments)
    assert words[:8] == [
        *("fit", "--config", f"{tmp_path}/base.yaml", "--config", f"{tmp_path}/extra.yaml"),
        *("--config", f"{tmp_path}/one.yaml", '--model.tasks=["lba"]'),
    ]
    assert words[8:11] == ["--a.b=x y", "--model.size=7", "--seed_everything=0"]
    logger = "--trainer.logger.init_args"
    assert words[11:13] == [f"{logger}.folder=elsewhere", f"{logger}.run_name=small/one-lba-seed0"]
    tags = json.loads(words[13].removeprefix(f"{logger}.tags="))
    assert tags == {
        "benchmark_grid": "small",
        "benchmark_settings": f"--config {tmp_path}/extra.yaml --set model.size=7",
        "axis.encoder": "one",
        "axis.task": "lba",
    }
    assert shlex.split(run.command()) == ["lightning", *words]


def test_paths_are_shown_from_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path)
    assert shown(Path("below/../x.yaml")) == "x.yaml"
    monkeypatch.chdir(tmp_path / "below")
    assert shown(Path("../x.yaml")) == os.path.join(tmp_path, "x.yaml")


def test_seeds_of_the_file_may_be_a_list(tmp_path: Path) -> None:
    grid = load_grid(write(tmp_path, GRID.replace("seeds: 2", "seeds: [3, 8]")))
    assert sorted({run.seed for run in grid.runs()}) == [3, 8]
    assert sorted({run.seed for run in grid.runs(GridOptions(seeds=3))}) == [0, 1, 2]


def test_only_of_the_file(tmp_path: Path) -> None:
    grid = load_grid(write(tmp_path, f"{GRID}only:\n  - {{encoder: two}}\n"))
    assert {run.axes["encoder"] for run in grid.runs()} == {"two"}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("seeds: 2", "seeds: none", "seeds is 'none'; give their number"),
        ("seeds: 2", "seed: 2", "unknown key 'seed'; did you mean 'seeds'"),
        ("one.yaml]", "gone.yaml]", r"config file .*gone.yaml not found"),
        ("set: {model.size", "sets: {model.size", r"axes.encoder.two: unknown key 'sets'"),
        ("{encoder: two, task", "{encode: two, task", "no axis 'encode'; the axes are"),
        ("task: [lba]}", "task: [lab]}", r"task has no value \['lab'\]; it has"),
        ("base: [base.yaml]", "", "no 'base'; a grid needs"),
        ("    all: {}", "    all: 3", "found 3, expected names with their values"),
    ],
)
def test_mistakes_in_a_grid_are_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in GRID
    with pytest.raises(ValueError, match=message):
        load_grid(write(tmp_path, GRID.replace(old, new, 1)))


def test_runs_of_the_same_name_are_refused(tmp_path: Path) -> None:
    text = "base: [base.yaml]\naxes:\n  a: {x-y: {}, x: {}}\n  b: {z: {}, y-z: {}}\n"
    with pytest.raises(ValueError, match="several runs would be called x-y-z-seed0; rename"):
        load_grid(write(tmp_path, text)).runs()


def test_empty_rules_are_none(tmp_path: Path) -> None:
    text = GRID.split("exclude:")[0] + "only:\nexclude:\n"
    assert len(load_grid(write(tmp_path, text)).runs()) == 8


def test_missing_grid_names_those_there(tmp_path: Path) -> None:
    write(tmp_path)
    with pytest.raises(ValueError, match=r"gone.yaml not found; there are .*small.yaml"):
        load_grid(tmp_path / "gone.yaml")


@pytest.mark.parametrize(
    ("only", "message"),
    [
        (("encoder",), "give AXIS=VALUE"),
        (("encoder=three",), r"encoder has no value \['three'\]"),
        (("encoder=two", "task=lba"), "no run is left"),
    ],
)
def test_selection_that_fits_nothing(tmp_path: Path, only: tuple[str, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_grid(write(tmp_path)).runs(GridOptions(only=only))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seeds": 0}, "--seeds 0; it must be 1 or more"),
        ({"settings": ("a",)}, "--set a: give KEY=VALUE"),
        ({"configs": (Path("gone.yaml"),)}, "--config gone.yaml: not found from"),
    ],
)
def test_mistakes_on_the_command_line_are_named(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GridOptions(**options)
