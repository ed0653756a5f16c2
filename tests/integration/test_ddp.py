"""Two processes give what one gives: the same plan, one record, the same weights and metrics."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.integration.run import SMALL, fit_args, only, run_apart
from tests.integration.test_fit import runs_of
from tests.integration.test_resume import callback

TWO = ("--trainer.devices=2", "--trainer.strategy=ddp")
SETTINGS = (*SMALL, "--model.encoder.dropout=0.2", "--data.batch_graphs=5", "--data.num_workers=0")


@pytest.fixture(scope="module")
def fits(tiny_store: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Folders of a fit by one process that accumulates two batches, and of one by two processes."""
    one, two = tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("two")
    for folder, how in ((one, ("--trainer.accumulate_grad_batches=2",)), (two, TWO)):
        watch = [
            callback("SaveWeights", path="weights.pt"),
            callback("RecordBatches", folder="."),
        ]
        arguments = [*SETTINGS, "--trainer.max_epochs=3", *how, *watch]
        run_apart(folder, *fit_args(tiny_store, *arguments))
    return one, two


def test_two_processes_share_the_plan_of_one(fits: tuple[Path, Path]) -> None:
    one, two = fits
    alone = [line.split(" ", 2) for line in (one / "rank0.txt").read_text().splitlines()]
    for rank in (0, 1):
        shared = [line.split(" ", 2) for line in (two / f"rank{rank}.txt").read_text().splitlines()]
        assert [(epoch, ids) for epoch, _, ids in shared] == [
            (epoch, ids) for epoch, batch, ids in alone if int(batch) % 2 == rank
        ]


def test_two_processes_train_the_weights_of_one(fits: tuple[Path, Path]) -> None:
    one, two = (torch.load(folder / "weights.pt", weights_only=True) for folder in fits)
    assert any("running_var" in name for name in one)
    for name in one.keys() - {name for name in one if "num_batches_tracked" in name}:
        torch.testing.assert_close(one[name], two[name], rtol=1e-4, atol=1e-6)


def test_two_processes_log_one_run(fits: tuple[Path, Path]) -> None:
    run = only(runs_of(fits[1]))
    assert run.info.status == "FINISHED"
    assert run.data.tags["completed"] == "true"


def test_two_processes_validate_to_the_numbers_of_one(
    fits: tuple[Path, Path], tmp_path: Path
) -> None:
    checkpoint = only(list(fits[0].glob("runs/*/checkpoints/epoch*.ckpt")))
    found = []
    for name, how in (("one", ()), ("two", TWO)):
        folder = tmp_path / name
        folder.mkdir()
        run_apart(folder, "test", f"--ckpt_path={checkpoint}", "--trainer.accelerator=cpu", *how)
        found.append(only(runs_of(folder)).data.metrics)
    one, two = found
    assert one.keys() == two.keys()
    for name, value in one.items():
        assert value == pytest.approx(two[name], rel=1e-6), name
