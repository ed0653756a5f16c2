"""A task's metrics over one stage, beside those of the constant predictor on the same items."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torchmetrics import Metric

from hemenet_lab.metrics import (
    MaskedMetric,
    MeanLoss,
    Score,
    StoredRows,
    labelled_rows,
    main_metric,
    task_metrics,
)
from hemenet_lab.tasks import Task


class LabelledRows(StoredRows):
    """Keeps predictions, targets and whereabouts of the labelled rows, for intervals over items."""

    items: list[Tensor]

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.add_state("items", default=[], dist_reduce_fx="cat")

    def update(  # type: ignore[override]  # rows without whereabouts are of no use here
        self, prediction: Tensor, target: Tensor, mask: Tensor, items: Tensor
    ) -> None:
        """Takes in a batch: prediction and target [n, out], mask bool [n], items int64 [n, 2]."""
        self.store(*labelled_rows(prediction, target, mask, self.width))
        self.items.append(items[mask])

    def compute(self) -> tuple[Tensor, Tensor, Tensor]:
        """Predictions and targets [m, out] and items [m, 2] of all processes, by item, on the CPU.

        An item is (index of the entry in the store, chain), with chain -1 at the complex level.
        """
        prediction, target = self.rows()
        parts = self.items if isinstance(self.items, list) else [self.items]
        items = torch.cat(parts) if parts else torch.zeros(0, 2, dtype=torch.long)
        order = np.lexsort(items.cpu().numpy().T[::-1])
        return prediction.cpu()[order], target.cpu()[order], items.cpu()[order]

    def gathered(self) -> tuple[Tensor, Tensor, Tensor]:
        """`compute` with the shapes that it states: torchmetrics squeezes those of a single row."""
        prediction, target, items = self.compute()
        shape = (-1, self.width)
        return prediction.reshape(shape), target.reshape(shape), items.reshape(-1, 2)

    def sync(self, *args: Any, **kwargs: Any) -> None:
        """Gathers all processes' rows; one without rows takes part with an empty tensor."""
        if isinstance(self.items, list) and not self.items:
            self.items.append(torch.zeros(0, 2, dtype=torch.long, device=self.device))
        super().sync(*args, **kwargs)


class TaskEvaluation(nn.Module):
    """Metrics, mean loss and skill of one task.

    The constant predictor gives every item the training mean (regression) or the training frequency
    of each term (multi-label). Skill is 0 for it and 1 for a perfect model: 1 − RMSE / RMSE₀, and
    (Fmax − Fmax₀) / (1 − Fmax₀); it is cut at −1, so that one diverging task cannot hide the rest.

    Args:
        task: What is predicted.
        keep_rows: Keep all predictions, for `rows`, and have the metrics of tests only.
    """

    constant: Tensor

    def __init__(self, task: Task, keep_rows: bool = False) -> None:
        super().__init__()
        self.task = task
        self.metrics = nn.ModuleDict(task_metrics(task, test=keep_rows))
        self.constant_metrics = nn.ModuleDict(task_metrics(task, test=keep_rows))
        self.loss = MeanLoss()
        self.rows = LabelledRows(task.num_outputs) if keep_rows else None
        self.register_buffer("constant", torch.zeros(task.num_outputs), persistent=False)
        self.has_constant = False

    def set_constant(self, constant: Tensor | None) -> None:
        """The constant prediction [out]; None where the training split has no labelled item."""
        self.has_constant = constant is not None
        if constant is not None:
            self.constant = torch.as_tensor(constant, dtype=torch.float32).to(self.constant.device)

    def update(
        self,
        output: Tensor,
        target: Tensor,
        mask: Tensor,
        loss: tuple[Tensor, Tensor],
        items: Tensor,
    ) -> None:
        """Takes in a batch.

        Args:
            output: [n, out], raw outputs (logits for multi-label tasks).
            target: [n, out].
            mask: bool [n], True where a row is labelled.
            loss: Mean loss over the labelled rows, and their number.
            items: int64 [n, 2], see `LabelledRows.compute`.
        """
        prediction = output.detach().float()
        if self.task.kind == "multilabel":
            prediction = prediction.sigmoid()
        for metric in _by_name(self.metrics).values():
            metric.update(prediction, target, mask)
        if self.rows is not None:
            self.rows.update(prediction, target, mask, items)
        if self.has_constant:
            for metric in _by_name(self.constant_metrics).values():
                metric.update(self.constant.expand_as(target), target, mask)
        self.loss.update(*loss)

    def scores(self) -> dict[str, Score]:
        """Every metric with its number of labelled items, over all processes."""
        return {name: metric.compute() for name, metric in _by_name(self.metrics).items()}

    def constant_scores(self) -> dict[str, Score]:
        """The same of the constant predictor; empty without training labels."""
        if not self.has_constant:
            return {}
        return {name: m.compute() for name, m in _by_name(self.constant_metrics).items()}

    def mean_loss(self) -> Tensor:
        """Mean loss over all labelled items; NaN without any."""
        return self.loss.compute()

    def skill(self) -> float | None:
        """Gain over the constant predictor on the main metric; None where either is absent."""
        name = main_metric(self.task.kind).name
        score, constant = self.scores()[name].value, self.constant_scores().get(name)
        if score is None or constant is None or constant.value is None:
            return None
        if self.task.kind == "regression":
            gain, room = constant.value - score, constant.value
        else:
            gain, room = score - constant.value, 1 - constant.value
        return max(-1.0, gain / room) if room > 0 else 0.0

    def reset(self) -> None:
        """Forget everything taken in."""
        for metric in self.modules():
            if isinstance(metric, Metric):
                metric.reset()


def _by_name(metrics: nn.ModuleDict) -> dict[str, MaskedMetric]:
    return cast(dict[str, MaskedMetric], dict(metrics.items()))
