"""Kills runs at random moments, resumes them, and compares what is left with a run left alone."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import (
    EarlyStopping,
    EMAWeightAveraging,
    StochasticWeightAveraging,
)
from lightning.pytorch.loggers import Logger
from lightning.pytorch.plugins import TorchCheckpointIO

from hemenet_lab.encoders import HeMeNet
from hemenet_lab.loading import ProteinMTDataModule
from hemenet_lab.model import MultiTaskModule
from hemenet_lab.training import Preemption, ReproducibleSteps, RunCheckpoint, RunRecord
from hemenet_lab.training.record import set_run_folder
from tests.store.small_store import trainer

SECONDS = 120
"""Longest that a run may take."""
CLOCKS = ("per_second", "memory")
"""Parts of the names of what differs between any two runs."""


@dataclass(frozen=True)
class Variant:
    """One way of training.

    Args:
        trainer: Settings of the trainer.
        module: Settings of the module.
        data: Settings of the data module.
        dropout: Of the encoder.
        callbacks: Makes further callbacks.
        every: Steps between checkpoints within an epoch.
        processes: Processes of DDP.
    """

    trainer: dict[str, Any] = field(default_factory=dict)
    module: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    dropout: float = 0.0
    callbacks: Callable[[], list[Callback]] = list
    every: int | None = 1
    processes: int = 1


def adam(parameters: Any) -> torch.optim.Optimizer:
    return torch.optim.Adam(parameters, lr=3e-3)


def one_cycle(optimizer: torch.optim.Optimizer) -> Any:
    return torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1e-2, total_steps=200)


def plateau(optimizer: torch.optim.Optimizer) -> Any:
    from lightning.pytorch.cli import ReduceLROnPlateau

    return ReduceLROnPlateau(optimizer, monitor="val/loss", factor=0.5, patience=0, threshold=0.5)


def early_stopping() -> list[Callback]:
    return [EarlyStopping("val/loss", patience=1, min_delta=1.0)]


VARIANTS = {
    "plain": Variant(every=None),
    "every step": Variant(),
    "workers": Variant(data={"num_workers": 2}),
    "dropout": Variant(dropout=0.3),
    "accumulate 2": Variant(trainer={"accumulate_grad_batches": 2}),
    "plateau": Variant(module={"lr_scheduler": plateau}, every=None),
    "plateau, every step": Variant(module={"lr_scheduler": plateau}),
    "early stopping": Variant(callbacks=early_stopping),
    "one cycle": Variant(module={"lr_scheduler": one_cycle}),
    "EMA": Variant(callbacks=lambda: [EMAWeightAveraging(decay=0.8)]),
    "SWA": Variant(callbacks=lambda: [StochasticWeightAveraging(1e-3, swa_epoch_start=2)]),
    "validation within an epoch": Variant(
        trainer={"val_check_interval": 2}, module={"lr_scheduler": plateau}
    ),
    "the same, EMA": Variant(
        trainer={"val_check_interval": 2}, callbacks=lambda: [EMAWeightAveraging(decay=0.8)]
    ),
    "validation every other epoch": Variant(
        trainer={"check_val_every_n_epoch": 2}, callbacks=early_stopping
    ),
    "max_steps": Variant(
        trainer={"max_epochs": -1, "max_steps": 18}, module={"lr_scheduler": plateau}, every=None
    ),
    "DDP of 2": Variant(processes=2, module={"lr_scheduler": plateau}),
}


class Lines(Logger):
    """Appends what is logged to a file, a JSON object a line."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    @property
    def name(self) -> str:
        return "lines"

    @property
    def version(self) -> int:
        return 0

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """Nothing."""

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        if int(os.environ.get("LOCAL_RANK", "0")) == 0:
            with self.path.open("a") as stream:
                stream.write(json.dumps({"step": step, **metrics}) + "\n")


class Whole(TorchCheckpointIO):
    """Writes a checkpoint beside its place and renames it."""

    def save_checkpoint(self, checkpoint: Any, path: Any, storage_options: Any = None) -> None:
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_suffix(".partial")
        torch.save(checkpoint, partial)
        partial.replace(target)


class Events(Callback):
    """Runs ``action`` at the n-th of a run's moments: hooks around steps and validations."""

    def __init__(self, at: int, action: Callable[[], None]) -> None:
        self.at, self.action, self.seen = at, action, 0

    def _next(self, *args: Any, **kwargs: Any) -> None:
        self.seen += 1
        if self.seen == self.at:
            self.action()

    on_train_batch_start = on_train_batch_end = on_train_epoch_end = _next
    on_before_optimizer_step = on_validation_start = on_validation_end = _next
    on_validation_batch_end = on_train_epoch_start = on_train_end = _next


