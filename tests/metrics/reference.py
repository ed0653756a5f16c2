"""Slow, readable forms of the metrics."""

from __future__ import annotations

from collections.abc import Sequence

Rows = Sequence[Sequence[float]]


def fmax_by_definition(scores: Rows, targets: Rows, thresholds: Sequence[float] = ()) -> float:
    """Largest F over the thresholds, every score by default."""
    best = 0.0
    for threshold in thresholds or sorted({score for row in scores for score in row}):
        precisions, recalls = [], []
        for row, truth in zip(scores, targets, strict=True):
            predicted = {term for term, score in enumerate(row) if score >= threshold}
            positive = {term for term, value in enumerate(truth) if value}
            if predicted:
                precisions.append(len(predicted & positive) / len(predicted))
            recalls.append(len(predicted & positive) / len(positive) if positive else 0.0)
        if not precisions:
            continue
        precision, recall = sum(precisions) / len(precisions), sum(recalls) / len(recalls)
        if precision + recall > 0:
            best = max(best, 2 * precision * recall / (precision + recall))
    return best


def average_precision_by_definition(scores: Sequence[float], targets: Sequence[float]) -> float:
    """Σ precision × gain in recall over the distinct scores, from the highest down."""
    positives, total, before = sum(targets), 0.0, 0.0
    for threshold in sorted(set(scores), reverse=True):
        truths = [t for s, t in zip(scores, targets, strict=True) if s >= threshold]
        recall = sum(truths) / positives
        total += (recall - before) * sum(truths) / len(truths)
        before = recall
    return total
