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
from typing import Any, NamedTuple, cast

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from hemenet_lab.loading import ProteinMTDataModule
from hemenet_lab.model import MultiTaskModule
from hemenet_lab.tracking import Tracker
from hemenet_lab.training import SharedRunningStatistics
from tests.model.test_module import small_module
from tests.store.small_store import small_store

TOLERANCE = 1e-6
"""Largest relative difference."""
SOON = 60.0
"""Seconds after which all processes must have ended when one of them fails."""
FAILS_AT = 2
"""Step before which a process fails."""
ROOT = Path(__file__).resolve().parents[2]


class Case(NamedTuple):
    """A store and how it is batched, such that 1, 2 and 3 processes have the same plan.

    Of every ten entries one is for validation and one for test, so that the evaluations of 2 and 3
    processes are uneven, and some have nothing at all to evaluate.
    """

    entries: int
    batch_graphs: int
    balanced: bool


CASES = (Case(40, 5, True), Case(12, 3, True), Case(60, 4, True), Case(50, 3, False))


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
        labelled = {
            task.name: int(batch[f"mask_{task.name}"].sum())
            for task in cast(MultiTaskModule, pl_module).tasks
        }
        # Lightning divides the loss by the number of batches of a step
        loss = float(outputs["loss"]) * trainer.accumulate_grad_batches
        row = [trainer.current_epoch, sorted(batch.entry_id), loss, labelled]
        with (self.folder / f"rank{trainer.global_rank}.jsonl").open("a") as stream:
            stream.write(json.dumps(row) + "\n")


def train(store: str, folder: Path, case: Case, devices: int, accumulate: int, fails: bool) -> None:
    """Fits and tests; rank 0 writes weights and metrics."""
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
    data = ProteinMTDataModule(
        store, batch_graphs=case.batch_graphs, balanced=case.balanced, num_workers=0
    )
    trainer.fit(module, datamodule=data)
    # the loss of the last batch is of another one on each process
    metrics = {
        f"fit {name}": float(value)
        for name, value in trainer.callback_metrics.items()
        if name != "train/loss"
    }
    (tested,) = trainer.test(module, datamodule=data, verbose=False)
    if trainer.is_global_zero:
        metrics |= {f"test {name}": float(value) for name, value in tested.items()}
        (folder / "metrics.json").write_text(json.dumps(metrics))
        torch.save(module.state_dict(), folder / "weights.pt")


def started(
    store: Path, folder: Path, case: Case, devices: int, accumulate: int, fails: bool = False
) -> int:
    """Trains in processes of its own; returns their exit status."""
    folder.mkdir(parents=True)
    words = [
        *(f"--store={store}", f"--folder={folder}", f"--devices={devices}"),
        *(f"--accumulate={accumulate}", f"--case={json.dumps(case)}"),
        *(["--fails"] if fails else []),
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


def batches(folder: Path, devices: int) -> list[Any]:
    """Epoch, entries, loss and labels of every batch, in the order that one process takes them."""
    ranks = [
        [json.loads(line) for line in (folder / f"rank{rank}.jsonl").read_text().splitlines()]
        for rank in range(devices)
    ]
    return [row for turn in zip(*ranks, strict=True) for row in turn]


def alike(one: float, other: float) -> bool:
    """Whether two numbers differ by rounding only."""
    return abs(one - other) <= TOLERANCE * max(1.0, abs(one)) or (one != one and other != other)


def unlike(one: Path, many: Path, devices: int) -> list[str]:
    """What differs between a run of one process and that of several; nothing if all is well."""
    found = []
    alone, shared = batches(one, 1), batches(many, devices)
    if [row[:2] for row in alone] != [row[:2] for row in shared]:
        return [f"plan: {len(alone)} and {len(shared)} batches"]
    for number, ((epoch, _, loss, _), (*_, other, _)) in enumerate(zip(alone, shared, strict=True)):
        if not alike(loss, other):
            found.append(f"loss of batch {number}, in epoch {epoch}: {loss} and {other}")
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
        if not alike(value, other):
            found.append(f"metric {name}: {value} and {other}")
    return found


def lacking(folder: Path) -> tuple[int, int]:
    """Batches of a run of one process that have no label of a task that others have; batches."""
    rows = [labelled for *_, labelled in batches(folder, 1)]
    seen = {name for row in rows for name, count in row.items() if count}
    return sum(not all(row[name] for name in seen) for row in rows), len(rows)


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
    parser.add_argument("--case", type=lambda text: Case(*json.loads(text)), default=CASES[0])
    options = parser.parse_args(words)
    if options.store:
        how = (options.case, options.devices, options.accumulate, options.fails)
        train(options.store, options.folder, *how)
        return 0
    wrong = 0

    def say(what: str, faults: list[str]) -> None:
        nonlocal wrong
        wrong += bool(faults)
        print(f"{what}: {'; '.join(faults) or 'held'}", flush=True)

    with tempfile.TemporaryDirectory() as name:
        for case in CASES:
            store = small_store(Path(name) / f"store{case.entries}", case.entries).path
            for devices in (2, 3):
                folder = Path(name) / f"{case.entries}-{devices}"
                states = [
                    started(store, folder / "one", case, 1, devices),
                    started(store, folder / "many", case, devices, 1),
                ]
                faults = [] if states == [0, 0] else [f"exit status {states}", _end_of_log(folder)]
                faults = faults or unlike(folder / "one", folder / "many", devices)
                if not faults and records(folder / "many") != ["FINISHED"]:
                    faults = [f"recorded {records(folder / 'many')}"]
                few, all_ = lacking(folder / "one") if states[0] == 0 else (0, 0)
                if not faults and bool(few) == case.balanced:
                    faults = [f"{few} of {all_} batches lack a task, so that this shows nothing"]
                say(f"{devices} processes, {case}, {few} of {all_} batches lack a task", faults)
        for devices in (2, 3):
            folder = Path(name) / f"fails-{devices}"
            state = started(store, folder, CASES[-1], devices, 1, fails=True)
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
