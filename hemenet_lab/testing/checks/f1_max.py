"""Checks Fmax and average precision against golden numbers (torchdrug's, Zhu et al., 2022).

The original steps through the entries one by one in sorted order, so tied scores give it a value
that depends on the order of an unstable sort: in a case with ties these numbers are not a target.
Made with a stable sort they are: then the earlier of two equal scores counts as the higher one.
``extra/.../f1_max_by_threshold``, the definition itself with equal scores as one threshold, is what
`hemenet_lab.metrics` computes.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from hemenet_lab.metrics import average_precision, exact_fmax
from hemenet_lab.testing.checks.fixture import Comparison, Fixture

_QUANTITIES = ("f1_max", "auprc_flat", "auprc_per_row")


def check(fixture: Fixture) -> Iterator[Comparison]:
    """Compares every case of the file."""
    eps = float(fixture.hyper["eps"])
    for case in range(int(fixture.hyper["n_cases"])):
        scores = fixture.input(f"case{case}/pred")
        targets = fixture.input(f"case{case}/target")
        tied = len(scores.unique()) < scores.numel()
        for suffix, used in (("", scores), ("_stable_sort", _without_ties(scores))):
            got = _values(used, targets, eps)
            for name in _QUANTITIES:
                key = f"output/case{case}/{name}{suffix}"
                if tied and not suffix:
                    fixture.exclude(key, "tied scores, so it depends on the order of sorting")
                elif fixture.has(key):
                    yield fixture.compare(key, got[name])
        by_threshold = f"extra/case{case}/f1_max_by_threshold"
        if fixture.has(by_threshold):
            yield fixture.compare(by_threshold, exact_fmax(scores, targets, eps))


def _values(scores: Tensor, targets: Tensor, eps: float) -> dict[str, Tensor | float]:
    return {
        "f1_max": exact_fmax(scores, targets, eps),
        "auprc_flat": average_precision(scores.flatten(), targets.flatten(), eps),
        "auprc_per_row": average_precision(scores, targets, eps),
    }


def _without_ties(scores: Tensor) -> Tensor:
    """Scores of the same order in which an entry beats every later one that equals it."""
    order = scores.flatten().sort(descending=True, stable=True).indices
    ranked = torch.empty(scores.numel(), dtype=torch.float64)
    ranked[order] = -torch.arange(scores.numel(), dtype=torch.float64)
    return ranked.reshape(scores.shape)
