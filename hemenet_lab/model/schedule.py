"""Optimizer and learning-rate schedule, as Lightning wants them."""

from __future__ import annotations

from math import cos, pi
from typing import Any

from lightning.pytorch import Trainer
from lightning.pytorch.cli import ReduceLROnPlateau
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import (
    ChainedScheduler,
    CyclicLR,
    LambdaLR,
    LRScheduler,
    OneCycleLR,
    SequentialLR,
)


class WarmUp(LRScheduler):
    """Rate that rises with each step to the optimizer's own, and then stays or falls to 0.

    Args:
        optimizer: The optimizer.
        warmup_steps: Optimizer steps of the linear rise; the first has 1 / warmup_steps of it.
        total_steps: Where half a cosine, begun after the rise, ends at 0; no fall if None.

    Raises:
        ValueError: ``warmup_steps`` below 1, or ``total_steps`` not above it.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        warmup_steps: int,
        total_steps: int | None = None,
        last_epoch: int = -1,
    ) -> None:
        if warmup_steps < 1 or (total_steps is not None and total_steps <= warmup_steps):
            raise ValueError(
                f"WarmUp has warmup_steps {warmup_steps} and total_steps {total_steps}; the first "
                "must be at least 1, the second above it or null"
            )
        self.warmup_steps, self.total_steps = warmup_steps, total_steps
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float | Tensor]:
        """Rates of the parameter groups after ``last_epoch`` steps."""
        done = self.last_epoch
        share = min(1.0, (done + 1) / self.warmup_steps)
        if self.total_steps is not None and done >= self.warmup_steps:
            fall = (done - self.warmup_steps) / (self.total_steps - self.warmup_steps)
            share = (1 + cos(pi * min(1.0, fall))) / 2
        return [rate * share for rate in self.base_lrs]


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
        """Steps of the whole run; set when the training starts."""
        super().__init__(optimizer, self.share)

    def set_total(self, steps: int) -> None:
        """Say how many steps the run has, and set the rates to those of the present one."""
        self.total = max(1, steps)
        for group, rate in zip(self.optimizer.param_groups, self.base_lrs, strict=True):
            group["lr"] = rate * self.share(self.last_epoch)

    def share(self, step: int) -> float:
        """The rate at a step, counted from 0, as a share of the highest one."""
        rise = self.warmup * self.total
        if step < rise:
            return (step + 1) / (rise + 1)
        done = min(1.0, (step - rise) / max(1.0, self.total - rise))
        return self.floor + (1 - self.floor) * (1 + cos(pi * done)) / 2


PER_STEP = (OneCycleLR, CyclicLR, WarmUp, WarmupCosine)
"""Schedules whose settings count optimizer steps."""


def optimizers(optimizer: Optimizer, scheduler: Any, trainer: Trainer) -> Any:
    """Make the optimizer and schedule that ``configure_optimizers`` returns.

    Args:
        optimizer: The optimizer.
        scheduler: The schedule; None for a constant rate. One of `PER_STEP`, or a chain with one in
            it, steps with the optimizer, all others once per epoch.
        trainer: The trainer, with its data module.

    Raises:
        ValueError: The schedule follows a metric of the validation, and the run has none.
    """
    if scheduler is None:
        return optimizer
    settings: dict[str, Any] = {"scheduler": scheduler}
    if isinstance(scheduler, ReduceLROnPlateau):
        settings["monitor"] = scheduler.monitor
        if scheduler.monitor.startswith("val/"):
            _require_validation(scheduler.monitor, trainer)
    elif counts_steps(scheduler):
        settings["interval"] = "step"
    return {"optimizer": optimizer, "lr_scheduler": settings}


def counts_steps(scheduler: Any) -> bool:
    """Check that a schedule is one of `PER_STEP`, or a chain with one in it."""
    if isinstance(scheduler, (ChainedScheduler, SequentialLR)):
        return any(counts_steps(part) for part in scheduler._schedulers)
    return isinstance(scheduler, PER_STEP)


def require_steps(trainer: Trainer) -> None:
    """Tell a `WarmupCosine` how long the run is, and refuse a OneCycleLR that ends before it.

    Torch would stop the training there.

    Called when the data are there: to ask how many steps there are sets up the loaders, and a
    resumed run would then begin its epoch anew.

    Raises:
        ValueError: It has fewer steps than the run.
    """
    steps = trainer.estimated_stepping_batches
    for config in trainer.lr_scheduler_configs:
        scheduler = config.scheduler
        if isinstance(scheduler, WarmupCosine):
            scheduler.set_total(int(steps))
        if isinstance(scheduler, OneCycleLR) and scheduler.total_steps < steps:
            raise ValueError(
                f"OneCycleLR has {scheduler.total_steps} steps, the run has {steps:.0f}; set "
                f"model.lr_scheduler.init_args.total_steps to {steps:.0f}"
            )


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
