"""A guard against numbers that are not finite: it stops, says where they begin, and keeps the case.

Whether a loss or a gradient is finite is noted where it is computed. Asking costs a wait for a GPU,
so there it is asked every few steps only, at the end of an epoch, and before any checkpoint is
written. Once something is not finite, gradients count as 0: the weights stay as they were.
"""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor
from torch.nn.utils import get_total_norm

from hemenet_lab.graphs import ProteinGraph, make_batch
from hemenet_lab.loading import collate
from hemenet_lab.model import TASKS_KEY, MultiTaskModule
from hemenet_lab.training.files import write_whole
from hemenet_lab.training.record import run_folder

EVERY_ON_GPU = 16
"""Steps between two looks where a look is a wait."""


class _Step(NamedTuple):
    epoch: int
    number: int
    """Batch within the epoch."""
    entries: list[str]
    indices: Tensor | None
    """Places of the entries in the store."""


class Found(NamedTuple):
    """Place of the first values that are not finite."""

    task: str | None
    """Task whose loss it is; None if it is none's alone."""
    layer: str | None
    """Module whose output is not finite though no earlier one's is; None if all are finite."""


class NonFiniteGuard(Callback):
    """Stops training at the first loss or gradient that is not finite.

    The message names the task, the layer and the entries, and a file in the run's folder that holds
    the weights and the batch (`load_case` reads it).
    """

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._every = 1 if pl_module.device.type == "cpu" else EVERY_ON_GPU
        self._steps: deque[_Step] = deque(maxlen=self._every)
        self._loss = torch.full((), -1, dtype=torch.long, device=pl_module.device)
        """Number of the first step with a bad loss, of those since the last look; -1: none."""
        self._gradient = self._loss.clone()

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        indices = getattr(batch, "entry_index", None)
        self._steps.append(_Step(trainer.current_epoch, batch_idx, _entry_ids(batch), indices))

    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: Any
    ) -> None:
        if trainer.precision == "16-mixed":
            return  # gradients that overflow are its scaler's business: it leaves the step out
        gradients = [p.grad for p in pl_module.parameters() if p.grad is not None]
        if gradients:
            bad = ~torch.isfinite(get_total_norm(gradients))
            self._gradient = self._first(self._gradient, bad)
            for gradient in gradients:
                gradient.masked_fill_(self._gradient >= 0, 0.0)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        loss = outputs["loss"] if isinstance(outputs, dict) else outputs
        if loss is not None:
            self._loss = self._first(self._loss, ~torch.isfinite(loss.detach()).all())
        if len(self._steps) == self._every:
            self._look(trainer, pl_module, batch)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._look(trainer, pl_module)

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        if trainer.training and hasattr(self, "_steps"):
            self._look(trainer, pl_module)

    def _first(self, known: Tensor, bad: Tensor) -> Tensor:
        """The number of the first bad step, with the present one taken in."""
        now = torch.full_like(known, len(self._steps) - 1)
        return torch.where((known < 0) & bad, now, known)

    def _look(
        self, trainer: Trainer, pl_module: LightningModule, batch: ProteinGraph | None = None
    ) -> None:
        """Raise FloatingPointError if a step since the last look was bad, on any process."""
        loss, gradient = torch.stack([self._loss, self._gradient]).tolist()
        bad = loss >= 0 or gradient >= 0
        if trainer.world_size > 1:
            bad = trainer.strategy.reduce_boolean_decision(bad, all=False)
        if not bad:
            self._steps.clear()
            return
        if loss < 0 and gradient < 0:
            raise FloatingPointError("another process met a loss that is not finite; see there")
        step = self._steps[loss if loss >= 0 else gradient]
        what = "training loss" if loss >= 0 else "gradient (not the loss)"
        if batch is None or step is not self._steps[-1]:
            batch = _again(trainer, pl_module, step)
        found, path = Found(None, None), None
        if isinstance(pl_module, MultiTaskModule) and batch is not None:
            for one in trainer.callbacks:  # type: ignore[attr-defined]  # a plain list
                if type(one).__name__ == "ReproducibleSteps":
                    one.on_train_batch_start(trainer, pl_module, batch, step.number)
            with trainer.precision_plugin.forward_context():
                found = first_non_finite(pl_module, batch)
            path = run_folder(trainer) / f"non_finite_rank{trainer.global_rank}.pt"
            _write_case(path, pl_module, batch, step)
        raise FloatingPointError(_message(what, step, found, path))


