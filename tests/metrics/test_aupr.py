from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hemenet_lab.metrics import AUPR
from hemenet_lab.metrics.aupr import average_precision
from tests.metrics.reference import average_precision_by_definition


def test_hand_computed() -> None:
    # positives at ranks 1 and 3: (1/1 + 2/3) / 2
    value = average_precision(torch.tensor([0.9, 0.5, 0.4, 0.1]), torch.tensor([1, 0, 1, 0]))
    assert float(value) == pytest.approx(5 / 6, abs=1e-12)


def test_ties_are_one_threshold() -> None:
    scores = torch.full((4,), 0.3)
    for targets in ([1, 0, 0, 0], [0, 0, 0, 1]):
        assert float(average_precision(scores, torch.tensor(targets))) == pytest.approx(1 / 4)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=1, max_size=30).filter(
        lambda pairs: any(positive for _, positive in pairs)
    )
)
def test_equals_definition(pairs: list[tuple[int, bool]]) -> None:
    scores = [level / 6 for level, _ in pairs]
    targets = [float(positive) for _, positive in pairs]
    got = average_precision(
        torch.tensor(scores, dtype=torch.float64), torch.tensor(targets, dtype=torch.float64)
    )
    assert float(got) == pytest.approx(average_precision_by_definition(scores, targets), abs=1e-11)


def test_rows_are_independent() -> None:
    generator = np.random.default_rng(0)
    scores = torch.from_numpy(generator.integers(0, 5, (6, 12)) / 5)
    targets = torch.from_numpy(generator.integers(0, 2, (6, 12)))
    got = average_precision(scores, targets)
    singles = [average_precision(s, t) for s, t in zip(scores, targets, strict=True)]
    assert torch.equal(got, torch.stack(singles))


def test_micro_pools_and_macro_averages_terms_with_positives() -> None:
    scores = torch.tensor([[0.9, 0.1, 0.5], [0.2, 0.8, 0.6]])
    targets = torch.tensor([[0, 0, 0], [1, 1, 0]])
    values = {}
    for average in ("micro", "macro"):
        metric = AUPR(3, average)
        metric.update(scores, targets, torch.ones(2, dtype=torch.bool))
        values[average] = metric.compute().value
    # micro: order 0.9- 0.8+ 0.6- 0.5- 0.2+ 0.1-; macro: term 0 has 1/2, term 1 has 1, term 2 none
    assert values == pytest.approx({"micro": (1 / 2 + 2 / 5) / 2, "macro": (1 / 2 + 1) / 2})


def test_absent_without_positives() -> None:
    metric = AUPR(2)
    metric.update(torch.rand(3, 2), torch.zeros(3, 2), torch.ones(3, dtype=torch.bool))
    assert metric.compute() == (None, 3)


def test_unknown_average() -> None:
    with pytest.raises(ValueError, match="allowed: micro, macro"):
        AUPR(2, "weighted")  # type: ignore[arg-type]  # the mistake to be told
