"""Runs as cluster jobs: on submitit's local executor, and on a pretended queue."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hemenet_lab.benchmark.grids import Identities
from hemenet_lab.benchmark.launch import GridJob, Outcome, Processes, lines
from hemenet_lab.benchmark.launch.progress import Progress
from hemenet_lab.benchmark.launch.queue import (
    Submitted,
    jobs_folder,
    last_state,
    note_submitted,
    queue_states,
    submitted,
)
from hemenet_lab.benchmark.launch.run import number_of
from hemenet_lab.benchmark.launch.slurm import outcome_of, run_slurm
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


class Handle:
    """A job that has left its result, or an error, or nothing.

    Args:
        id: As SLURM shows it.
        folder: Of the results.
        result: What it has returned or raised; None for a job without an end.
    """

    def __init__(self, id: str, folder: Path, result: Outcome | Exception | None = None) -> None:
        self.job_id, self.num_tasks, self.result = id, 1, result
        pickled = folder / f"{id}.pkl"
        if result is not None:
            pickled.touch()
        self.paths = SimpleNamespace(stderr=f"/somewhere/{id}.err", result_pickle=pickled)

    def task(self, number: int) -> Handle:
        return self

    def done(self) -> bool:
        return self.result is not None

    def exception(self) -> Exception | None:
        return self.result if isinstance(self.result, Exception) else None

    def results(self) -> list[object]:
        return [self.result]


class Cluster:
    """A pretended executor and queue.

    Args:
        folder: Of the results.
        ends: What comes of each job in the order of submission.
    """

    def __init__(self, folder: Path, *ends: Outcome | Exception | None) -> None:
        self.folder, self.ends = folder, list(ends)
        self.jobs: list[GridJob] = []
        self.queue: dict[str, str] | None = {}

    def submit(self, job: GridJob) -> Handle:
        self.jobs.append(job)
        return Handle(f"7_{len(self.jobs)}", self.folder, self.ends.pop(0))

    def batch(self) -> nullcontext[None]:
        return nullcontext()


@pytest.fixture
def follow(
    monkeypatch: pytest.MonkeyPatch, bench: Bench, tmp_path: Path
) -> Callable[..., tuple[list[Outcome], list[str]]]:
    """Runs jobs on a `Cluster`; gives the outcomes, and the lines that were printed."""
    here = "hemenet_lab.benchmark.launch.slurm"
    monkeypatch.setattr(f"{here}.POLL_SECONDS", 0.0)
    monkeypatch.setattr(f"{here}.QUEUE_SECONDS", 0.0)

    def run(
        cluster: Cluster, jobs: list[GridJob], how: str = ""
    ) -> tuple[list[Outcome], list[str]]:
        said: list[str] = []
        monkeypatch.setattr(f"{here}._executor", lambda *_: cluster)
        monkeypatch.setattr(f"{here}.queue_states", lambda: cluster.queue)
        monkeypatch.setattr(f"{here}.last_state", lambda job: how)
        return run_slurm(jobs, Progress(len(jobs), 0, 1, said.append), tmp_path, {}), said

    return run


def test_a_job_that_breaks_is_reported_with_its_log(tmp_path: Path) -> None:
    broken = Handle("7", tmp_path, OSError("no space left\non the device"))
    assert outcome_of("gcn-seed0", broken) == Outcome(
        "gcn-seed0", False, "FAILED (no space left), see /somewhere/7.err"
    )


def test_a_lost_job_is_submitted_once_more(bench: Bench, tmp_path: Path, follow: Any) -> None:
    job = job_of(bench)
    good = Outcome(job.run.name, True, "finished")
    cluster = Cluster(tmp_path, None, good)
    outcomes, said = follow(cluster, [job], "NODE_FAIL")
    assert outcomes == [good]
    assert "job 7_1 was lost (NODE_FAIL); once more as job 7_2" in said[1]
    assert submitted(tmp_path) == {job.identity: Submitted("7_2")}


def test_a_job_that_is_lost_twice_or_cancelled_has_failed(
    bench: Bench, tmp_path: Path, follow: Any
) -> None:
    job = job_of(bench)
    ([outcome], _) = follow(Cluster(tmp_path, None, None), [job])
    assert outcome.text == "FAILED (lost twice), see /somewhere/7_2.err"
    cancelled = Cluster(tmp_path, None)
    ([outcome], _) = follow(cluster=cancelled, jobs=[job], how="CANCELLED")
    assert outcome.text == "FAILED (job 7_1 was cancelled)"
    assert len(cancelled.jobs) == 1


def test_a_failed_training_is_not_repeated(bench: Bench, tmp_path: Path, follow: Any) -> None:
    job = job_of(bench)
    bad = Outcome(job.run.name, False, "FAILED (exit status 1), see log")
    cluster = Cluster(tmp_path, bad)
    assert follow(cluster, [job])[0] == [bad]
    assert len(cluster.jobs) == 1


def test_a_queue_that_does_not_answer_loses_nothing(
    bench: Bench, tmp_path: Path, follow: Any
) -> None:
    job = job_of(bench)
    cluster = Cluster(tmp_path, None)
    looks: list[None] = []

    class Slow(Handle):
        def done(self) -> bool:
            looks.append(None)
            if len(looks) == 4:
                self.result = Outcome(job.run.name, True, "finished")
                self.paths.result_pickle.touch()
            return self.result is not None

    cluster.queue = None
    cluster.submit = lambda job: Slow("7_1", tmp_path)  # type: ignore[method-assign]
    ([outcome], _) = follow(cluster, [job])
    assert outcome.finished
    assert len(looks) == 4


def test_jobs_in_the_queue_are_followed_not_submitted_again(
    bench: Bench, tmp_path: Path, follow: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_of(bench)
    good = Outcome(job.run.name, True, "finished")
    note_submitted(tmp_path, {job.identity: Submitted("5_0", 2), "b" * 64: Submitted("4")})
    found = []

    def handle(folder: Path, job_id: str, tasks: list[int]) -> Handle:
        found.append((job_id, tasks))
        return Handle(job_id, folder, good)

    monkeypatch.setattr("submitit.SlurmJob", handle)
    cluster = Cluster(tmp_path)
    cluster.queue = {"5_0": "PENDING"}
    outcomes, said = follow(cluster, [job])
    assert outcomes == [good]
    assert found == [("5_0", [0, 1])]
    assert cluster.jobs == []
    assert "job 5_0 is in the queue" in said[0]


def pretend(folder: Path, name: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a command in front of the real one."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def test_what_the_scheduler_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(tmp_path, "squeue", "printf '12_3 PENDING\\n 13 RUNNING\\n\\n'", monkeypatch)
    pretend(tmp_path, "scontrol", "echo JobId=12 JobName=x JobState=NODE_FAIL Re=1", monkeypatch)
    assert queue_states() == {"12_3": "PENDING", "13": "RUNNING"}
    assert last_state("12") == "NODE_FAIL"
    pretend(tmp_path, "squeue", "exit 1", monkeypatch)
    pretend(tmp_path, "scontrol", "exit 1", monkeypatch)
    assert queue_states() is None
    assert last_state("12") == ""


def test_the_status_of_a_grid_shows_its_jobs(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = bench.options(*NARROW)
    (first,) = bench.statuses(FIGURE4, options)
    assert (first.state, first.job) == ("not begun", "")
    folder = jobs_folder(bench.folder, "figure4")
    note_submitted(folder, {first.identity: Submitted("12_3")})
    pretend(tmp_path, "squeue", "echo 12_3 PENDING", monkeypatch)
    (seen,) = bench.statuses(FIGURE4, options)
    assert (seen.state, seen.job) == ("queued", "job 12_3 pending")
    assert next(lines([seen], Identities(bench.resolve), bench.folder)).endswith(
        "queued     job 12_3 pending"
    )
    pretend(tmp_path, "squeue", "echo 12_3 RUNNING", monkeypatch)
    assert bench.statuses(FIGURE4, options)[0].state == "running"
    pretend(tmp_path, "squeue", "echo 11 RUNNING", monkeypatch)
    assert bench.statuses(FIGURE4, options)[0].state == "not begun"


def test_what_a_job_trains_saves_before_the_job_is_put_back(tmp_path: Path) -> None:
    saved = tmp_path / "saved"
    trap = f"import signal, time; signal.signal(15, lambda *_: (open({str(saved)!r}, 'w'), exit()))"
    child = subprocess.Popen(
        [sys.executable, "-c", f"{trap}; print('ready', flush=True); time.sleep(60)"],
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert child.stdout is not None
    child.stdout.readline()
    processes = Processes()
    processes._running.add(child)
    processes.ask_to_end()
    assert saved.exists()
    assert child.wait(0.1) == 0, "its status is left for who waits for it"


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
