"""One, two and three processes give the same plan, losses, weights and metrics, and end together.

``python -m tests.soak.processes`` prints a line for each comparison; exit status 1 if one fails.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from tests.store.small_store import small_store

TOLERANCE = 1e-6
"""Largest relative difference."""
SOON = 60.0
"""Seconds after which all processes must have ended when one of them fails."""
FAILS_AT = 2
"""Step before which a process fails."""
ROOT = Path(__file__).resolve().parents[2]


class Watch(Callback):
    """Writes what each process trains on, and its losses; fails on the last one if told to.

    Args:
        folder: Where to write.
        fails: Whether the process of the highest rank raises an error.
    """

    def __init__(self, folder: Path, fails: bool) -> None:
        self.folder, self.fails = folder, fails

    def on_train_batch_start(self, trainer: Trainer, *args: Any) -> None:
        last = trainer.global_rank == trainer.world_size - 1
        if self.fails and last and trainer.global_step == FAILS_AT:
            (self.folder / "failed").write_text(str(time.time()))
            raise RuntimeError("this process fails on purpose")

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        row = [trainer.current_epoch, batch_idx, sorted(batch.entry_id)]
        with (self.folder / f"rank{trainer.global_rank}.jsonl").open("a") as stream:
            stream.write(json.dumps(row) + "\n")


def train(store: str, folder: Path, devices: int, accumulate: int, fails: bool) -> None:
    """Fits and tests; rank 0 writes weights and metrics."""
    from hemenet_lab.loading import ProteinMTDataModule
    from hemenet_lab.tracking import Tracker
    from hemenet_lab.training import SharedRunningStatistics
    from tests.model.test_module import small_module

    torch.manual_seed(0)
    module = small_module()
    trainer = Trainer(
        accelerator="cpu",
        devices=devices,
        strategy="ddp" if devices > 1 else "auto",
        accumulate_grad_batches=accumulate,
        precision="64-true",
        max_epochs=2,
        logger=Tracker(folder=str(folder / "runs")),
        callbacks=[Watch(folder, fails), SharedRunningStatistics()],
        default_root_dir=folder,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        log_every_n_steps=1,
    )
    data = ProteinMTDataModule(store, batch_graphs=5, num_workers=0)
    trainer.fit(module, datamodule=data)
    # not those of the last training batch, which is another one on each process
    metrics = {
        f"fit {name}": float(value)
        for name, value in trainer.callback_metrics.items()
        if not name.startswith("train/")
    }
    (tested,) = trainer.test(module, datamodule=data, verbose=False)
    if trainer.is_global_zero:
        metrics |= {f"test {name}": float(value) for name, value in tested.items()}
        (folder / "metrics.json").write_text(json.dumps(metrics))
        torch.save(module.state_dict(), folder / "weights.pt")


def started(store: Path, folder: Path, devices: int, accumulate: int, fails: bool = False) -> int:
    """Trains in processes of its own; returns their exit status."""
    folder.mkdir(parents=True)
    words = [
        *(f"--store={store}", f"--folder={folder}", f"--devices={devices}"),
        *(f"--accumulate={accumulate}", *(["--fails"] if fails else [])),
    ]
    with (folder / "log.txt").open("w") as log:
        return subprocess.run(
            [sys.executable, "-m", "tests.soak.processes", *words],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
            stdout=log,
            stderr=log,
            timeout=3600,
            check=False,
        ).returncode


def plan(folder: Path, devices: int) -> list[Any]:
    """Entries of every batch of a run, in the order that one process takes them."""
    ranks = [
        [json.loads(line) for line in (folder / f"rank{rank}.jsonl").read_text().splitlines()]
        for rank in range(devices)
    ]
    return [(epoch, ids) for turn in zip(*ranks, strict=True) for epoch, _, ids in turn]


def unlike(one: Path, many: Path, devices: int) -> list[str]:
    """What differs between a run of one process and that of several; nothing if all is well."""
    found = []
    alone, shared = plan(one, 1), plan(many, devices)
    if len(alone) % devices:
        # the last turn is made up from other batches of the epoch: another plan, other weights
        print(f"{len(alone)} batches on {devices} processes: only exit and record are compared")
        return []
    if alone != shared:
        found.append("plan")
    weights = [torch.load(folder / "weights.pt", weights_only=True) for folder in (one, many)]
    for name, value in weights[0].items():
        if "num_batches_tracked" not in name and not torch.allclose(
            value, weights[1][name], rtol=TOLERANCE, atol=TOLERANCE
        ):
            found.append(f"weight {name}")
    metrics = [json.loads((folder / "metrics.json").read_text()) for folder in (one, many)]
    if metrics[0].keys() != metrics[1].keys():
        found.append(f"names of metrics {sorted(metrics[0].keys() ^ metrics[1].keys())}")
    for name, value in metrics[0].items():
        other = metrics[1].get(name, value)
        same = abs(value - other) <= TOLERANCE * max(1.0, abs(value)) or value != value != other
        if not same:
            found.append(f"metric {name}: {value} and {other}")
    return found


def _end_of_log(folder: Path) -> str:
    return "\n".join(path.read_text()[-500:] for path in sorted(folder.glob("*/log.txt")))


def records(folder: Path) -> list[str]:
    """Status of each recorded run."""
    import mlflow

    database = next((folder / "runs").glob("*.db"))
    client = mlflow.MlflowClient(f"sqlite:///{database}")
    experiments = [each.experiment_id for each in client.search_experiments()]
    return [run.info.status for run in client.search_runs(experiments)]


def main(words: list[str] | None = None) -> int:
    """Exit status 1 if anything differs."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak.processes", description=__doc__)
    parser.add_argument("--store")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--devices", type=int, default=1)
    parser.add_argument("--accumulate", type=int, default=1)
    parser.add_argument("--fails", action="store_true")
    parser.add_argument("--entries", type=int, nargs="*", default=[40, 12], help="of the stores")
    options = parser.parse_args(words)
    if options.store:
        train(options.store, options.folder, options.devices, options.accumulate, options.fails)
        return 0
    wrong = 0

    def say(what: str, faults: list[str]) -> None:
        nonlocal wrong
        wrong += bool(faults)
        print(f"{what}: {'; '.join(faults) or 'held'}", flush=True)

    with tempfile.TemporaryDirectory() as name:
        # of 12 entries one is for validation and one for test: other processes have none
        for entries in options.entries:
            store = small_store(Path(name) / f"store{entries}", entries).path
            for devices in (2, 3):
                folder = Path(name) / f"{entries}-{devices}"
                states = [
                    started(store, folder / "one", 1, devices),
                    started(store, folder / "many", devices, 1),
                ]
                faults = [] if states == [0, 0] else [f"exit status {states}", _end_of_log(folder)]
                faults = faults or unlike(folder / "one", folder / "many", devices)
                if not faults and records(folder / "many") != ["FINISHED"]:
                    faults = [f"recorded {records(folder / 'many')}"]
                say(f"{devices} processes, {entries} entries", faults)
        for devices in (2, 3):
            folder = Path(name) / f"fails-{devices}"
            state = started(store, folder, devices, 1, fails=True)
            failed = folder / "failed"
            seconds = time.time() - float(failed.read_text()) if failed.exists() else math.inf
            faults = [] if state else ["exit status 0"]
            faults += [] if seconds < SOON else [f"ended after {seconds:.0f} s"]
            found = records(folder)
            faults += [] if found == ["FAILED"] else [f"recorded {found}"]
            say(f"one of {devices} processes fails, all end after {seconds:.0f} s", faults)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
