"""A grid is run, cut off at any point, and run again."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest
from lightning.pytorch import Trainer

from hemenet_lab.benchmark.grids.run import GridOptions
from hemenet_lab.benchmark.launch import GridJob, LauncherStopped, Processes
from hemenet_lab.cli import lightning
from hemenet_lab.model.module import MultiTaskModule
from hemenet_lab.tracking import RecordedRun, RunDatabase, hold
from hemenet_lab.training.results import ResultsTable
from tests.benchmark.commands import NARROW, ROOT, Bench, epochs_of_steps

FIGURE4 = ROOT / "experiments" / "figure4.yaml"
TABLE4 = ROOT / "experiments" / "table4.yaml"


def resumed(bench: Bench) -> list[bool]:
    """Whether each command of the last launch went on from a checkpoint."""
    return [any("--ckpt_path" in word for word in words) for words in bench.here.commands]


def records(bench: Bench) -> list[RecordedRun]:
    return list(RunDatabase.open(bench.folder).runs())


def test_finished_runs_are_skipped_and_tagged(bench: Bench) -> None:
    options = bench.options(*NARROW, seeds=2)
    assert bench.run(FIGURE4, options) == 0
    assert resumed(bench) == [False, False]
    assert bench.said[0] == "Grid figure4: 2 runs: 2 not begun"
    assert "[2/2] hemenet-seed1: finished after" in bench.said[-1]
    assert bench.run(FIGURE4, options) == 0
    assert bench.here.commands == []
    found = sorted(records(bench), key=lambda record: record.name)
    assert [record.name for record in found] == ["figure4/hemenet-seed0", "figure4/hemenet-seed1"]
    tags = found[1].tags
    assert (tags["benchmark_grid"], tags["axis.model"], tags["seed"]) == ("figure4", "hemenet", "1")
    assert tags["benchmark_settings"] == options.text() != ""
    assert tags["benchmark_command"].startswith("lightning fit --config")
    assert len({record.identity for record in found}) == 2


def test_a_pasted_command_is_that_run_and_serves_other_grids(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = bench.options(*NARROW)
    (run,) = bench.runs(FIGURE4, options)
    monkeypatch.setattr(sys, "argv", ["lightning"])
    lightning(shlex.split(run.command())[1:])
    assert bench.run(FIGURE4, options) == 0
    assert bench.here.commands == []
    only = bench.options(*NARROW, only=["variant=full"])
    assert bench.run(TABLE4, only) == 0
    assert bench.here.commands == [], "the full model of table 4 is figure 4's"
    (record,) = records(bench)
    assert record.axes("table4") == {"variant": "full"}
    assert record.axes("figure4") == {"model": "hemenet"}
    assert record.axes("table3") is None


def fail_once(patch: pytest.MonkeyPatch, cls: type, method: str, condition: object = None) -> None:
    """Make a method raise while ``condition(self)`` holds."""
    original = getattr(cls, method)

    def failing(self: object, *args: object, **kwargs: object) -> object:
        if condition is None or condition(self):  # type: ignore[operator]  # a function
            raise ArithmeticError("cut off on purpose")
        return original(self, *args, **kwargs)

    patch.setattr(cls, method, failing)


def test_a_failed_run_is_reported_and_goes_on_from_its_last_epoch(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = bench.options(*NARROW, "trainer.max_epochs=3")
    with monkeypatch.context() as patch:
        fail_once(patch, MultiTaskModule, "training_step", lambda model: model.current_epoch == 2)
        assert bench.run(FIGURE4, options) == 1
    assert len(bench.here.commands) == 1, "nothing is tried again by itself"
    text = "\n".join(bench.said)
    assert "1 of 1 runs failed; start the command again to retry" in text
    log = text.split("FAILED (exit status 1), see ")[-1].splitlines()[0]
    assert "cut off on purpose" in Path(log).read_text()
    assert "ArithmeticError: cut off on purpose" in text
    (before,) = bench.statuses(FIGURE4, options)
    assert (before.state, before.record.epochs) == ("stopped", 2)
    assert "idle_seconds" not in before.record.tags

    epochs = epochs_of_steps(monkeypatch)
    assert bench.run(FIGURE4, options) == 0
    assert resumed(bench) == [True]
    said = "hemenet-seed0: goes on from its last checkpoint; was stopped in epoch 2 of 3"
    assert [line.strip() for line in bench.said[1:2]] == [said]
    assert epochs == [2, 2], "the two epochs before are not repeated"
    (after,) = bench.statuses(FIGURE4, options)
    assert after.state == "finished"
    assert after.identity == before.identity
    assert after.record.id == before.record.id
    assert 0 <= float(after.record.tags["idle_seconds"]) < after.record.end - after.record.start
    assert [record.status for record in records(bench)] == ["FINISHED"]


def test_a_run_cut_off_in_its_test_is_only_tested(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = bench.options(*NARROW)
    with monkeypatch.context() as patch:
        fail_once(patch, ResultsTable, "on_test_end")
        assert bench.run(FIGURE4, options) == 1
    (before,) = bench.statuses(FIGURE4, options)
    assert before.state == "stopped", "its metrics are there but it is not completed"
    assert any(name.startswith("test/") for name in before.record.metrics)
    fail_once(monkeypatch, MultiTaskModule, "training_step")
    assert bench.run(FIGURE4, options) == 0
    assert resumed(bench) == [True]


def test_a_run_cut_off_before_its_first_checkpoint_starts_anew(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = bench.options(*NARROW)
    with monkeypatch.context() as patch:
        fail_once(patch, MultiTaskModule, "training_step")
        assert bench.run(FIGURE4, options) == 1
    assert bench.run(FIGURE4, options) == 0
    assert resumed(bench) == [False]
    (status,) = bench.statuses(FIGURE4, options)
    assert status.state == "finished"
    assert sorted(record.finished for record in records(bench)) == [False, True]


def test_one_failure_does_not_stop_the_others(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = bench.options(*NARROW, seeds=2)
    broken: set[int] = set()

    def first(model: MultiTaskModule) -> bool:
        broken.add(id(model))
        return len(broken) == 1

    fail_once(monkeypatch, MultiTaskModule, "training_step", first)
    assert bench.run(FIGURE4, options) == 1
    assert [each.state for each in bench.statuses(FIGURE4, options)] == ["stopped", "finished"]
    assert "1 of 2 runs failed" in "\n".join(bench.said)


class Elsewhere(Processes):
    """Stands for another process that is at the run: it ends at the second look."""

    def __init__(self, bench: Bench, mark: str) -> None:
        super().__init__()
        self.bench = bench
        self.lock = hold(bench.folder, mark)
        self.looks = 0

    def pause(self, seconds: float) -> None:
        self.looks += 1
        if self.looks == 2:
            self.lock.release()

    def run(self, *args: object) -> int:
        return self.bench.here.run(*args)  # type: ignore[arg-type]  # as given


def test_a_run_that_another_process_is_at_is_waited_for(bench: Bench) -> None:
    options = bench.options(*NARROW)
    (before,) = bench.statuses(FIGURE4, options)
    other = Elsewhere(bench, before.identity)
    (held,) = bench.statuses(FIGURE4, options)
    assert held.state == "running"
    outcome = GridJob(held.run, held.identity, {"folder": str(bench.folder)})(other)
    assert (outcome.finished, other.looks) == (True, 2)
    again = GridJob(held.run, held.identity, {"folder": str(bench.folder)})(
        Elsewhere(bench, "0" * 64)
    )
    assert again.text == "finished by another process"
    assert len(bench.here.commands) == 1


def test_only_the_first_task_of_a_cluster_job_waits(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = bench.options(*NARROW)
    (status,) = bench.statuses(FIGURE4, options)
    monkeypatch.setenv("SLURM_PROCID", "1")
    other = Elsewhere(bench, status.identity)
    monkeypatch.setattr(other, "run", lambda *args: 0)
    GridJob(status.run, status.identity, {"folder": str(bench.folder)})(other)
    assert other.looks == 0
    other.lock.release()


def test_runs_that_are_the_same_are_refused(bench: Bench) -> None:
    alike = bench.options("model.readout=Sum", only=["variant=full,no_tar"])
    with pytest.raises(ValueError, match="runs full-seed0, no_tar-seed0 have the same settings"):
        bench.run(TABLE4, alike)


def test_a_benchmark_needs_mlflow(bench: Bench) -> None:
    with pytest.raises(ValueError, match=r"trainer.logger is False; a benchmark needs"):
        bench.run(FIGURE4, GridOptions(settings=("trainer.logger=false",)))


def test_stopped_launchers_start_nothing(tmp_path: Path) -> None:
    processes = Processes()
    processes.stop()
    with pytest.raises(LauncherStopped):
        processes.run(["fit"], tmp_path / "log", {})
    with pytest.raises(LauncherStopped):
        processes.pause(60)


def test_a_trainer_is_not_needed_to_look(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_once(monkeypatch, Trainer, "__init__")
    (status,) = bench.statuses(FIGURE4, bench.options(*NARROW))
    assert status.state == "not begun"
