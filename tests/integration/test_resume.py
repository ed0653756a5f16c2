"""A run killed in the middle of an epoch and resumed gives the weights of one that is not."""

from __future__ import annotations

import signal
from pathlib import Path

import torch

from tests.integration.run import SMALL, fit_args, only, run_apart

CALLBACKS = "tests.integration.callbacks"


def callback(name: str, **arguments: object) -> str:
    inner = ", ".join(f"{key}: {value}" for key, value in arguments.items())
    return f"--trainer.callbacks+={{class_path: {CALLBACKS}.{name}, init_args: {{{inner}}}}}"


def test_killed_and_resumed_equals_uninterrupted(tiny_store: Path, tmp_path: Path) -> None:
    settings = [
        *SMALL,
        "--model.encoder.dropout=0.2",
        "--trainer.max_epochs=3",
        "--data.batch_graphs=3",
        "--checkpoint.every_n_train_steps=1",
    ]
    straight, broken = tmp_path / "straight", tmp_path / "broken"
    for folder in (straight, broken):
        folder.mkdir()
    weights = callback("SaveWeights", path="weights.pt")
    run_apart(straight, *fit_args(tiny_store, *settings, weights))

    steps = torch.load(
        only(list(straight.glob("runs/*/checkpoints/last.ckpt"))), weights_only=True
    )["global_step"]
    middle = steps // 3 + 2  # inside the second epoch
    killed = run_apart(
        broken, *fit_args(tiny_store, *settings, callback("KillAt", step=middle)), check=False
    )
    assert killed.returncode == -signal.SIGKILL
    last = only(list(broken.glob("runs/*/checkpoints/last.ckpt")))
    assert torch.load(last, weights_only=True)["global_step"] == middle
    run_apart(broken, *fit_args(tiny_store, *settings, weights, f"--ckpt_path={last}"))

    expected, found = (
        torch.load(folder / "weights.pt", weights_only=True) for folder in (straight, broken)
    )
    assert expected.keys() == found.keys()
    for name, value in expected.items():
        assert torch.equal(value, found[name]), name
    # the resumed fit went on in the same run and checkpoint folder
    assert len(list(broken.glob("runs/*/checkpoints"))) == 1