def first_non_finite(module: MultiTaskModule, batch: ProteinGraph) -> Found:
    """Repeat a step without its update, and say where the first value that is not finite is."""
    names: list[str] = []

    def watch(name: str) -> Any:
        def look(part: Any, given: Any, output: Any) -> None:
            if not names and not all(bool(one.isfinite().all()) for one in _tensors(output)):
                names.append(name)

        return look

    parts = [(name, part) for name, part in module.named_modules() if name]
    hooks = [part.register_forward_hook(watch(name)) for name, part in parts]
    try:
        with torch.no_grad():
            for key, value in batch.to_dict().items():
                if not key.startswith("y_") and not all(
                    bool(one.isfinite().all()) for one in _tensors(value)
                ):
                    names.append(f"input {key}")
            losses = module.losses(batch, module(batch))
    finally:
        for hook in hooks:
            hook.remove()
    tasks = [name for name, (loss, _) in losses.items() if not bool(loss.isfinite())]
    return Found(", ".join(tasks) or None, names[0] if names else None)


def load_case(path: str | Path) -> tuple[dict[str, Any], ProteinGraph]:
    """Read what a guard has kept: the case, with ``state_dict``, and the batch.

    Holds plain tensors, numbers and strings only. With a module that has these settings and
    weights, `first_non_finite` finds again what the guard found.
    """
    case = torch.load(path, weights_only=True, map_location="cpu")
    content = case.pop("batch")
    return case, make_batch(content, len(content["ptr"]) - 1)


def _write_case(path: Path, module: MultiTaskModule, batch: ProteinGraph, step: _Step) -> None:
    stream = io.BytesIO()
    content = batch.to_dict()
    plain = {name: one for name, one in content.items() if isinstance(one, (Tensor, list, tuple))}
    torch.save(
        {
            "batch": plain,
            "state_dict": module.state_dict(),
            "hyper_parameters": dict(module.hparams),
            TASKS_KEY: [task.to_dict() for task in module.tasks],
            "epoch": step.epoch,
            "batch_idx": step.number,
        },
        stream,
    )
    write_whole(path, stream.getvalue())


def _again(trainer: Trainer, module: LightningModule, step: _Step) -> ProteinGraph | None:
    """The batch of a former step; None if the data module is not ours."""
    dataset = getattr(trainer.datamodule, "dataset", None)  # type: ignore[attr-defined]  # set by fit
    if dataset is None or step.indices is None:
        return None
    return collate([dataset[index] for index in step.indices.tolist()]).to(module.device)


def _message(what: str, step: _Step, found: Found, path: Path | None) -> str:
    task = f" of {found.task}" if found.task else ""
    layer = f", first in the output of {found.layer}" if found.layer else ""
    if found.layer and found.layer.startswith("input "):
        layer = f", first in the {found.layer}"
    case = f"; {path} holds the weights and the batch" if path else ""
    return (
        f"the {what}{task} is not finite in epoch {step.epoch}, batch {step.number}, entries "
        f"{step.entries}{layer}; lower the learning rate, use --trainer.precision=32-true, or look "
        f"at these structures{case}"
    )


def _tensors(value: Any) -> list[Tensor]:
    """All tensors of floating point in nested containers."""
    if isinstance(value, Tensor):
        return [value] if value.is_floating_point() else []
    if isinstance(value, dict):
        return [one for part in value.values() for one in _tensors(part)]
    if isinstance(value, (list, tuple)):
        return [one for part in value for one in _tensors(part)]
    return []


def _entry_ids(batch: Any) -> list[str]:
    ids: str | Sequence[str] = getattr(batch, "entry_id", [])
    return [ids] if isinstance(ids, str) else list(ids)
