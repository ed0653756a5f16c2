"""Recipes that come with the package: found from any folder, listed, copied, and in the wheel."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

from hemenet_lab.basics import all_recipes, recipe_note, recipe_path, recipes_folder
from hemenet_lab.benchmark import GridOptions, grid_commands
from hemenet_lab.cli import hemenet
from hemenet_lab.cli.config_file import config_notes, expand_includes

ROOT = Path(__file__).resolve().parents[2]
MAIN = "experiments/multitask.yaml"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path: Path, **content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(content))
    return path


def test_a_recipe_is_found_from_any_folder(folder: Path) -> None:
    assert Path(recipe_path(MAIN)) == recipes_folder() / MAIN
    assert recipe_path("./configs/../experiments//multitask.yaml") == str(recipes_folder() / MAIN)
    sources = [*expand_includes(MAIN)]
    assert any("hemenet_small" in source for source in sources)
    assert str(recipes_folder() / MAIN) in config_notes(["fit", "--config", MAIN])[0]


def test_a_file_of_the_folder_wins_and_that_is_said(folder: Path) -> None:
    write(folder / MAIN, seed_everything=7)
    assert recipe_path(MAIN) == MAIN
    assert config_notes([f"--config={MAIN}", "-c", MAIN]) == [
        f"{MAIN}: the file of this folder, not the recipe of the package"
    ]
    (source,) = expand_includes(MAIN)
    assert Path(source).resolve() == folder / MAIN


def test_what_is_no_recipe_stays_as_it_is(folder: Path) -> None:
    for word in ("experiments/none.yaml", "other/multitask.yaml", "../experiments/multitask.yaml"):
        assert recipe_path(word) == word
        assert recipe_note(word) == ""
    write(folder / "mine.yaml", seed_everything=1)
    assert config_notes(["fit", "--config", "mine.yaml", "--config", "a: 1\nb: 2\n"]) == []


@pytest.mark.parametrize("name", [MAIN, "../experiments/multitask.yaml"])
def test_own_files_build_on_recipes(name: str, folder: Path) -> None:
    own = write(folder / "deep" / "own.yaml" if name == MAIN else folder / "configs" / "own.yaml")
    write(own, include=[name], seed_everything=3)
    sources = [*expand_includes(str(own))]
    assert yaml.safe_load(sources[-1]) == {"seed_everything": 3}
    assert len(sources) > 3


def test_grids_run_from_any_folder(folder: Path) -> None:
    options = GridOptions(seeds=1, configs=(Path("configs/trainer/smoke.yaml"),))
    first = grid_commands(Path("experiments/table4.yaml"), options)[1]
    assert "--config experiments/multitask.yaml --config configs/trainer/smoke.yaml" in first
    assert "--config configs/ablation/no_tar.yaml" in first
    # a file of the folder would be read instead, so that the recipe is named by its whole path
    write(folder / MAIN, seed_everything=7)
    first = grid_commands(Path("experiments/table4.yaml"), options)[1]
    assert f"--config {recipes_folder() / MAIN} " in first
    own = write(folder / "own.yaml", base=[MAIN], axes={"a": {"b": {}}})
    assert f"--config {MAIN} " in grid_commands(own)[0]
    with pytest.raises(ValueError, match="`hemenet recipes` lists"):
        grid_commands(Path("experiments/table9.yaml"))


def test_init_writes_copies_and_keeps_what_is_there(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = write(folder / "here" / MAIN, seed_everything=7)
    assert hemenet(["init", "here"]) == 0
    printed = capsys.readouterr()
    assert f"{len(all_recipes()) - 1} files written to here" in printed.out
    assert "kept as it is: here/experiments/multitask.yaml" in printed.err
    assert yaml.safe_load(mine.read_text()) == {"seed_everything": 7}
    copy = folder / "here" / "configs" / "trainer" / "cpu.yaml"
    assert copy.read_bytes() == (recipes_folder() / "configs/trainer/cpu.yaml").read_bytes()
    (folder / "file").touch()
    assert hemenet(["init", "file"]) == 2
    assert "is a file" in capsys.readouterr().err


def test_every_recipe_has_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert hemenet(["recipes"]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = [line for line in lines if line.startswith("    ")]
    assert len(rows) == len(all_recipes())
    assert [line for line in rows if len(line.split()) < 3] == []
    assert max(map(len, lines[:-1])) <= 80
    assert lines.index("  configs/data/") > lines.index("For `hemenet benchmark run FOLDER/NAME`:")


def test_a_wheel_holds_every_recipe(tmp_path: Path) -> None:
    pytest.importorskip("setuptools")
    source = tmp_path / "source"
    source.mkdir()
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("hemenet_lab", "baselines", "experiments", "configs"):
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, source / name, ignore=ignore)
    program = "import setuptools.build_meta as b; print(b.build_wheel('..'))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=source, capture_output=True, text=True, check=True
    )
    wheel = zipfile.ZipFile(tmp_path / done.stdout.split()[-1])
    held = {*wheel.namelist()}
    recipes = {path.relative_to(ROOT) for path in all_recipes()}
    assert {f"hemenet_lab/shipped/{path.as_posix()}" for path in recipes} <= held
    for path in sorted((ROOT / "hemenet_lab").rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            assert path.relative_to(ROOT).as_posix() in held
    # inside the package they are found as well, and what they include
    wheel.extractall(tmp_path / "site")
    program = (
        "from hemenet_lab.basics import recipes_folder; from hemenet_lab.cli.config_file import "
        f"expand_includes; print(recipes_folder(), len([*expand_includes({MAIN!r})]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [str(tmp_path / "site/hemenet_lab/shipped"), "5"]
