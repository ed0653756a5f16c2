"""Optimizer and learning-rate schedule, as Lightning wants them."""

from __future__ import annotations

import math
from typing import Any

from lightning.pytorch import Trainer
from lightning.pytorch.cli import ReduceLROnPlateau
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


class WarmupCosine(LambdaLR):
    """Learning rate that rises linearly at first and then falls along a cosine, step by step.

    The last step of the run has the lowest rate, so that the weights come to rest.

    Args:
        optimizer: Its rate is the highest one.
        warmup: Share of all steps in which the rate rises, 0 to 1.
        floor: Lowest rate at the end, as a share of the highest one.

    Raises:
        ValueError: A share outside 0 to 1.
    """

    def __init__(self, optimizer: Optimizer, warmup: float = 0.1, floor: float = 0.01) -> None:
        for name, share in (("warmup", warmup), ("floor", floor)):
            if not 0 <= share <= 1:
                raise ValueError(f"WarmupCosine {name} is {share}; give a share from 0 to 1")
        self.warmup, self.floor = warmup, floor
        self.total = 1
        """Steps of the whole run; set when the trainer is known."""
        super().__init__(optimizer, self.share)

    def share(self, step: int) -> float:
        """The rate at a step, counted from 0, as a share of the highest one."""
        rise = self.warmup * self.total
        if step < rise:
            return (step + 1) / (rise + 1)
        done = min(1.0, (step - rise) / max(1.0, self.total - rise))
        return self.floor + (1 - self.floor) * (1 + math.cos(math.pi * done)) / 2


def optimizers(optimizer: Optimizer, scheduler: Any, trainer: Trainer) -> Any:
    """Make the optimizer and schedule that ``configure_optimizers`` returns.

    Args:
        optimizer: The optimizer.
        scheduler: A scheduler that steps once per epoch; None for a constant rate.
        trainer: The trainer, with its data module.

    Raises:
        ValueError: The schedule follows a metric of the validation, and the run has none.
    """
    if scheduler is None:
        return optimizer
    settings: dict[str, Any] = {"scheduler": scheduler}
    if isinstance(scheduler, WarmupCosine):
        scheduler.total = max(1, int(trainer.estimated_stepping_batches))
        settings["interval"] = "step"
    if isinstance(scheduler, ReduceLROnPlateau):
        settings["monitor"] = scheduler.monitor
        if scheduler.monitor.startswith("val/"):
            _require_validation(scheduler.monitor, trainer)
    return {"optimizer": optimizer, "lr_scheduler": settings}


def _require_validation(monitor: str, trainer: Trainer) -> None:
    data = trainer.datamodule  # type: ignore[attr-defined]  # set while running
    labelled = data.counts["val"]
    if trainer.limit_val_batches == 0:
        reason = "trainer.limit_val_batches is 0"
    elif not any(labelled.values()):
        reason = f"split {data.split_name!r} has no labelled validation item of {[*labelled]}"
    else:
        return
    raise ValueError(
        f"the learning rate follows {monitor}, but {reason}; choose other tasks or another split, "
        "validate, or set model.lr_scheduler to null"
    )
