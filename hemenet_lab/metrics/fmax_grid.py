"""Protein-centric Fmax on a grid of thresholds: constant memory, with a bound of its error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from hemenet_lab.metrics.base import MaskedMetric, Score, check_probabilities, labelled_rows
from hemenet_lab.metrics.counts import counts_above
from hemenet_lab.metrics.fixed import from_fixed, ratio, to_fixed

_ROWS = 256
"""Rows counted at a time, so that a large batch needs no more memory than a small one."""


def default_thresholds(size: int = 1000) -> Tensor:
    """0 and about ``size`` probabilities evenly spaced in logit from -15 to 15, float32.

    Even steps in probability would miss models whose probabilities are all small.
    """
    grid = torch.linspace(-15, 15, size, dtype=torch.float64).sigmoid().float()
    # close to 1, neighbours of the grid are the same float32
    return torch.cat([torch.zeros(1), grid]).unique()


class FmaxGrid(MaskedMetric):
    """`Fmax` with fixed-size states, for sets too large to keep.

    ``compute().value`` is the largest F over the grid, a lower bound of the exact Fmax: a threshold
    of the grid predicts what the lowest score above it predicts. ``compute().error`` bounds what
    is missing. For thresholds t between neighbours a ≤ t < b of the grid, recall is at most R(a).
    In a row with k_b predictions and h_b hits at b and h_a hits at a, precision at t is at most
    h_a / (k_b + h_a − h_b), reached if the hits between come first. The mean over rows is largest
    if rows that are empty at b join only with a hit, hence with precision at most 1. F grows with
    both, so the largest F of these bounds over all intervals bounds the exact Fmax.

    Args:
        num_terms: Terms (columns) of the task.
        thresholds: Ascending probabilities that begin with 0; `default_thresholds` if not given.
    """

    higher_is_better = True
    precision: Tensor
    recall: Tensor
    covered: Tensor
    best_precision: Tensor
    best_covered: Tensor
    count: Tensor
    not_finite: Tensor
    thresholds: Tensor

    def __init__(
        self, num_terms: int, thresholds: Sequence[float] | Tensor | None = None, **options: Any
    ) -> None:
        super().__init__(num_terms, **options)
        grid = default_thresholds() if thresholds is None else torch.as_tensor(thresholds)
        grid = grid.float()
        if grid.ndim != 1 or not len(grid) or grid[0] != 0 or bool((grid.diff() <= 0).any()):
            raise ValueError(
                "thresholds must be ascending probabilities that begin with 0, so that every "
                f"score lies above one; got {grid.tolist()[:5]} ..."
            )
        self.register_buffer("thresholds", grid, persistent=False)
        for name in ("precision", "recall", "covered", "best_precision", "best_covered"):
            self._add_sum(name, len(grid))
        self._add_sum("count")
        self._add_sum("not_finite")

    def _add_sum(self, name: str, *shape: int) -> None:
        self.add_state(name, torch.zeros(shape, dtype=torch.long), dist_reduce_fx="sum")

    @property
    def n(self) -> int:
        return int(self.count)

    def update(self, prediction: Tensor, target: Tensor, mask: Tensor) -> None:
        """Takes in probabilities [n, C] and targets [n, C] of the rows where ``mask`` [n] holds."""
        prediction, target = labelled_rows(prediction, target, mask, self.width)
        check_probabilities(prediction)
        self.count += len(prediction)
        self.not_finite += (~torch.isfinite(prediction)).sum()
        for scores, labels in zip(prediction.split(_ROWS), target.split(_ROWS), strict=True):
            self._add(scores, labels)

    def _add(self, scores: Tensor, labels: Tensor) -> None:
        predicted, hits = counts_above(scores, labels, self.thresholds)
        self.precision += to_fixed(ratio(hits, predicted)).sum(0)
        self.recall += to_fixed(ratio(hits, labels.sum(1, keepdim=True))).sum(0)
        self.covered += (predicted > 0).sum(0)
        nothing = torch.zeros_like(hits[:, :1])
        above = torch.cat([predicted[:, 1:], nothing], dim=1)
        at_best = above + hits - torch.cat([hits[:, 1:], nothing], dim=1)
        self.best_precision += to_fixed(ratio(hits, at_best)).sum(0)
        self.best_covered += (at_best > 0).sum(0)

    def compute(self) -> Score:
        """Largest F on the grid with the bound of its error; absent without labelled rows."""
        n = int(self.count)
        if n == 0 or self.width == 0:
            return Score(None, n)
        if int(self.not_finite):
            return Score(float("nan"), n)
        value = self._largest_f(self.precision, self.covered)
        bound = self._largest_f(self.best_precision, self.best_covered)
        return Score(value, n, max(0.0, bound - value))

    def _largest_f(self, precision: Tensor, covered: Tensor) -> float:
        mean_precision = ratio(from_fixed(precision), covered)
        mean_recall = from_fixed(self.recall) / self.count
        return float(ratio(2 * mean_precision * mean_recall, mean_precision + mean_recall).max())
