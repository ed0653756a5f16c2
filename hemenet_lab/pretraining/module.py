"""MaskedResidues: an encoder that learns to tell the types of residues that it cannot see."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float, Int64
from lightning.pytorch import LightningModule
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor, nn
from torchmetrics import Metric

from hemenet_lab.encoders import Encoder
from hemenet_lab.graphs import ProteinGraph, count_graphs
from hemenet_lab.metrics import MeanLoss
from hemenet_lab.model import (
    TASKS_KEY,
    TRAINED_ON_KEY,
    note_of_data,
    optimizers,
    plain_settings,
    require_steps,
    take_weights,
)
from hemenet_lab.structures import UNKNOWN_RESIDUE

NUM_TYPES = UNKNOWN_RESIDUE
"""The 20 residues that are told apart."""


class TypeScores(Metric):
    """Share of masked residues whose type is found, beside what the best constant answer reaches.

    All states are sums of whole numbers, so that neither batches nor processes matter.
    """

    is_differentiable = False
    full_state_update = False
    right: Tensor
    types: Tensor

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.add_state("right", torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")
        self.add_state("types", torch.zeros(NUM_TYPES, dtype=torch.long), dist_reduce_fx="sum")

    @property
    def update_called(self) -> bool:
        """Always True: without any masked residue there is a count of 0, which needs no warning."""
        return True

    def update(self, logits: Float[Tensor, "nodes types"], hidden: Int64[Tensor, " nodes"]) -> None:
        """Add a batch: logits [N, 20], and types [N] with -1 where none is asked for."""
        self.right += ((logits.argmax(dim=1) == hidden) & (hidden >= 0)).sum()
        kinds = torch.arange(NUM_TYPES, device=hidden.device)
        self.types += (hidden.unsqueeze(1) == kinds).sum(dim=0)

    def compute(self) -> dict[str, Tensor]:
        """Scores by name; nothing but ``n`` = 0 without masked residues."""
        count = self.types.sum()
        if not count:
            return {"n": count}
        shares = self.types / count
        entropy = torch.special.entr(shares).sum()
        accuracy, constant = self.right / count, shares.max()
        return {
            "n": count,
            "accuracy": accuracy,
            "constant_accuracy": constant,
            "constant_perplexity": entropy.exp(),
            # a constant answer is never wrong where all types are the same
            "score": (accuracy - constant) / (1 - constant) if constant < 1 else accuracy - 1,
        }


class MaskedResidues(LightningModule):
    """Pretraining of an encoder: the types of masked residues, from its features of them.

    Hu et al., ICLR 2020 (attribute masking) and Zhang et al., ICLR 2023 (residue type prediction of
    GearNet). A Linear layer on the features of the residue's node (of its alpha carbon, where nodes
    are atoms) gives a logit for each of the 20 types; the loss is their cross entropy.

    Logged: ``train/loss`` and ``train/lr``; of the validation part ``val/loss``, ``val/accuracy``,
    ``val/perplexity``, ``val/n`` (masked residues), ``val/constant_accuracy`` and
    ``val/constant_perplexity`` (always the most frequent type of those residues; their frequencies)
    and ``val/score``, the gain in accuracy over that constant: 0 for it, 1 for a perfect model.

    Args:
        encoder: It keeps what it learns; a fit takes it up with ``--init_from``.
        optimizer: Made from the parameters.
        lr_scheduler: Made from the optimizer; None for a constant rate.
    """

    task_names = ("masked",)
    """What a run's record says that it learned."""

    def __init__(
        self,
        encoder: Encoder,
        optimizer: OptimizerCallable = lambda parameters: torch.optim.Adam(parameters, lr=1e-3),
        lr_scheduler: LRSchedulerCallable | None = None,
    ) -> None:
        super().__init__()
        with plain_settings(self):
            self.save_hyperparameters(logger=False)
        self.encoder = encoder
        self.output = nn.Linear(encoder.out_dim, NUM_TYPES)
        self.val_loss = MeanLoss()
        self.val_scores = TypeScores()
        self.trained_on = ""
        self._make_optimizer = optimizer
        self._make_scheduler = lr_scheduler

    def start_from(self, content: Mapping[str, Any], source: str) -> None:
        """Begin with the weights of ``content`` that fit; ``source`` is its name in the report."""
        for line in take_weights(self, (), content, source).lines():
            rank_zero_info(line)

    def configure_optimizers(self) -> Any:
        optimizer = self._make_optimizer(self.parameters())
        scheduler = self._make_scheduler(optimizer) if self._make_scheduler else None
        return optimizers(optimizer, scheduler, self.trainer)

    def on_train_start(self) -> None:
        require_steps(self.trainer)
        self.trained_on = note_of_data(self.trainer) or self.trained_on

    def forward(self, graph: ProteinGraph) -> Float[Tensor, "nodes types"]:
        """Logits of the 20 types for every node, [N, 20]; they mean something at residues."""
        logits: Tensor = self.output(self.encoder(graph))
        return logits

    def loss(
        self, logits: Float[Tensor, "nodes types"], hidden: Int64[Tensor, " nodes"]
    ) -> tuple[Tensor, Tensor]:
        """Mean cross entropy over the masked residues (0 without any), and their number."""
        count = (hidden >= 0).sum()
        total = nn.functional.cross_entropy(
            logits.float(), hidden, ignore_index=-1, reduction="sum"
        )
        return total / count.clamp(min=1), count

    def training_step(self, batch: ProteinGraph, batch_idx: int) -> Tensor:
        loss, _ = self.loss(self(batch), batch.hidden_type)
        self.log("train/loss", loss.detach(), prog_bar=True, batch_size=count_graphs(batch))
        return loss

    def on_train_epoch_end(self) -> None:
        self.log("train/lr", self.trainer.optimizers[0].param_groups[0]["lr"])

    def validation_step(self, batch: ProteinGraph, batch_idx: int) -> None:
        logits = self(batch)
        self.val_loss.update(*self.loss(logits, batch.hidden_type))
        self.val_scores.update(logits, batch.hidden_type)

    def on_validation_epoch_end(self) -> None:
        scores = self.val_scores.compute()
        loss = self.val_loss.compute()
        self.val_scores.reset()
        self.val_loss.reset()
        if "accuracy" not in scores:
            raise ValueError(
                "the validation part has no residue of a known type that could be masked; choose "
                "another split or another store (hemenet data inspect)"
            )
        for name, value in scores.items():
            self.log(f"val/{name}", value.float(), prog_bar=name == "accuracy")
        self.log("val/loss", loss)
        self.log("val/perplexity", loss.exp())
        rank_zero_info(
            f"Epoch {self.current_epoch}: of {int(scores['n']):,} masked residues "
            f"{float(scores['accuracy']):.1%} told (by one type for all: "
            f"{float(scores['constant_accuracy']):.1%}), perplexity {float(loss.exp()):.2f} (by "
            f"their frequencies: {float(scores['constant_perplexity']):.2f})"
        )

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint[TASKS_KEY] = []  # by which it is known as one to begin from, not to predict with
        checkpoint[TRAINED_ON_KEY] = self.trained_on

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.trained_on = str(checkpoint.get(TRAINED_ON_KEY, ""))
