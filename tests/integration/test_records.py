"""A run's folder, whatever logs it; what is refused in a line; signals to the command line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
import yaml
from mlflow.tracking import MlflowClient

from tests.integration.run import ROOT, SMALL, fit_args, only, run_apart, run_here
from tests.integration.test_fit import runs_of

FILES = {"calibration.json", "config.yaml", "results.csv", "test_predictions.npz", "checkpoints"}
SHORT = ("--trainer.max_epochs=1", "--trainer.limit_train_batches=2")


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("logger", ["CSVLogger", "false"])
def test_runs_keep_apart_without_a_tracker(
    logger: str, tiny_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = [f"--trainer.logger={logger}"]
    if logger != "false":
        chosen.append("--trainer.logger.save_dir=logs")
    for seed in (1, 2):
        run_here(
            monkeypatch,
            tmp_path,
            *fit_args(tiny_store, *SMALL, *SHORT, *chosen, f"--seed_everything={seed}"),
        )
    folders = sorted((tmp_path / "runs").iterdir())
    assert [names_in(folder) for folder in folders] == [FILES, FILES]
    seeds = [
        yaml.safe_load((one / "config.yaml").read_text())["seed_everything"] for one in folders
    ]
    assert seeds == [1, 2]
    # a checkpoint is resumed in its own folder
    last = folders[0] / "checkpoints" / "last.ckpt"
    more = ("--trainer.max_epochs=2", "--trainer.limit_train_batches=2", f"--ckpt_path={last}")
    run_here(monkeypatch, tmp_path, *fit_args(tiny_store, *SMALL, *chosen, *more))
    assert sorted((tmp_path / "runs").iterdir()) == folders
    assert torch.load(last, weights_only=True)["global_step"] == 4


def test_loggers_of_lightning_beside_ours(
    tiny_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loggers = [
        "--trainer.logger=hemenet_lab.tracking.Tracker",
        "--trainer.logger+={class_path: CSVLogger, init_args: {save_dir: logs}}",
    ]
    left = {"logs/*/*/metrics.csv"}
    if find_spec("tensorboard"):
        loggers += ["--trainer.logger+={class_path: TensorBoardLogger, init_args: {save_dir: tb}}"]
        left |= {"tb/*/*/events.out.tfevents.*"}
    if find_spec("wandb"):
        monkeypatch.setenv("WANDB_MODE", "offline")
        loggers += ["--trainer.logger+={class_path: WandbLogger, init_args: {save_dir: wb}}"]
        left |= {"wb/wandb/offline-run-*"}
    run_here(monkeypatch, tmp_path, *fit_args(tiny_store, *SMALL, *SHORT, *loggers))
    run = only(runs_of(tmp_path))
    assert names_in(tmp_path / "runs" / run.info.run_id) == FILES
    assert run.data.tags["completed"] == "true"
    assert [pattern for pattern in left if not list(tmp_path.glob(pattern))] == []


def test_without_checkpoints_the_last_weights_are_tested(
    tiny_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    none = "--trainer.enable_checkpointing=false"
    run_here(monkeypatch, tmp_path, *fit_args(tiny_store, *SMALL, *SHORT, none))
    run = only(runs_of(tmp_path))
    assert run.data.tags["completed"] == "true"
    assert names_in(tmp_path / "runs" / run.info.run_id) == FILES - {
        "checkpoints",
        "calibration.json",
    }


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--trainer.callbacks+=LearningRateFinder"], "the rate belongs to model.optimizer"),
        (["--trainer.callbacks+=BatchSizeFinder"], "data.max_atoms_per_batch"),
        (["--trainer.precision=bf16-true"], "use --trainer.precision=bf16-mixed"),
        (["--trainer.precision=16-true"], "use --trainer.precision=16-mixed"),
        (["--trainer.logger=false", "--trainer.default_root_dir=/proc/none"], "cannot write"),
    ],
)
def test_refusals_are_one_line(
    words: list[str],
    said: str,
    tiny_store: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as left:
        run_here(monkeypatch, tmp_path, *fit_args(tiny_store, *SMALL, *SHORT, *words))
    assert left.value.code not in (0, None)
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert line.startswith("lightning: ")
    assert said in line


def test_averaged_weights_are_those_that_are_tested(
    tiny_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("--trainer.callbacks+=EMAWeightAveraging", "--trainer.callbacks.decay=0.5")
    run_here(monkeypatch, tmp_path, *fit_args(tiny_store, *SMALL, *SHORT, *words))
    recorded = only(runs_of(tmp_path)).data.metrics
    best = only(list(tmp_path.glob("runs/*/checkpoints/epoch*.ckpt")))
    kept = torch.load(best, weights_only=True)
    name = next(name for name in kept["state_dict"] if name.endswith("weight"))
    assert not torch.equal(kept["state_dict"][name], kept["current_model_state"][name])
    other = tmp_path / "tested"
    other.mkdir()
    run_here(monkeypatch, other, "test", f"--ckpt_path={best}", "--trainer.accelerator=cpu")
    assert only(runs_of(other)).data.metrics["test/loss"] == pytest.approx(recorded["test/loss"])


def test_spawned_processes_leave_one_run(tiny_store: Path, tmp_path: Path) -> None:
    words = ("--trainer.strategy=ddp_spawn", "--trainer.devices=2", *SMALL, *SHORT)
    run_apart(tmp_path, *fit_args(tiny_store, *words))
    run = only(runs_of(tmp_path))
    assert run.data.tags["completed"] == "true"
    assert "val/score" in run.data.metrics
    assert names_in(tmp_path / "runs" / run.info.run_id) == FILES


# --- signals ----------------------------------------------------------------------------------


SLURM = {
    "SLURM_JOB_ID": "77",
    "SLURM_NTASKS": "1",
    "SLURM_JOB_NAME": "train",
    "SLURM_LOCALID": "0",
    "SLURM_PROCID": "0",
    "SLURM_NODEID": "0",
}


def interrupted(
    folder: Path, words: list[str], number: int, environment: dict[str, str]
) -> tuple[int, str]:
    """Status and words of a fit that gets a signal when it has written a checkpoint."""
    known = {path: path.stat().st_mtime_ns for path in folder.glob("runs/*/checkpoints/last.ckpt")}
    command = [sys.executable, "-m", "hemenet_lab.cli", *words]
    settings = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **environment}
    with subprocess.Popen(
        command,
        cwd=folder,
        env=settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        until = time.monotonic() + 120
        while time.monotonic() < until and process.poll() is None:
            now = folder.glob("runs/*/checkpoints/last.ckpt")
            if any(path.stat().st_mtime_ns != known.get(path) for path in now):
                break
            time.sleep(0.05)
        process.send_signal(number)
        said, _ = process.communicate(timeout=180)
    return process.returncode, said


def test_a_requeued_job_goes_on_in_its_own_run(tiny_store: Path, tmp_path: Path) -> None:
    queue = tmp_path / "bin"
    queue.mkdir()
    (queue / "scontrol").write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/requeued.txt\n')
    (queue / "scontrol").chmod(0o755)
    environment = {**SLURM, "PATH": f"{queue}:{os.environ['PATH']}"}
    (tmp_path / "hpc_ckpt_1.ckpt").write_text("somebody else's")
    words = fit_args(tiny_store, *SMALL, "--trainer.max_epochs=200")

    status, said = interrupted(tmp_path, words, signal.SIGUSR1, environment)
    assert status == 143, said[-2000:]
    first = only(runs_of(tmp_path))
    last = tmp_path / "runs" / first.info.run_id / "checkpoints" / "last.ckpt"
    assert f"saved {last}; go on with: lightning fit " in said
    assert (tmp_path / "requeued.txt").read_text() == "requeue 77\n"
    assert first.data.tags["interrupted"] == "true"
    before = torch.load(last, weights_only=True)["global_step"]

    again = {**environment, "SLURM_RESTART_COUNT": "1"}
    status, said = interrupted(tmp_path, words, signal.SIGTERM, again)
    assert status == 143, said[-2000:]
    assert f"goes on in {last.parent.parent}" in said
    assert only(runs_of(tmp_path)).info.run_id == first.info.run_id
    after = torch.load(last, weights_only=True)["global_step"]
    assert after > before
    # another command of the same job, and another job, begin runs of their own
    other = [*words[:-1], "--trainer.max_epochs=1", "--trainer.limit_train_batches=1"]
    run_apart(tmp_path, *other)
    assert len(runs_of(tmp_path)) == 2
    # and the end: max_epochs is no matter of the mark, the last checkpoint can be resumed by hand
    client = MlflowClient(f"sqlite:///{tmp_path / 'runs' / 'mlruns.db'}")
    epoch = torch.load(last, weights_only=True)["epoch"]
    run_apart(tmp_path, *words[:-1], f"--trainer.max_epochs={epoch + 1}", f"--ckpt_path={last}")
    ended = client.get_run(first.info.run_id)
    assert (ended.info.status, ended.data.tags["interrupted"]) == ("FINISHED", "false")
    steps = [point.step for point in client.get_metric_history(first.info.run_id, "val/score")]
    assert steps == sorted(set(steps))
    assert sorted(path.name for path in tmp_path.glob("hpc*")) == ["hpc_ckpt_1.ckpt"]
