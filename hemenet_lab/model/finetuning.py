"""Fine-tuning: parts of a model that are frozen, thawed at an epoch, or learn at their own rate."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import BaseFinetuning
from torch import nn
from torch.optim import Optimizer

PARTS = ("encoder", "node_input", "readouts", "heads")


class Finetuning(BaseFinetuning):
    """Freezes parts of a module, and thaws them at an epoch.

    The optimizer has all parameters from the start (those without a gradient it leaves alone), so
    that a schedule knows all rates and a resumed fit finds the same groups.

    Args:
        parts: Names of submodules, such as ``encoder`` or ``heads.lba``.
        unfreeze_at_epoch: First epoch (from 0) in which they learn; None for never.

    Raises:
        ValueError: The epoch is below 1.
    """

    def __init__(self, parts: Collection[str], unfreeze_at_epoch: int | None = None) -> None:
        super().__init__()
        if unfreeze_at_epoch is not None and unfreeze_at_epoch < 1:
            raise ValueError(
                f"model.unfreeze_at_epoch is {unfreeze_at_epoch}; epochs count from 0, so give 1 "
                "or more, or leave out model.freeze"
            )
        self.parts = tuple(parts)
        self.unfreeze_at_epoch = unfreeze_at_epoch

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if stage != "fit":
            return
        if self.unfreeze_at_epoch is not None and trainer.world_size > 1:
            # DistributedDataParallel never adds up gradients of what was frozen when it began
            raise ValueError(
                "model.unfreeze_at_epoch works in one process only; with several, fit with "
                "model.freeze first, and then once more with --init_from and without it"
            )
        super().setup(trainer, pl_module, stage)

    def freeze_before_training(self, pl_module: LightningModule) -> None:
        for module in self._modules(pl_module):
            self.freeze(module, train_bn=False)
        if not any(parameter.requires_grad for parameter in pl_module.parameters()):
            raise ValueError(f"model.freeze={[*self.parts]} leaves nothing to learn")

    def finetune_function(
        self, pl_module: LightningModule, epoch: int, optimizer: Optimizer
    ) -> None:
        if self.unfreeze_at_epoch is not None and epoch >= self.unfreeze_at_epoch:
            for module in self._modules(pl_module):
                self.make_trainable(module)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        # a fit that goes on in the middle of an epoch does not begin it again
        for optimizer in trainer.optimizers:
            self.finetune_function(pl_module, trainer.current_epoch, optimizer)

    def _modules(self, pl_module: LightningModule) -> Iterable[nn.Module]:
        known = dict(pl_module.named_modules())
        for part in self.parts:
            _require_known(part, known, "model.freeze")
            yield known[part]


def parameter_groups(module: nn.Module, rates: Mapping[str, float]) -> Any:
    """What an optimizer is made from: all parameters, or groups with rates of their own.

    Args:
        module: The module.
        rates: Learning rate by name of a submodule; a parameter has that of the longest name that
            leads to it. Those of no such submodule have the optimizer's own rate, and come first.

    Raises:
        ValueError: A name that is no submodule, or a rate below 0.
    """
    if not rates:
        return module.parameters()
    known = dict(module.named_modules())
    for part, rate in rates.items():
        _require_known(part, known, "model.learning_rates")
        if not rate >= 0:
            raise ValueError(f"model.learning_rates.{part} is {rate}; it must be 0 or more")
    groups: dict[str, list[nn.Parameter]] = {"": [], **{part: [] for part in rates}}
    for name, parameter in module.named_parameters():
        parts = [part for part in rates if name.startswith(f"{part}.")]
        groups[max(parts, key=len, default="")].append(parameter)
    own = {part: {"lr": rate} for part, rate in rates.items()}
    return [{"params": found, **own.get(part, {})} for part, found in groups.items() if found]


def _require_known(part: str, known: Collection[str], setting: str) -> None:
    if part not in known or not part:
        choices = [name for name in known if name.split(".")[0] in PARTS and name.count(".") < 2]
        raise ValueError(
            f"{setting} names {part!r}, which is no part of the model; such parts are {choices}"
        )
