"""Area under the precision-recall curve, as average precision."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

from hemenet_lab.metrics.base import (
    Score,
    StoredRows,
    check_probabilities,
    from_fixed,
    labelled_rows,
    ratio,
    to_fixed,
)


def average_precision(scores: Tensor, targets: Tensor, eps: float = 0.0) -> Tensor:
    """Σ over thresholds of precision × gain in recall, along the last dimension.

    Equal scores are one threshold, so the value does not depend on the order of the items.

    Args:
        scores: [..., L], finite.
        targets: [..., L], 0 or 1.
        eps: Added to the number of positives (torchdrug: 1e-10).

    Returns:
        float64 [...]; 0 where there is no positive.
    """
    ordered, order = scores.sort(dim=-1, descending=True)
    hits = targets.gather(-1, order).cumsum(-1, dtype=torch.long)
    rank = torch.arange(1, scores.shape[-1] + 1, device=scores.device)
    last = torch.ones_like(ordered, dtype=torch.bool)
    last[..., :-1] = ordered[..., 1:] != ordered[..., :-1]
    # hits at the previous threshold: the largest earlier count that closed a group of equal scores
    closed = torch.where(last, hits, 0).cummax(-1).values
    before = torch.cat([torch.zeros_like(hits[..., :1]), closed[..., :-1]], dim=-1)
    gain = torch.where(last, hits - before, 0)
    positives = targets.sum(-1, dtype=torch.float64)
    total = from_fixed((gain * to_fixed(ratio(hits, rank))).sum(-1))
    return ratio(total, positives + eps)


class AUPR(StoredRows):
    """Average precision over all (row, term) pairs, or its mean over terms.

    Args:
        num_terms: Terms (columns) of the task.
        average: ``micro`` pools all pairs, as torchdrug does; ``macro`` is the mean over the terms
            that have a positive, as DeepFRI reports.
    """

    higher_is_better = True
    target_dtype = torch.uint8

    def __init__(
        self, num_terms: int, average: Literal["micro", "macro"] = "micro", **options: Any
    ) -> None:
        super().__init__(num_terms, **options)
        if average not in ("micro", "macro"):
            raise ValueError(f"AUPR average {average!r}; allowed: micro, macro")
        self.average = average

    def update(self, prediction: Tensor, target: Tensor, mask: Tensor) -> None:
        """Add probabilities [n, C] and targets [n, C] of the rows where ``mask`` [n] holds."""
        prediction, target = labelled_rows(prediction, target, mask, self.width)
        check_probabilities(prediction)
        self.store(prediction, target)

    def compute(self) -> Score:
        """AUPR over all labelled rows; absent without any, and without any positive."""
        prediction, target = self.rows()
        n = len(prediction)
        if not bool(target.any()):
            return Score(None, n)
        if not bool(torch.isfinite(prediction).all()):
            return Score(float("nan"), n)
        if self.average == "micro":
            return Score(float(average_precision(prediction.flatten(), target.flatten())), n)
        kept = target.bool().any(dim=0)
        terms = average_precision(prediction[:, kept].T, target[:, kept].T)
        return Score(float(terms.mean()), n)
