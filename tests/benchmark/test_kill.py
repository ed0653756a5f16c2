"""The launcher is ended from outside while a run trains, and started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import torch

from hemenet_lab.benchmark.grids.run import GridOptions
from tests.benchmark.commands import NARROW, ROOT, Bench, epochs_of_steps

FIGURE4 = ROOT / "experiments" / "figure4.yaml"
LIMIT = 240.0
"""Seconds; only a run that hangs takes so long."""


@contextmanager
def launcher(bench: Bench, options: GridOptions) -> Iterator[subprocess.Popen[str]]:
    """``hemenet benchmark run`` in a process of its own."""
    program = "import sys; from hemenet_lab.cli import hemenet; sys.exit(hemenet())"
    words = ["--seeds", "1", "--folder", str(bench.folder)]
    words += ["--config", *map(str, options.configs), "--set", *options.settings]
    process = subprocess.Popen(
        [sys.executable, "-c", program, "benchmark", "run", str(FIGURE4), *words],
        cwd=bench.folder.parent,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wait_for(what: object, bench: Bench) -> None:
    """Until ``what()`` is true."""
    end = time.monotonic() + LIMIT
    while not what():  # type: ignore[operator]  # a function
        logs = [path.read_text()[-2000:] for path in bench.folder.glob("logs/*/*.log")]
        assert time.monotonic() < end, logs
        time.sleep(0.05)


def last_checkpoints(bench: Bench) -> list[Path]:
    return list(bench.folder.glob("*/checkpoints/last.ckpt"))


def saved_epoch(bench: Bench) -> int:
    """Number of the epoch after which the last checkpoint was written."""
    (path,) = last_checkpoints(bench)
    return int(torch.load(path, weights_only=True)["epoch"])


@pytest.mark.slow
def test_ended_launcher_ends_its_runs(bench: Bench) -> None:
    options = bench.options(*NARROW, "trainer.max_epochs=1000")
    with launcher(bench, options) as process:
        wait_for(lambda: last_checkpoints(bench), bench)
        (running,) = bench.statuses(FIGURE4, options)
        assert running.state == "running"
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=LIMIT)
    assert process.returncode == 130, said
    assert "start the same command again to go on" in said
    (stopped,) = bench.statuses(FIGURE4, options)
    assert stopped.state == "stopped", "the training has ended with its launcher"
    assert saved_epoch(bench) >= stopped.record.epochs - 2, "the epoch in progress is lost at most"


@pytest.mark.slow
def test_killed_training_is_reported_and_resumed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = bench.options(*NARROW, "trainer.max_epochs=25")
    with launcher(bench, options) as process:
        wait_for(lambda: last_checkpoints(bench), bench)
        (training,) = psutil.Process(process.pid).children()
        training.kill()
        said, _ = process.communicate(timeout=LIMIT)
    assert process.returncode == 1, said
    assert "hemenet-seed0: FAILED (exit status -9), see " in said
    (stopped,) = bench.statuses(FIGURE4, options)
    assert (stopped.state, stopped.record.status) == ("stopped", "RUNNING")
    saved = saved_epoch(bench)
    epochs = epochs_of_steps(monkeypatch)
    assert bench.run(FIGURE4, options) == 0
    assert epochs[0] == saved + 1
    (finished,) = bench.statuses(FIGURE4, options)
    assert finished.state == "finished"
    assert finished.record.id == stopped.record.id
