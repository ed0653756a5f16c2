"""Runs as cluster jobs, on submitit's local executor."""

from __future__ import annotations

import pickle
import sys
from types import SimpleNamespace

import pytest

from hemenet_lab.benchmark.launch import GridJob, Outcome
from hemenet_lab.benchmark.launch.launchers import outcome_of, run_slurm
from hemenet_lab.benchmark.launch.progress import Progress
from hemenet_lab.benchmark.launch.run import number_of
from tests.benchmark.commands import NARROW, ROOT, Bench

FIGURE4 = ROOT / "experiments" / "figure4.yaml"


@pytest.mark.slow
def test_jobs_run_to_the_end(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    options = bench.options(*NARROW)
    slurm = {"cluster": "local", "timeout_min": 10}
    assert bench.run(FIGURE4, options, launcher="slurm", slurm=slurm) == 0
    (status,) = bench.statuses(FIGURE4, options)
    assert status.state == "finished"
    assert list((bench.folder / "jobs" / "figure4").glob("*.pkl")), "submitit has run it"
    assert bench.here.commands == []


def job_of(bench: Bench) -> GridJob:
    (run,) = bench.runs(FIGURE4, bench.options())
    return GridJob(run, "a" * 64, {"folder": str(bench.folder)})


def test_a_job_that_breaks_is_reported_with_its_log() -> None:
    broken = SimpleNamespace(
        exception=lambda: OSError("no space left\non the device"),
        paths=SimpleNamespace(stderr="/somewhere/7_log.err"),
    )
    outcome = outcome_of("gcn-seed0", broken)
    assert outcome == Outcome(
        "gcn-seed0", False, "FAILED (no space left), see /somewhere/7_log.err"
    )


def test_a_job_travels_and_is_put_back_as_it_is(bench: Bench) -> None:
    job = job_of(bench)
    assert pickle.loads(pickle.dumps(job)) == job
    assert job.checkpoint().function == job


def test_parameters_that_submitit_does_not_know(bench: Bench) -> None:
    with pytest.raises(ValueError, match=r"submitit refuses cluster 'local' with .*partitoin"):
        bench.run(
            FIGURE4,
            bench.options(*NARROW),
            launcher="slurm",
            slurm={"cluster": "local", "partitoin": "gpu"},
        )


@pytest.mark.parametrize(
    ("settings", "layout"),
    [
        ((), {"nodes": 1, "tasks_per_node": 1}),
        (("trainer.accelerator=gpu",), {"nodes": 1, "tasks_per_node": 1, "gpus_per_node": 1}),
        (
            ("trainer.accelerator=gpu", "trainer.devices=4", "trainer.num_nodes=2"),
            {"nodes": 2, "tasks_per_node": 4, "gpus_per_node": 4},
        ),
    ],
)
def test_one_task_per_device(
    bench: Bench,
    monkeypatch: pytest.MonkeyPatch,
    settings: tuple[str, ...],
    layout: dict[str, int],
) -> None:
    given: dict[str, int] = {}

    def note(jobs: object, progress: object, folder: object, parameters: dict, *_: object) -> list:
        given.update(parameters)
        return []

    monkeypatch.setattr("hemenet_lab.benchmark.launch.run.run_slurm", note)
    bench.run(FIGURE4, bench.options(*NARROW, *settings), launcher="slurm")
    assert given == layout


def test_numbers_of_devices() -> None:
    ways = (1, "1", 4, "4", [0, 2], "0,2", "2,", "auto", -1, "-1")
    assert [number_of(each) for each in ways] == [1, 1, 4, 4, 2, 2, 1, None, -1, -1]


def test_a_cluster_must_know_the_devices(bench: Bench) -> None:
    everything = bench.options(*NARROW, "trainer.accelerator=gpu", "trainer.devices=-1")
    with pytest.raises(ValueError, match=r"must know how many devices: --set trainer.devices=8"):
        bench.run(FIGURE4, everything, launcher="slurm")


def test_without_submitit_it_says_what_to_install(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(ValueError, match=r"pip install 'hemenet-lab\[cluster\]'"):
        run_slurm([], Progress(0, 0, 1), bench.folder, {})
