"""Averaged weights: an exponential moving average that validation, test and checkpoints use."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

CURRENT_KEY = "current_weights"
"""Where a checkpoint keeps the weights that training goes on from."""


class AveragedWeights(Callback):
    """Exponential moving average of the weights (Polyak and Juditsky, SIAM J. Control 1992).

    Validation and checkpoints take the averaged weights and running statistics, training goes on
    with its own. Lightning's `EMAWeightAveraging` is not used: it copies the module before its
    heads are made, and a test after a fit takes the last weights for the best ones.

    Args:
        decay: Share of the average that each step keeps; 0.99 is about the last 100 steps. In the
            first steps it is (1 + t) / (10 + t), so that the weights at the start soon count for
            nothing.

    Raises:
        ValueError: A decay that is not from 0 to below 1.
    """

    def __init__(self, decay: float = 0.99) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"AveragedWeights decay is {decay}; give a share from 0 to below 1")
        self.decay = decay
        self._average: dict[str, Tensor] = {}
        self._steps = 0

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not self._average:
            self._average = _weights(pl_module)

    @torch.no_grad()
    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, *args: Any, **kwargs: Any
    ) -> None:
        if trainer.global_step <= self._steps:
            return  # gradients were added up only
        self._steps = trainer.global_step
        keep = min(self.decay, (1 + self._steps) / (10 + self._steps))
        state = pl_module.state_dict()
        for name, value in self._average.items():
            value.lerp_(state[name].to(value), 1 - keep)

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._swap(pl_module)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._swap(pl_module)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._swap(pl_module)
        self._average = {}

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        if self._average:
            averaged = {name: value.clone() for name, value in self._average.items()}
            checkpoint[CURRENT_KEY] = checkpoint["state_dict"]
            checkpoint["state_dict"] = {**checkpoint["state_dict"], **averaged}

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        if trainer.state.fn == "fit" and CURRENT_KEY in checkpoint:
            averaged = checkpoint["state_dict"]
            pl_module.load_state_dict(checkpoint[CURRENT_KEY])
            self._average = {name: averaged[name].clone() for name in _weights(pl_module)}
            self._steps = trainer.global_step

    @torch.no_grad()
    def _swap(self, module: LightningModule) -> None:
        """Exchange the module's weights with the averaged ones."""
        state = module.state_dict()
        for name, value in self._average.items():
            own = state[name].clone()
            state[name].copy_(value)
            value.copy_(own)


def _weights(module: LightningModule) -> dict[str, Tensor]:
    """Copies of everything in the module's state that can be averaged."""
    return {
        name: value.detach().clone()
        for name, value in module.state_dict().items()
        if value.is_floating_point()
    }
