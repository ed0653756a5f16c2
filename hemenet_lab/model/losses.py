"""Masked losses: each task's loss is the mean over its labelled rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from hemenet_lab.metrics import MeanLoss
from hemenet_lab.tasks import Task

DEFAULT_WEIGHTS = {"regression": 1.0, "multilabel": 10.0}
"""Weight of a task's loss by its kind, as published (Han et al., AAAI 2025)."""


def masked_loss(
    task: Task,
    prediction: Tensor,
    target: Tensor,
    mask: Tensor,
    scale: Tensor | float = 1.0,
) -> tuple[Tensor, Tensor]:
    """Mean loss over the labelled rows, and how many there are.

    Squared error for regression (of the logarithms where the task's transform is ``log``); binary
    cross-entropy with logits, averaged over the classes, for multi-label tasks. Without labelled
    rows the loss is exactly 0, with gradient 0, but stays joined to the prediction, so that every
    parameter takes part in DDP. Unlabelled rows have no influence, whatever stands there, NaN
    included; a labelled prediction that is not finite gives
    a loss that is not finite.

    Args:
        task: What is predicted.
        prediction: [n, out], values for regression, logits for multi-label; half precision is
            widened to float32.
        target: [n, out].
        mask: bool [n], True where a row is labelled.
        scale: Regression: the unit of the error, such as the standard deviation of the labels, or
            of their logarithms.

    Returns:
        Loss (scalar) and number of labelled rows (int64 scalar on the same device).

    Raises:
        ValueError: Shapes that do not fit, or a mask that is not boolean.
    """
    _check(task, prediction, target, mask)
    prediction = prediction.to(torch.promote_types(prediction.dtype, torch.float32))
    # replaced before the loss, not after: the gradient of a masked infinity would be NaN
    rows = mask.unsqueeze(1)
    filler = 1.0 if task.transform == "log" else 0.0
    prediction = torch.where(rows, prediction, filler)
    target = torch.where(rows, target.to(prediction.dtype), filler)
    count = mask.sum()
    per_row = _row_loss(task, prediction, target)
    if task.kind == "regression":
        per_row = per_row / scale**2
    return torch.where(mask, per_row, 0.0).sum() / count.clamp(min=1), count


def _row_loss(task: Task, prediction: Tensor, target: Tensor) -> Tensor:
    """Loss of each row, [n]: the mean over its columns, 0 if there are none."""
    if task.transform == "log":
        prediction, target = prediction.log(), target.log()
    if task.kind == "regression":
        losses = functional.mse_loss(prediction, target, reduction="none")
    else:
        losses = functional.binary_cross_entropy_with_logits(prediction, target, reduction="none")
    return losses.sum(dim=1) / max(1, task.num_outputs)


def _check(task: Task, prediction: Tensor, target: Tensor, mask: Tensor) -> None:
    shape = (mask.shape[0] if mask.ndim == 1 else -1, task.num_outputs)
    if tuple(prediction.shape) != shape or tuple(target.shape) != shape:
        raise ValueError(
            f"{task.name}: prediction {tuple(prediction.shape)}, target {tuple(target.shape)} and "
            f"mask {tuple(mask.shape)} do not fit; they must be [n, {task.num_outputs}], "
            f"[n, {task.num_outputs}] and [n]"
        )
    if mask.dtype != torch.bool:
        raise ValueError(
            f"{task.name}: the mask is {mask.dtype}; it must be bool, True where a row is labelled"
        )


def default_loss_weights(
    tasks: Iterable[Task], overrides: Mapping[str, float] | None = None
) -> dict[str, float]:
    """Weight of each task's loss by name: 1 for regression and 10 for multi-label by default.

    Args:
        tasks: What is predicted.
        overrides: Weights by task name, or by kind for all tasks of it; a name goes first.

    Raises:
        ValueError: An override for what is neither, or a negative or infinite weight.
    """
    tasks, overrides = tuple(tasks), dict(overrides or {})
    names = [task.name for task in tasks]
    for name, weight in overrides.items():
        if name not in (*names, *DEFAULT_WEIGHTS):
            near = get_close_matches(name, (*names, *DEFAULT_WEIGHTS), n=1)
            raise ValueError(
                f"loss weight for {name!r}; allowed: the tasks {names} and the kinds "
                f"{list(DEFAULT_WEIGHTS)}" + (f"; did you mean {near[0]}?" if near else "")
            )
        if not 0 <= weight < float("inf"):
            raise ValueError(f"loss weight of {name} is {weight}; it must be finite and ≥ 0")
    by_kind = {kind: overrides.get(kind, weight) for kind, weight in DEFAULT_WEIGHTS.items()}
    return {task.name: float(overrides.get(task.name, by_kind[task.kind])) for task in tasks}


def gathered_losses(losses: nn.ModuleDict, all_gather: Callable[[Tensor], Any]) -> Tensor:
    """Sums and counts of this epoch's losses so far, float64 [processes, tasks, 2]."""
    means = [cast(MeanLoss, loss) for loss in losses.values()]
    pairs = [torch.stack([mean.total.double(), mean.count.double()]) for mean in means]
    gathered = cast(Tensor, all_gather(torch.stack(pairs)))
    return gathered.reshape(-1, len(pairs), 2).cpu()


def restore_losses(losses: nn.ModuleDict, gathered: Tensor, world: int, rank: int) -> None:
    """Take up this process's part of `gathered_losses`; rank 0 all, if others wrote."""
    own = gathered[rank] if len(gathered) == world else gathered.sum(0) * (rank == 0)
    for loss, (total, count) in zip(losses.values(), own, strict=True):
        cast(MeanLoss, loss).total.copy_(total)
        cast(MeanLoss, loss).count.copy_(count)
