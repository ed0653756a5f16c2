"""`hemenet benchmark` from the command line: status, dry run, mistakes."""

from __future__ import annotations

import csv
import shlex
from collections.abc import Callable
from functools import wraps
from pathlib import Path

import pytest

from hemenet_lab.benchmark.grids.grid import load_grid
from hemenet_lab.benchmark.grids.identities import Identities
from hemenet_lab.benchmark.launch.status import (
    RunStatus,
    best_run,
    lines,
    log_path,
    start_text,
    summary,
)
from hemenet_lab.cli import benchmark, hemenet
from hemenet_lab.cli.benchmark import Selection
from hemenet_lab.tracking import RecordedRun
from tests.benchmark.commands import NARROW, ROOT, Bench
from tests.test_docs import commands

FIGURE4 = ROOT / "experiments" / "figure4.yaml"
TABLE4 = ROOT / "experiments" / "table4.yaml"


def record(run_id: str = "1", **changes: object) -> RecordedRun:
    values = {
        "id": run_id,
        "name": "r",
        "status": "FINISHED",
        "start": 1000.0,
        "end": 1600.0,
        "metrics": {"test/loss": 1.0, "epoch": 4.0},
        "tags": {"completed": "true"},
    }
    return RecordedRun(**{**values, **changes})  # type: ignore[arg-type]  # as given


def test_finished_means_tested_and_completed() -> None:
    assert record().finished
    assert not record(tags={}).finished
    assert not record(metrics={"val/loss": 1.0}).finished


def test_the_run_furthest_on_is_looked_at() -> None:
    cut = {"tags": {}, "metrics": {"epoch": 7.0}}
    runs = [record("old", start=1.0), record("cut", **cut), record("new", tags={}, start=9e9)]
    assert best_run(runs, lambda each: None).id == "old"
    assert best_run(runs[1:], lambda each: None).id == "cut"
    assert best_run(runs[1:], lambda each: each.id == "new").id == "new"
    assert best_run([], lambda each: None) is None


def test_lines_say_where_each_run_stands(bench: Bench) -> None:
    runs = bench.runs(TABLE4, bench.options(*NARROW, "trainer.max_epochs=30"))
    runs = [run for run in runs if run.axes["variant"] != "no_tar_mean"]
    cut = record("2", tags={}, metrics={"epoch": 4.0}, end=None)
    found = [
        RunStatus(runs[0], "a" * 64, "finished", record(), None),
        RunStatus(runs[1], "b" * 64, "running", cut, None),
        RunStatus(runs[2], "c" * 64, "stopped", cut, Path("last.ckpt")),
        RunStatus(runs[3], "d" * 64, "not begun", None, None),
    ]
    log = log_path(bench.folder, runs[2], "c" * 64)
    log.parent.mkdir(parents=True)
    log.touch()
    assert list(lines(found, Identities(bench.resolve), bench.folder)) == [
        "full-seed0          finished   in 10 min, run 1",
        "no_tar-seed0        running    epoch 5 of 30, run 2",
        f"no_relations-seed0  stopped    epoch 5 of 30, run 2, see {log}",
        "alpha_carbon-seed0  not begun",
        # two whole runs, and one less the 4 of 30 epochs that need not be repeated
        "4 runs: 1 finished, 1 running, 1 stopped, 1 not begun; about 29 min of computing left, "
        "one run at a time",
    ]
    assert summary(found[:1], Identities(bench.resolve)) == "1 runs: 1 finished"


def test_what_a_run_begins_with(bench: Bench) -> None:
    (run,) = bench.runs(
        TABLE4, bench.options(*NARROW, "trainer.max_epochs=4", only=["variant=full"])
    )
    identities = Identities(bench.resolve)
    cut = record(tags={}, metrics={"epoch": 2.0}, end=None)
    tested = record(tags={}, metrics={"epoch": 4.0, "test/loss": 1.0}, end=None)
    saved = Path("last.ckpt")
    begun = [
        RunStatus(run, "a", "not begun", None, None),
        RunStatus(run, "a", "stopped", cut, None),
        RunStatus(run, "a", "stopped", cut, saved),
        RunStatus(run, "a", "stopped", tested, saved),
        RunStatus(run, "a", "running", cut, saved),
    ]
    assert [start_text(each, identities) for each in begun] == [
        "starts",
        "starts anew, no checkpoint; was stopped in epoch 3 of 4",
        "goes on from its last checkpoint; was stopped in epoch 3 of 4",
        "goes on from its last checkpoint; was stopped in epoch 4 of 4",
        "another process is at it; waits for its end",
    ]


