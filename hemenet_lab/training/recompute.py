"""Gradient checkpointing: less memory for about a third more time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from hemenet_lab.encoders import Encoder

LAYERS = "layers"
"""Name of the lists whose modules are the layers of an encoder."""


class Recompute(Callback):
    """Keeps only the inputs of an encoder's layers in training and computes the rest again.

    What a layer keeps for its gradient is the largest part of the memory of a step. With
    ``--trainer.callbacks+ hemenet_lab.training.Recompute`` it is made anew in the backward pass,
    layer by layer, with the same random numbers, so that losses and gradients are the same. Works
    with every encoder that holds its layers in ``nn.ModuleList``s called ``layers``. Checkpoints
    are those without it.
    """

    def __init__(self) -> None:
        self._applied: list[nn.Module] = []

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if stage != "fit":
            return
        if pl_module.hparams.get("compile"):
            raise ValueError(
                "Recompute and --model.compile together: a compiled model decides itself what it "
                "computes again; leave out one of them"
            )
        encoder = pl_module.encoder
        assert isinstance(encoder, Encoder)
        self.apply(encoder)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self.remove()

    def apply(self, encoder: Encoder) -> None:
        """Make an encoder's layers compute again.

        Raises:
            ValueError: The encoder has no list of layers.
        """
        self.remove()
        lists = [
            found
            for name, found in encoder.named_modules()
            if name.split(".")[-1] == LAYERS and isinstance(found, nn.ModuleList)
        ]
        if not lists:
            raise ValueError(
                f"{type(encoder).__name__} has no nn.ModuleList called {LAYERS!r}, whose modules "
                "could be computed again; leave out Recompute, or name the list so"
            )
        self._applied = [layer for found in lists for layer in found]
        for layer in self._applied:
            layer.forward = _again(layer)

    def remove(self) -> None:
        """Undo `apply`."""
        for layer in self._applied:
            del layer.forward  # the class's own is there again
        self._applied = []


def _again(layer: nn.Module) -> Callable[..., Any]:
    forward = layer.forward

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), _kept_statistics(layer)

    def run(*args: Any) -> Any:
        if not torch.is_grad_enabled():
            return forward(*args)
        return checkpoint(forward, *args, use_reentrant=False, context_fn=contexts)

    return run


@contextmanager
def _kept_statistics(layer: nn.Module) -> Iterator[None]:
    """Without changes to running statistics: a batch counts once, however often it is computed."""
    norms = [
        (each, each.momentum, each.num_batches_tracked, each.num_batches_tracked.clone())
        for each in layer.modules()
        if isinstance(each, _BatchNorm) and each.num_batches_tracked is not None
    ]
    for norm, *_ in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum, tracked, before in norms:
            norm.momentum = momentum
            tracked.copy_(before)
