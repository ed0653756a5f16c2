"""Mean loss of a stage over its labelled items."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric


class MeanLoss(Metric):
    """Mean over items of losses that are themselves means over the items of a batch.

    A batch counts by its number of labelled items; one without any counts nothing. Waits for no
    GPU in ``update``. (`torchmetrics.MeanMetric` either does, or ignores the weights: 1.9 with
    ``nan_strategy="disable"``.)
    """

    is_differentiable = False
    full_state_update = False
    higher_is_better = False
    total: Tensor
    count: Tensor

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.add_state("total", torch.zeros(()), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")

    @property
    def update_called(self) -> bool:
        """Always True: without any update the mean is NaN, which needs no warning."""
        return True

    def update(self, loss: Tensor, count: Tensor) -> None:
        """Add a batch: its mean loss (a scalar, not finite only if it is so) and its items."""
        self.total += torch.where(count > 0, loss.detach().float() * count, 0.0)
        self.count += count

    def compute(self) -> Tensor:
        """The mean, float32; NaN without a labelled item."""
        return self.total / self.count
