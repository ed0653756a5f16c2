"""Optimizer and learning-rate schedule, as Lightning wants them."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import Trainer
from lightning.pytorch.cli import ReduceLROnPlateau
from torch.optim import Optimizer


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
