"""Runs as cluster jobs, on submitit's local executor."""

from __future__ import annotations

import pickle
import sys

import pytest

from hemenet_lab.benchmark.launch_job import Job, Outcome
from hemenet_lab.benchmark.progress import Progress
from hemenet_lab.benchmark.slurm import run_slurm
from tests.benchmark.commands import NARROW, ROOT, Bench

FIGURE4 = ROOT / "experiments" / "figure4.yaml"


@pytest.mark.slow
def test_jobs_run_to_the_end(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    options = bench.options(*NARROW)
    slurm = {"cluster": "local", "timeout_min": 10}
    assert bench.run(FIGURE4, options, launcher="slurm", slurm=slurm) == 0
    (standing,) = bench.standings(FIGURE4, options)
    assert standing.state == "finished"
    assert list((bench.folder / "jobs" / "figure4").glob("*.pkl")), "submitit has run it"
    assert bench.here.commands == []


def job_of(bench: Bench) -> Job:
    (run,) = bench.runs(FIGURE4, bench.options())
    return Job(run, "a" * 64, {"folder": str(bench.folder)})


class Broken(Job):
    """A job that the cluster cannot even start."""

    def __call__(self, *args: object) -> Outcome:
        raise OSError("no space left on device")


def test_a_job_that_breaks_is_reported(bench: Bench) -> None:
    job = job_of(bench)
    said: list[str] = []
    progress = Progress(1, 0, 1, said.append)
    broken = [Broken(job.run, job.identity, job.tracker)]
    parameters = {"timeout_min": 1}
    (outcome,) = run_slurm(broken, progress, bench.folder / "jobs", parameters, cluster="debug")
    assert not outcome.finished
    assert "no space left on device" in outcome.text
    assert "[1/1] hemenet-seed0: FAILED" in said[-1]


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


def test_without_submitit_it_says_what_to_install(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(ValueError, match=r"pip install 'hemenet-lab\[slurm\]'"):
        run_slurm([], Progress(0, 0, 1), bench.folder, {})
