"""Runs that are ended at chosen moments and resumed leave what a run left alone leaves.

The long form, at random moments and for more kinds of runs, is ``python -m tests.soak.resume``.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
import torch

from tests.soak.kills import (
    SECONDS,
    VARIANTS,
    Events,
    Variant,
    differences,
    left,
    start,
    wait,
    whole,
)
from tests.store.small_store import small_store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_store(tmp_path_factory.mktemp("kills") / "store", 40).path


def ended(variant: Variant, store: Path, folder: Path, at: int, number: int) -> str:
    """What a run says that sends itself a signal at its n-th event."""
    end = Events(at, lambda: os.kill(os.getpid(), number))
    statuses = wait(start(variant, store, folder, end), time.monotonic() + SECONDS)
    expected = -number if number == signal.SIGKILL else 143
    assert statuses == [expected] * variant.processes, (folder / "out-0.txt").read_text()[-2000:]
    return (folder / "out-0.txt").read_text()


# events of an epoch: 1 start, 3 per batch, then validation and end
@pytest.mark.parametrize(
    ("kind", "moments"),
    [
        ("plateau", (70, 78)),
        ("plateau, every step", (33, 36)),
        ("validation within an epoch", (25, 205)),  # in the last of an epoch's validations
        ("early stopping", (40,)),
        ("accumulate 2", (40,)),
        ("EMA", (40,)),
        ("SWA", (80,)),
        ("one cycle", (21,)),
        ("max_steps", (40,)),
    ],
)
def test_killed_and_resumed(
    kind: str, moments: tuple[int, ...], store: Path, tmp_path: Path
) -> None:
    variant = VARIANTS[kind]
    whole(variant, store, tmp_path / "straight")
    expected = left(tmp_path / "straight")
    for moment in moments:
        folder = tmp_path / str(moment)
        ended(variant, store, folder, moment, signal.SIGKILL)
        whole(variant, store, folder)
        assert differences(expected, left(folder)) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
@pytest.mark.parametrize(
    ("kind", "moment"),
    [
        ("plain", 8),
        ("accumulate 2", 4),
        ("the same, EMA", 9),  # within a validation
        ("plain", 32),  # within the one at the end of an epoch
    ],
)
def test_asked_to_end_and_resumed(
    kind: str, moment: int, number: signal.Signals, store: Path, tmp_path: Path
) -> None:
    variant = VARIANTS[kind]
    whole(variant, store, tmp_path / "straight")
    folder = tmp_path / "ended"
    said = ended(variant, store, folder, moment, number)
    last = folder / "checkpoints" / "last.ckpt"
    assert f"interrupted by {number.name} in epoch 0: saved {last}; go on with: " in said
    assert torch.load(last, weights_only=True)["global_step"] >= 1
    assert list(folder.glob("hpc*")) == []
    whole(variant, store, folder)
    assert differences(left(tmp_path / "straight"), left(folder)) == []


def test_two_processes_end_and_go_on_together(store: Path, tmp_path: Path) -> None:
    variant = VARIANTS["DDP of 2"]
    whole(variant, store, tmp_path / "straight")
    folder = tmp_path / "ended"
    children = start(
        variant, store, folder, Events(8, lambda: os.kill(os.getpid(), signal.SIGTERM))
    )
    assert wait(children, time.monotonic() + SECONDS) == [143, 0]
    whole(variant, store, folder)
    assert differences(left(tmp_path / "straight"), left(folder)) == []
