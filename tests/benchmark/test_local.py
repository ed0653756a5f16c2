"""Places of a machine that runs take, and what is said meanwhile."""

from __future__ import annotations

import pytest
import torch

from hemenet_lab.benchmark.launch.launchers import machine_slots
from hemenet_lab.benchmark.launch.progress import Progress, duration


@pytest.fixture(autouse=True)
def four_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr("hemenet_lab.benchmark.launch.launchers.usable_cores", lambda: 4)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)


def test_cores_are_divided(monkeypatch: pytest.MonkeyPatch) -> None:
    assert machine_slots(None, one_device=True) == [{"OMP_NUM_THREADS": "4"}]
    assert machine_slots(3, one_device=True) == [{"OMP_NUM_THREADS": "1"}] * 3
    assert machine_slots(8, one_device=True) == [{"OMP_NUM_THREADS": "1"}] * 8
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert machine_slots(4, one_device=True) == [{"OMP_NUM_THREADS": "2"}] * 4


def test_one_gpu_per_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    assert [slot["CUDA_VISIBLE_DEVICES"] for slot in machine_slots(None, True)] == ["0", "1", "2"]
    assert [slot["CUDA_VISIBLE_DEVICES"] for slot in machine_slots(4, True)] == [*"0120"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")
    assert [slot["CUDA_VISIBLE_DEVICES"] for slot in machine_slots(None, True)] == ["4", "7"]


def test_spaces_between_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4, 7,")
    assert [slot["CUDA_VISIBLE_DEVICES"] for slot in machine_slots(None, True)] == ["4", "7"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert machine_slots(None, one_device=True) == [{"OMP_NUM_THREADS": "4"}]


def test_runs_on_several_gpus_each_do_not_meet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    with pytest.raises(ValueError, match=r"--max-parallel 2, but these runs use several devices"):
        machine_slots(2, one_device=False)
    assert len(machine_slots(1, one_device=False)) == 1
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert len(machine_slots(2, one_device=False)) == 2  # processes on the CPU


def test_gpus_are_left_alone_where_one_or_all_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert "CUDA_VISIBLE_DEVICES" not in machine_slots(2, one_device=True)[0]
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    assert machine_slots(None, one_device=False) == [{"OMP_NUM_THREADS": "4"}]


@pytest.mark.parametrize("count", [0, -1])
def test_no_place_at_all_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match=r"--max-parallel .*; it must be 1 or more"):
        machine_slots(count, one_device=True)


def test_duration() -> None:
    assert [duration(seconds) for seconds in (0, 89, 90, 5399, 5400, 172_799, 172_800)] == [
        *("0 s", "89 s", "2 min", "90 min", "1.5 h", "48.0 h", "2.0 days"),
    ]


def test_progress_counts_and_estimates() -> None:
    said: list[str] = []
    now = [0.0]
    progress = Progress(total=10, done=4, parallel=2, say=said.append, clock=lambda: now[0])
    progress.start("a", "starts")
    progress.start("b", "starts")
    now[0] = 60.0
    progress.end("a", "finished", True)
    assert said[-1] == "[5/10] a: finished after 60 s; 5 to go, about 2 min"  # 5 * 60 s / 2
    now[0] = 120.0
    progress.end("b", "finished", True)
    assert said[-1] == "[6/10] b: finished after 2 min; 4 to go, about 3 min"  # 4 * 90 s / 2


def test_failures_do_not_shorten_the_estimate() -> None:
    said: list[str] = []
    now = [0.0]
    progress = Progress(total=4, done=0, parallel=1, say=said.append, clock=lambda: now[0])
    for name, seconds, finished in (("a", 2.0, False), ("b", 100.0, True), ("c", 1.0, False)):
        progress.start(name, "starts")
        now[0] += seconds
        progress.end(name, "finished" if finished else "FAILED", finished)
    assert said[1] == "[1/4] a: FAILED after 2 s; 3 to go"
    assert said[3] == "[2/4] b: finished after 2 min; 2 to go, about 3 min"
    assert said[5] == "[3/4] c: FAILED after 1 s; 1 to go, about 2 min"
