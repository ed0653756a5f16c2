"""Protein-centric Fmax: over every threshold, and over a few fixed ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from hemenet_lab.metrics.base import (
    MaskedMetric,
    Score,
    StoredRows,
    check_probabilities,
    from_fixed,
    labelled_rows,
    ratio,
    to_fixed,
)

TWENTY_THRESHOLDS = tuple(step / 20 for step in range(20))
"""0, 0.05, …, 0.95: the thresholds of the paper's Fmax."""
_ROWS = 256
"""Rows counted at a time, so that a large batch needs no more memory than a small one."""


class Curve(NamedTuple):
    """Precision and recall at each threshold; all [T]."""

    thresholds: Tensor
    precision: Tensor
    recall: Tensor

    def f_score(self, eps: float = 0.0) -> Tensor:
        """2PR / (P + R + eps), 0 where both are 0."""
        return ratio(2 * self.precision * self.recall, self.precision + self.recall + eps)


def precision_recall(scores: Tensor, targets: Tensor, eps: float = 0.0) -> Curve:
    """Protein-centric precision and recall at every distinct score.

    At a threshold t a row (protein) is predicted to have the terms with score ≥ t. Precision is
    averaged over the rows with at least one prediction, recall over all rows, where a row without
    positives counts as recall 0. Equal scores are one threshold. Time O(nC log nC); about 90 bytes
    per score.

    Args:
        scores: [n, C], finite.
        targets: [n, C], 0 or 1.
        eps: Added to the number of positives, as some implementations do (torchdrug: 1e-10).

    Source: Radivojac et al., Nature Methods 10, 221 (2013), as used by DeepFRI and torchdrug.
    """
    ordered, order = scores.sort(dim=1, descending=True)
    positives = targets.sum(dim=1, keepdim=True, dtype=torch.float64)
    hits = targets.gather(1, order).cumsum(dim=1, dtype=torch.int32)
    rank = torch.arange(1, scores.shape[1] + 1, device=scores.device)
    # what each entry adds to its row when the threshold falls below it
    gains = (_steps(ratio(hits, rank)), _steps(ratio(hits, positives + eps * (positives > 0))))
    first = (rank == 1).expand_as(ordered).long()
    del order, hits
    level, order = ordered.flatten().sort(descending=True)
    last = torch.ones_like(level, dtype=torch.bool)
    last[:-1] = level[1:] != level[:-1]
    precision, recall, covered = (x.flatten()[order].cumsum(0)[last] for x in (*gains, first))
    return Curve(level[last], from_fixed(precision) / covered, from_fixed(recall) / len(scores))


def _steps(fraction: Tensor) -> Tensor:
    """Increments along the rows [n, C] in fixed point; their sums are exact in any order."""
    fixed = to_fixed(fraction)
    return torch.diff(fixed, dim=1, prepend=torch.zeros_like(fixed[:, :1]))


def exact_fmax(scores: Tensor, targets: Tensor, eps: float = 0.0) -> float:
    """Largest F score over all thresholds; scores [n, C], targets [n, C] of 0 and 1.

    Source: as `precision_recall`.

    Raises:
        ValueError: No rows or no columns.
    """
    if not scores.numel():
        raise ValueError(
            f"Fmax of scores {tuple(scores.shape)}: it needs at least one row and term"
        )
    return float(precision_recall(scores, targets, eps).f_score(eps).max())


class Fmax(StoredRows):
    """Protein-centric Fmax over every score as a threshold (see `precision_recall`).

    Keeps all labelled rows: 5 bytes per score, then about 90 while computing.

    Args:
        num_terms: Terms (columns) of the task.
    """

    higher_is_better = True
    target_dtype = torch.uint8

    def __init__(self, num_terms: int, **options: Any) -> None:
        super().__init__(num_terms, **options)

    def update(self, prediction: Tensor, target: Tensor, mask: Tensor) -> None:
        """Add probabilities [n, C] and targets [n, C] of the rows where ``mask`` [n] holds."""
        prediction, target = labelled_rows(prediction, target, mask, self.width)
        check_probabilities(prediction)
        self.store(prediction, target)

    def compute(self) -> Score:
        """Fmax over all labelled rows; absent without any."""
        prediction, target = self.rows()
        if not prediction.numel():
            return Score(None, len(prediction))
        if not bool(torch.isfinite(prediction).all()):
            return Score(float("nan"), len(prediction))
        return Score(exact_fmax(prediction, target), len(prediction))