def fit(
    variant: Variant, store: Path, folder: Path, more: list[Callback] | None = None, **options: Any
) -> Trainer:
    """Train in this process, from ``last.ckpt`` of the folder if there is one."""
    torch.manual_seed(7)
    torch.set_num_threads(1)
    size = {"hidden_dim": 8, "num_layers": 1, "channel_dim": 4, "relation_dim": 4}
    encoder = HeMeNet(**size, dropout=variant.dropout)
    settings: dict[str, Any] = {"optimizer": adam, "lr_scheduler": None, **variant.module}
    module = MultiTaskModule(encoder, tasks=["lba", "ec"], **settings)
    checkpoint = RunCheckpoint(every_n_train_steps=variant.every)
    callbacks = [Preemption(), *variant.callbacks(), RunRecord(), ReproducibleSteps(1), checkpoint]
    arguments: dict[str, Any] = {"max_epochs": 4, "log_every_n_steps": 1, **variant.trainer}
    if variant.processes > 1:
        arguments |= {"devices": variant.processes, "strategy": "ddp"}
    run = trainer(
        folder,
        callbacks=[*callbacks, *(more or [])],
        enable_checkpointing=True,
        logger=Lines(folder / "metrics.jsonl"),
        plugins=[Whole()],
        use_distributed_sampler=False,
        **(arguments | options),
    )
    set_run_folder(run, folder)
    data = ProteinMTDataModule(str(store), batch_graphs=3, **variant.data)
    last = folder / "checkpoints" / "last.ckpt"
    run.fit(module, data, ckpt_path=str(last) if last.is_file() else None, weights_only=True)
    return run


def start(variant: Variant, store: Path, folder: Path, *more: Callback) -> list[int]:
    """Begin a run in processes of its own; returns their ids."""
    folder.mkdir(parents=True, exist_ok=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    children = []
    for rank in range(variant.processes):
        child = os.fork()
        if child:
            children.append(child)
            continue
        status = 1
        try:
            sys.stdout = sys.stderr = (folder / f"out-{rank}.txt").open("a")
            os.dup2(sys.stdout.fileno(), 1)
            os.dup2(sys.stdout.fileno(), 2)
            if variant.processes > 1:
                os.environ |= {"LOCAL_RANK": str(rank), "MASTER_PORT": str(port)}
                os.environ |= {"MASTER_ADDR": "127.0.0.1"}
            fit(variant, store, folder, list(more))
            status = 0
        except SystemExit as left:
            status = int(left.code or 0)
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(status)
    return children


def wait(children: list[int], until: float) -> list[int] | None:
    """Exit statuses (negative: the signal), or None if one still runs at a time."""
    left, found = [*children], {}
    while left:
        for child in [*left]:
            pid, status = os.waitpid(child, os.WNOHANG)
            if pid:
                left.remove(child)
                found[child] = os.waitstatus_to_exitcode(status)
        if left and time.monotonic() > until:
            return None
        time.sleep(0.005)
    return [found[child] for child in children]


def kill(children: list[int], number: int = signal.SIGKILL) -> None:
    for child in children:
        os.kill(child, number)


def whole(variant: Variant, store: Path, folder: Path) -> float:
    """A run that nobody disturbs; its seconds."""
    begun = time.monotonic()
    statuses = wait(start(variant, store, folder), begun + SECONDS)
    assert statuses == [0] * variant.processes, (folder / "out-0.txt").read_text()[-3000:]
    return time.monotonic() - begun


def broken(
    variant: Variant, store: Path, folder: Path, seconds: float, seed: int, kills: int = 1
) -> int:
    """A run that is ended within random fractions of ``seconds`` and resumed; ends that hit.

    Two of three ends are SIGKILL, the third is SIGTERM, which lets the run save first.
    """
    rng, hit = random.Random(seed), 0
    for _ in range(kills):
        number = rng.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM])
        children = start(variant, store, folder)
        statuses = wait(children, time.monotonic() + rng.uniform(0.15, 1.0) * seconds)
        if statuses is None:
            kill(children, number)
            statuses = wait(children, time.monotonic() + SECONDS)
            hit += 1
    whole(variant, store, folder)
    return hit


def left(folder: Path) -> dict[str, Any]:
    """All that a run leaves: its last checkpoint, and each metric by name and step."""
    kept = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    metrics: dict[str, set[float]] = {}
    for line in (folder / "metrics.jsonl").read_text().splitlines():
        record = json.loads(line)
        step = record.pop("step")
        for name, value in record.items():
            if not any(clock in name for clock in CLOCKS):
                metrics.setdefault(f"{name} at {step}", set()).add(value)
    # the folders' names differ, and counts of repeated validations are for the progress bar only
    kept["metrics"] = metrics
    for name in ("datamodule_hyper_parameters",):
        kept.pop(name, None)
    return {name: _relative(value, str(folder)) for name, value in kept.items()}


def _relative(value: Any, folder: str) -> Any:
    if isinstance(value, dict):
        return {_relative(key, folder): _relative(part, folder) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_relative(part, folder) for part in value]
    return value.replace(folder, "") if isinstance(value, str) else value


def differences(one: Any, other: Any, place: str = "") -> list[str]:
    """Places where two nested records are not the same bit for bit."""
    if isinstance(one, dict) and isinstance(other, dict):
        found = [f"{place}/{key}: only one has it" for key in one.keys() ^ other.keys()]
        for key in one.keys() & other.keys():
            found += differences(one[key], other[key], f"{place}/{key}")
        return found
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = enumerate(zip(one, other, strict=True))
        return [line for i, (a, b) in pairs for line in differences(a, b, f"{place}/{i}")]
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        same = one.shape == other.shape and bool(((one == other) | (one != one)).all())
        return [] if same else [f"{place}: tensors differ"]
    same = one == other or (one != one and other != other)
    return [] if same else [f"{place}: {one!r} and {other!r}"]
