"""Parts that all metrics share: masked rows in, a score with its count out, exact sums.

Floating-point sums change in the last digits with their order, so two processes would not agree
exactly with one. Fractions in [0, 1] are therefore rounded to multiples of 2⁻⁴⁰ and summed as
integers (`to_fixed`, `from_fixed`): the mean of any number of them is off by at most 2⁻⁴¹ ≈ 5e-13,
and 8 million of them fit into 64 bits.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torchmetrics import Metric


class Score(NamedTuple):
    """A metric's value with the number of labelled items behind it."""

    value: float | None
    """None where there is no value: no labelled item, or the metric is undefined for them (a
    correlation with a constant, an AUPR without positives). NaN only if a prediction is not
    finite."""
    n: int
    """Labelled items, over all processes."""


_ONE = 2**40
"""The integer that stands for 1 in fixed-point sums."""


def to_fixed(fraction: Tensor) -> Tensor:
    """Fractions in [0, 1] as int64 fixed-point numbers."""
    return (fraction.double() * _ONE).round().long()


def from_fixed(total: Tensor) -> Tensor:
    """Sums of fixed-point numbers as float64."""
    return total.double() / _ONE


def ratio(numerator: Tensor, denominator: Tensor) -> Tensor:
    """``numerator / denominator`` in float64, 0 where the denominator is 0."""
    # float64 first: PyTorch divides integers in float32
    numerator, denominator = numerator.double(), denominator.double()
    return torch.where(denominator > 0, numerator / denominator.clamp(min=1e-300), 0.0)


def labelled_rows(
    prediction: Tensor, target: Tensor, mask: Tensor, width: int
) -> tuple[Tensor, Tensor]:
    """Predictions and targets [m, width] of the labelled rows, in at least float32.

    Args:
        prediction: [n, width], or [n] for width 1.
        target: The same shape; whatever stands in unlabelled rows is ignored.
        mask: bool [n], True where a row is labelled.
        width: Columns of the task.

    Raises:
        ValueError: Shapes that do not fit, or a mask that is not boolean.
    """
    if width == 1:
        prediction, target = (x.unsqueeze(1) if x.ndim == 1 else x for x in (prediction, target))
    want = (mask.shape[0] if mask.ndim == 1 else -1, width)
    if tuple(prediction.shape) != want or tuple(target.shape) != want:
        raise ValueError(
            f"prediction {tuple(prediction.shape)}, target {tuple(target.shape)} and mask "
            f"{tuple(mask.shape)} do not fit; they must be [n, {width}], [n, {width}] and [n]"
        )
    if mask.dtype != torch.bool:
        raise ValueError(f"the mask is {mask.dtype}; it must be bool, True where a row is labelled")
    wide = torch.promote_types(prediction.dtype, torch.float32)
    return prediction.detach()[mask].to(wide), target.detach()[mask]


def check_probabilities(prediction: Tensor) -> None:
    """Raise ValueError for values outside [0, 1]; NaN passes and shows in the score."""
    if prediction.numel() and bool(((prediction < 0) | (prediction > 1)).any()):
        low, high = float(prediction.min()), float(prediction.max())
        raise ValueError(
            f"predictions range over [{low:.3g}, {high:.3g}], but multi-label metrics take "
            "probabilities in [0, 1]; apply a sigmoid to logits first"
        )


class MaskedMetric(Metric):
    """A metric over labelled rows; ``compute()`` returns a `Score`.

    ``update(prediction, target, mask)`` takes probabilities for multi-label tasks and values in the
    task's unit for regression. Half-precision input is widened to float32. Under DDP every process
    computes the same score from all processes' rows, bit for bit the one of a single process, also
    where their numbers of rows differ or are 0.

    Args:
        width: Columns of prediction and target.
        options: Passed on to `torchmetrics.Metric`.
    """

    is_differentiable = False
    full_state_update = False

    def __init__(self, width: int, **options: Any) -> None:
        super().__init__(**options)
        self.width = width

    @property
    def update_called(self) -> bool:
        """Always True: without any update the score is absent, which needs no warning."""
        return True

    @property
    @abstractmethod
    def n(self) -> int:
        """Labelled items that this process has seen since the last reset."""

    @abstractmethod
    def update(self, prediction: Tensor, target: Tensor, mask: Tensor) -> None:
        """Add a batch: prediction and target [n, width], mask bool [n]."""

    @abstractmethod
    def compute(self) -> Any:
        """The `Score` over everything added, by all processes."""


class StoredRows(MaskedMetric):
    """A metric that keeps all labelled rows, for values that no running sum can give.

    Predictions are kept in float32 on every process: what they gather must have one type.
    """

    predictions: list[Tensor]
    targets: list[Tensor]
    target_dtype: torch.dtype = torch.float32
    """Type in which targets are kept."""

    def __init__(self, width: int, **options: Any) -> None:
        super().__init__(width, **options)
        self.add_state("predictions", default=[], dist_reduce_fx="cat")
        self.add_state("targets", default=[], dist_reduce_fx="cat")

    def store(self, prediction: Tensor, target: Tensor) -> None:
        """Keep labelled rows [m, width]."""
        self.predictions.append(prediction.float())
        self.targets.append(target.to(self.target_dtype))

    @property
    def n(self) -> int:
        # after a sync the state is one tensor, before it a list
        rows = self.targets if isinstance(self.targets, list) else [self.targets]
        return sum(len(part) for part in rows)

    def rows(self) -> tuple[Tensor, Tensor]:
        """All stored predictions and targets, [n, width]."""
        parts = (
            part if isinstance(part, list) else [part] for part in (self.predictions, self.targets)
        )
        prediction, target = (
            torch.cat(part) if part else torch.zeros(0, self.width, device=self.device)
            for part in parts
        )
        if prediction.device.type == "mps":  # has no float64, which values are computed in
            return prediction.cpu(), target.cpu()
        return prediction, target

    def sync(self, *args: Any, **kwargs: Any) -> None:
        """Gather all processes' rows; one without rows takes part with an empty tensor."""
        # torchmetrics would send a one-dimensional float tensor, which the others cannot receive
        if isinstance(self.targets, list) and not self.targets:
            empty = torch.zeros(0, self.width, device=self.device)
            self.store(empty, empty)
        super().sync(*args, **kwargs)