class FmaxGrid(MaskedMetric):
    """Protein-centric Fmax over given thresholds only, with states of constant size.

    With 20 thresholds it is the Fmax that the paper prints. It is never above `Fmax`, and far below
    it for a model whose probabilities are all small, however well they rank the terms.

    Args:
        num_terms: Terms (columns) of the task.
        thresholds: Ascending probabilities; a term is predicted from its score ≥ threshold on.
    """

    higher_is_better = True
    precision: Tensor
    recall: Tensor
    covered: Tensor
    count: Tensor
    not_finite: Tensor
    thresholds: Tensor

    def __init__(
        self, num_terms: int, thresholds: Sequence[float] = TWENTY_THRESHOLDS, **options: Any
    ) -> None:
        super().__init__(num_terms, **options)
        grid = torch.as_tensor(thresholds, dtype=torch.float32)
        if grid.ndim != 1 or not len(grid) or bool((grid.diff() <= 0).any()):
            raise ValueError(
                f"thresholds are {list(thresholds)[:5]} …; they must be ascending probabilities"
            )
        self.register_buffer("thresholds", grid, persistent=False)
        for name, shape in (
            *((name, (len(grid),)) for name in ("precision", "recall", "covered")),
            *((name, ()) for name in ("count", "not_finite")),
        ):
            self.add_state(name, torch.zeros(shape, dtype=torch.long), dist_reduce_fx="sum")

    @property
    def n(self) -> int:
        return int(self.count)

    def update(self, prediction: Tensor, target: Tensor, mask: Tensor) -> None:
        """Add probabilities [n, C] and targets [n, C] of the rows where ``mask`` [n] holds."""
        prediction, target = labelled_rows(prediction, target, mask, self.width)
        check_probabilities(prediction)
        self.count += len(prediction)
        self.not_finite += (~torch.isfinite(prediction)).sum()
        for scores, labels in zip(prediction.split(_ROWS), target.split(_ROWS), strict=True):
            predicted, hits = counts_above(scores, labels, self.thresholds)
            self.precision += to_fixed(ratio(hits, predicted)).sum(0)
            self.recall += to_fixed(ratio(hits, labels.sum(1, keepdim=True))).sum(0)
            self.covered += (predicted > 0).sum(0)

    def compute(self) -> Score:
        """Largest F over the thresholds; absent without labelled rows."""
        n = int(self.count)
        if n == 0 or self.width == 0:
            return Score(None, n)
        if int(self.not_finite):
            return Score(float("nan"), n)
        precision = ratio(from_fixed(self.precision), self.covered)
        recall = from_fixed(self.recall) / self.count
        return Score(float(Curve(self.thresholds, precision, recall).f_score().max()), n)


def counts_above(scores: Tensor, targets: Tensor, thresholds: Tensor) -> tuple[Tensor, Tensor]:
    """Terms with score ≥ threshold in each row, and the positives among them.

    Args:
        scores: [n, C].
        targets: [n, C], 0 or 1.
        thresholds: [T], ascending.

    Returns:
        Two int64 tensors [n, T]: number of predicted terms, and of hits.
    """
    bins = torch.bucketize(scores, thresholds.to(scores.dtype), right=True)
    return (
        _tail_counts(bins, torch.ones_like(bins), len(thresholds)),
        _tail_counts(bins, targets.long(), len(thresholds)),
    )


def _tail_counts(bins: Tensor, weights: Tensor, num_thresholds: int) -> Tensor:
    """Sum of the weights of the entries above each threshold, [n, T]."""
    counts = torch.zeros(
        len(bins), num_thresholds + 1, dtype=torch.long, device=bins.device
    ).scatter_add_(1, bins, weights)
    # an entry in bin b reaches thresholds 0 to b - 1
    return counts.flip(1).cumsum(1).flip(1)[:, 1:]