def test_time_between_processes_does_not_count() -> None:
    assert record().seconds == 600
    assert record(end=None).seconds is None
    assert record(tags={"completed": "true", "idle_seconds": "550.5"}).seconds == 49.5


def test_status_command(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--set", f"data.root={bench.store}", "--folder", str(bench.folder), "--seeds", "1"]
    assert hemenet(["benchmark", "status", str(TABLE4), *words, "--only", "variant=full"]) == 0
    assert capsys.readouterr().out.splitlines() == ["full-seed0  not begun", "1 runs: 1 not begun"]


def test_table_and_report_of_what_has_run(
    bench: Bench, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    options = bench.options(*NARROW)
    assert bench.run(FIGURE4, options) == 0
    place = ["--folder", str(bench.folder)]
    same = ["--seeds", "1", "--config", *map(str, options.configs), "--set", *options.settings]
    capsys.readouterr()
    for words in (place, [*place, *same]):
        assert hemenet(["benchmark", "table", str(FIGURE4), *words, "--style", "csv"]) == 0
        rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
        assert {"lba", "ec"} <= {row["task"] for row in rows}
    other = [*same, "data.batch_graphs=3"]
    assert hemenet(["benchmark", "table", str(FIGURE4), *place, *other]) == 2
    assert "has no finished run" in capsys.readouterr().err
    page = tmp_path / "report.html"
    assert hemenet(["benchmark", "report", str(FIGURE4), *place, "--out", str(page)]) == 0
    text = page.read_text()
    assert "figure4" in text
    assert "Cost against score" in text
    assert "Not recorded by these runs" not in text, "time, memory and size are all there"


def test_dry_run_prints_one_command_per_run_and_nothing_else(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    assert (
        hemenet(["benchmark", "run", "experiments/table4.yaml", "--seeds", "2", "--dry-run"]) == 0
    )
    printed = capsys.readouterr()
    commands = [shlex.split(line) for line in printed.out.splitlines()]
    assert [words[:4] for words in commands] == [
        ["lightning", "fit", "--config", "experiments/multitask.yaml"]
    ] * 10
    assert commands[2][4:6] == ["--config", "configs/ablation/no_tar.yaml"]
    assert "# 10 runs; their paths hold from" in printed.err


def documented() -> list[str]:
    """`hemenet benchmark` commands of the documentation."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    found = {command for page in pages for command in commands(page)}
    return sorted(c for c in found if c.startswith("hemenet benchmark"))


@pytest.mark.parametrize("command", documented())
def test_documented_commands_are_understood(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    grids: list[Path] = []

    def noting(function: Callable[..., object]) -> Callable[..., int]:
        @wraps(function)
        def note(grid: Path, *, selection: Selection, **others: object) -> int:
            grids.append(grid)
            return len(load_grid(grid).runs(selection.options())) == 0

        return note

    def noting_store(function: Callable[..., object]) -> Callable[..., int]:
        @wraps(function)
        def note(store: str, **others: object) -> int:
            grids.append(Path(store))
            return 0

        return note

    for name in ("run", "status", "table", "figures", "report"):
        monkeypatch.setattr(benchmark, name, noting(getattr(benchmark, name)))
    for name in ("baselines", "llm"):
        monkeypatch.setattr(benchmark, name, noting_store(getattr(benchmark, name)))
    assert hemenet(shlex.split(command)[1:]) == 0, capsys.readouterr().err
    assert len(grids) == 1


def test_there_are_documented_commands() -> None:
    assert len(documented()) >= 10


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "gone.yaml"], "grid file gone.yaml not found"),
        (["status", str(TABLE4), "--seeds", "0"], "--seeds 0; it must be 1 or more"),
        (["run", str(TABLE4), "--slurm", "gpu"], "--slurm gpu: give KEY=VALUE"),
        (["run", str(TABLE4), "--set", "data.root=/gone", "--seeds", "1"], "/gone"),
    ],
)
def test_mistakes_are_named_and_exit_with_2(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = [] if words[1] == "gone.yaml" else ["--folder", str(tmp_path)]
    assert hemenet(["benchmark", *words, *folder]) == 2
    assert message in capsys.readouterr().err
