"""Protein-centric Fmax with exact thresholds."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from hemenet_lab.metrics.base import Score, StoredRows, check_probabilities, labelled_rows
from hemenet_lab.metrics.fixed import from_fixed, ratio, to_fixed


class Curve(NamedTuple):
    """Precision and recall at every threshold, from the highest down; all [T]."""

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


def fmax(scores: Tensor, targets: Tensor, eps: float = 0.0) -> float:
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

    Keeps all labelled rows: 5 bytes per score, then about 90 while computing. `FmaxGrid` needs
    constant memory.

    Args:
        num_terms: Terms (columns) of the task.
    """

    higher_is_better = True
    target_dtype = torch.uint8

    def __init__(self, num_terms: int, **options: Any) -> None:
        super().__init__(num_terms, **options)

    def update(self, prediction: Tensor, target: Tensor, mask: Tensor) -> None:
        """Takes in probabilities [n, C] and targets [n, C] of the rows where ``mask`` [n] holds."""
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
        return Score(fmax(prediction, target), len(prediction))
