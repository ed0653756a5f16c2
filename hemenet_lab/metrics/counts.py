"""Predicted and correctly predicted terms of each row, at given thresholds."""

from __future__ import annotations

import torch
from torch import Tensor


def counts_above(scores: Tensor, targets: Tensor, thresholds: Tensor) -> tuple[Tensor, Tensor]:
    """Terms with score ≥ threshold, and the positives among them.

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
