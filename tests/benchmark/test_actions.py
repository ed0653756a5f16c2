"""The benchmark's face: cheap to import, plain arguments in, text or paths out."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from pathlib import Path
from typing import NoReturn, get_type_hints

import pytest

from hemenet_lab.benchmark import (
    GridOptions,
    Resolve,
    grid_commands,
    grid_status,
    grid_table,
    run_grid,
    write_figures,
    write_report,
)
from tests.benchmark.commands import ROOT, Bench
from tests.tracking.fake_runs import FakeRuns, Scored

FIGURE4 = ROOT / "experiments" / "figure4.yaml"
HEAVY = ("torch", "lightning", "mlflow", "matplotlib", "pandas", "jinja2")


def nothing(words: object) -> NoReturn:
    raise AssertionError("no config is needed here")


def test_the_face_is_cheap() -> None:
    program = f"import sys, hemenet_lab.benchmark; print([x for x in {HEAVY} if x in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "action", [grid_commands, run_grid, grid_status, grid_table, write_figures, write_report]
)
def test_arguments_have_types_and_words(action: object) -> None:
    """A command line can be made from them."""
    names = set(inspect.signature(action).parameters)  # type: ignore[arg-type]  # a function
    assert names | {"return"} == set(get_type_hints(action))
    text = inspect.getdoc(action) or ""
    own = names - {"store", "resolve"} if "as for `grid_table`" in text else names
    assert all(f"{name}:" in text or f"``{name}``" in text for name in own - {"grid", "options"})


def test_a_command_per_run_without_a_config_or_a_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    lines = grid_commands(FIGURE4, GridOptions(seeds=2))
    assert [line.split()[:2] for line in lines] == [["lightning", "fit"]] * 2


def test_results_of_a_folder_need_no_config(fake_runs: FakeRuns, tmp_path: Path) -> None:
    fake_runs.add({"model": "hemenet"}, 0, {"lba": Scored([5.0, 7.0], [4.0, 6.5])}, grid="figure4")
    here = GridOptions(folder=str(fake_runs.folder))
    text = grid_table(FIGURE4, here, resolve=nothing, style="csv")
    assert text.startswith("model,task,metric,mean")
    pictures = write_figures(FIGURE4, here, resolve=nothing, out=tmp_path / "figures")
    assert {path.name for path in pictures} == {"figure4-bars.png", "figure4-bars.svg"}
    page = write_report(FIGURE4, here, resolve=nothing, out=tmp_path / "new" / "page.html")
    assert "<title>figure4: results</title>" in page.read_text(encoding="utf-8")
    with pytest.raises(ValueError, match=r"has no finished run .*; only stores ab… were asked"):
        grid_table(FIGURE4, here, resolve=nothing, store="ab")


def test_status_is_text(bench: Bench, resolve: Resolve) -> None:
    lines = grid_status(FIGURE4, bench.options(), resolve=resolve)
    assert lines == ["hemenet-seed0  not begun", "1 runs: 1 not begun"]


def test_wrong_parameters_of_jobs_are_named() -> None:
    with pytest.raises(ValueError, match="--slurm gpu: give KEY=VALUE, such as timeout_min=600"):
        run_grid(FIGURE4, resolve=nothing, launcher="slurm", slurm=["gpu"])


def test_an_unknown_launcher_is_named() -> None:
    with pytest.raises(ValueError, match="launcher 'cloud'; allowed: local, slurm"):
        run_grid(FIGURE4, resolve=nothing, launcher="cloud")  # type: ignore[arg-type]  # the mistake


def test_an_interrupted_launcher_says_how_to_go_on(
    bench: Bench, resolve: Resolve, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr("hemenet_lab.benchmark.launch.run.run_local", interrupt)
    said: list[str] = []
    assert run_grid(FIGURE4, bench.options(), resolve=resolve, say=said.append) == 130
    assert said[-1] == "Interrupted; start the same command again to go on."
