"""Heads: from a task's feature vector to its prediction."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from hemenet_lab.tasks import Task

MARGIN = 1e-4
"""Least distance of an initial term probability from 0 and 1."""
LARGEST_LOG = 80.0
"""Bound of a logarithm whose exponential is finite and above 0 in float32."""


class Head(nn.Module):
    """Linear → SiLU → dropout → Linear, to values (regression) or logits (multi-label).

    The last Linear is not under autocast: predictions are as precise as its weights. A task without
    outputs has no parameters and predicts [n, 0]. Where the task's transform is ``log``, the head
    learns the logarithm and gives its exponential, in the task's unit.

    Args:
        dim: Width of the feature vectors.
        task: What is predicted.
        hidden: Width of the hidden layer; ``dim`` if not given.
        dropout: Probability of zeroing a hidden unit in training.
    """

    shift: Tensor
    scale: Tensor

    def __init__(
        self, dim: int, task: Task, hidden: int | None = None, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.task = task
        if not 0 <= dropout < 1:
            raise ValueError(f"head dropout is {dropout}; it must be at least 0 and below 1")
        hidden = dim if hidden is None else hidden
        if min(dim, hidden) < 1:
            raise ValueError(f"head widths are {dim} and {hidden}; they must be 1 or more")
        self.hidden = nn.Linear(dim, hidden) if task.num_outputs else None
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(hidden, task.num_outputs) if task.num_outputs else None
        # kept by the module beside the weights: checkpoints from before there were any stay good
        self.register_buffer("shift", torch.tensor(0.0), persistent=False)
        self.register_buffer("scale", torch.tensor(1.0), persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        """Prediction [n, out] from features [n, dim]."""
        if self.hidden is None or self.output is None:
            return features.new_zeros(len(features), 0)
        hidden = self.dropout(nn.functional.silu(self.hidden(features)))
        # half precision would round an affinity of 6.5 to the next multiple of 0.03
        with torch.autocast(hidden.device.type, enabled=False):
            raw = self.output(hidden.to(self.output.weight.dtype)) * self.scale + self.shift
            if self.task.transform != "log":
                return raw
            return raw.clamp(-LARGEST_LOG, LARGEST_LOG).exp()

    def set_scale(self, mean: float, deviation: float) -> None:
        """Learns in units of ``deviation`` about ``mean``; predictions stay in the task's unit.

        Mean and deviation are those of the logarithms where the task's transform is ``log``.

        Raises:
            ValueError: A deviation that is not above 0, or numbers that are not finite.
        """
        if not (math.isfinite(mean) and 0 < deviation < math.inf):
            raise ValueError(
                f"{self.task.name}: targets with mean {mean} and deviation {deviation}; the mean "
                "must be finite and the deviation above 0"
            )
        self.shift.fill_(mean)
        self.scale.fill_(deviation)

    @torch.no_grad()
    def initialise_output(self, constant: Tensor | Sequence[float] | None) -> None:
        """Starts the last bias at the constant prediction that fits the training labels best.

        Args:
            constant: [out], mean label (regression) or frequency of each term (multi-label) over
                the labelled training items; None, without such items, changes nothing. Frequencies
                are kept `MARGIN` away from 0 and 1, so that an unseen term has a finite logit.

        Raises:
            ValueError: Another width, values that are not finite, or frequencies outside [0, 1].
        """
        if self.output is None or constant is None:
            return
        if self.task.transform == "log":
            # the geometric mean, which is what fits best there, is exp(shift)
            self.output.bias.zero_()
            return
        mean = torch.as_tensor(constant, dtype=torch.float64).reshape(-1)
        if len(mean) != self.task.num_outputs or not bool(torch.isfinite(mean).all()):
            raise ValueError(
                f"{self.task.name}: constant prediction of shape {tuple(mean.shape)}; it must be "
                f"{self.task.num_outputs} finite numbers, one per output"
            )
        if self.task.kind == "multilabel":
            if bool(((mean < 0) | (mean > 1)).any()):
                raise ValueError(f"{self.task.name}: term frequencies must lie in [0, 1]")
            mean = mean.clamp(MARGIN, 1 - MARGIN).logit()
        self.output.bias.copy_((mean - self.shift) / self.scale)


def start_heads(heads: nn.ModuleDict, data: Any, standardise: bool, statistics: bool) -> None:
    """Give new heads the scale of their task's labels and their first prediction.

    Args:
        heads: A `Head` by task.
        data: The data module.
        standardise: Learn regression tasks in units of the labels' standard deviation.
        statistics: Start at the training mean or term frequencies.
    """
    tasks = [cast(Head, head).task for head in heads.values()]
    followed = ("standardise", "log", *([""] if standardise else []))
    if names := {task.name for task in tasks if task.transform in followed}:
        set_scales(heads, {n: s for n, s in data.label_scales().items() if n in names})
    if statistics:
        for task in tasks:
            cast(Head, heads[task.name]).initialise_output(data.constant_predictor(task))


def head_scales(heads: nn.ModuleDict) -> dict[str, list[float]]:
    """Mean and deviation by regression task, as a checkpoint keeps them for `set_scales`."""
    found = {name: cast(Head, head) for name, head in heads.items()}
    return {
        name: [float(head.shift), float(head.scale)]
        for name, head in found.items()
        if head.task.kind == "regression"
    }


def set_scales(heads: nn.ModuleDict, scales: Mapping[str, Sequence[float]]) -> None:
    """Give heads the mean and deviation of their task's labels.

    Args:
        heads: A `Head` by task.
        scales: (mean, deviation) by task, in the task's unit; tasks without a head are skipped.
    """
    for name, (mean, deviation) in scales.items():
        if name in heads:
            cast(Head, heads[name]).set_scale(mean, deviation)
