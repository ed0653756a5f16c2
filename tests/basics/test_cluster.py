"""Jobs on the workers of a dask scheduler, two processes on loopback."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from hemenet_lab.basics import run_on_cluster
from hemenet_lab.protein_mt.build import build_store
from tests.protein_mt.raw_folder import write_raw

dask = pytest.importorskip("dask", reason="needs the extra 'cluster'")
distributed = pytest.importorskip("distributed", reason="needs the extra 'cluster'")


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    """Address of a scheduler; a job that ends two workers is given up."""
    settings = {
        "distributed.scheduler.allowed-failures": 1,
        "distributed.scheduler.worker-saturation": 1.0,
        "distributed.admin.large-graph-warning-threshold": "1GB",
    }
    with (
        dask.config.set(settings),
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address=None,
            worker_dashboard_address=None,
            silence_logs=50,
        ) as cluster,
    ):
        yield cluster.scheduler_address


def square(number: int) -> int:
    return number * number


def die_once(mark: Path, number: int) -> int:
    if number == 5 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def die_at_three(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def wait(mark: Path, number: int) -> int:
    time.sleep(0.2)
    mark.with_name(str(number)).touch()
    return number


def test_results_come_in_order_and_jobs_are_taken_as_needed(scheduler: str) -> None:
    taken = []

    def numbers() -> Iterator[int]:
        for number in range(200):
            taken.append(number)
            yield number

    found = run_on_cluster(square, numbers(), scheduler, name=str)
    assert next(found) == 0
    assert len(taken) < 200
    assert list(found) == [number * number for number in range(1, 200)]
    assert list(run_on_cluster(square, [], scheduler, name=str)) == []


def test_who_stops_early_leaves_nothing_in_the_queue(scheduler: str, tmp_path: Path) -> None:
    found = run_on_cluster(partial(wait, tmp_path / "mark"), range(30), scheduler, name=str)
    assert next(found) == 0
    found.close()
    time.sleep(0.8)
    assert len(list(tmp_path.iterdir())) < 10


def test_a_killed_worker_costs_its_own_jobs_a_second_run(scheduler: str, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    found = run_on_cluster(partial(die_once, mark), range(20), scheduler, name=str)
    assert list(found) == list(range(20))
    assert mark.exists()


def test_a_job_that_kills_its_workers_is_named_when_the_others_are_done(scheduler: str) -> None:
    found = run_on_cluster(die_at_three, range(8), scheduler, name=lambda job: f"file {job}")
    done = [next(found) for _ in range(7)]
    with pytest.raises(ValueError, match=r"^1 jobs ended .*: file 3; the others are done"):
        next(found)
    assert done == [0, 1, 2, 4, 5, 6, 7]


def test_a_store_has_the_same_bytes(scheduler: str, tmp_path: Path, monkeypatch: Any) -> None:
    raw = write_raw(tmp_path / "raw")
    build_store(raw, tmp_path / "here")
    monkeypatch.chdir(tmp_path)  # the workers are in another folder
    build_store("raw", "there", executor=scheduler)
    names = sorted(path.name for path in (tmp_path / "here").iterdir())
    assert sorted(path.name for path in (tmp_path / "there").iterdir()) == names
    for name in names:
        assert (tmp_path / "there" / name).read_bytes() == (tmp_path / "here" / name).read_bytes()


def read_file(path: Path) -> bytes:
    return path.read_bytes()


def broken(number: int) -> int:
    raise RuntimeError("no such thing")


def test_a_worker_that_does_not_see_the_files(scheduler: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"all workers have to see the same files .* same paths"):
        list(run_on_cluster(read_file, [tmp_path / "none"], scheduler, name=str))
    with pytest.raises(ValueError, match=r"could not do 1 \(RuntimeError: no such thing\)"):
        list(run_on_cluster(broken, [1], scheduler, name=str))


def test_a_worker_with_other_code(scheduler: str, monkeypatch: Any) -> None:
    monkeypatch.setattr("hemenet_lab.basics.cluster._code", lambda: "another")
    with pytest.raises(ValueError, match=r"worker at tcp://.* has other code of hemenet-lab"):
        list(run_on_cluster(square, [1], scheduler, name=str))


def test_addresses_that_are_none(monkeypatch: Any) -> None:
    for address in ("localhost:8786", "http://host:8786", "tcp://"):
        with pytest.raises(ValueError, match=r"such as tcp://host:8786"):
            list(run_on_cluster(square, [1], address, name=str))
    monkeypatch.setattr("hemenet_lab.basics.cluster.CONNECT_SECONDS", 0.3)
    with pytest.raises(ValueError, match=r"no dask scheduler answers at tcp://127.0.0.1:9 "):
        list(run_on_cluster(square, [1], "tcp://127.0.0.1:9", name=str))


def test_a_scheduler_without_workers(monkeypatch: Any) -> None:
    monkeypatch.setattr("hemenet_lab.basics.cluster.CONNECT_SECONDS", 0.5)
    with (
        distributed.LocalCluster(
            n_workers=0, host="127.0.0.1", dashboard_address=None, silence_logs=50
        ) as cluster,
        pytest.raises(ValueError, match=r"has no workers; start some with: dask worker tcp://"),
    ):
        list(run_on_cluster(square, [1], cluster.scheduler_address, name=str))
