from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hemenet_lab.metrics import FmaxGrid
from hemenet_lab.metrics.fmax import TWENTY_THRESHOLDS, counts_above, exact_fmax
from tests.metrics.reference import fmax_by_definition
from tests.metrics.test_fmax import Table, tables


def test_counts_above_by_hand() -> None:
    scores = torch.tensor([[0.0, 0.5, 0.7]])
    predicted, hits = counts_above(
        scores, torch.tensor([[1, 0, 1]]), torch.tensor([0.0, 0.5, 0.6, 0.9])
    )
    assert predicted.tolist() == [[3, 2, 1, 0]]
    assert hits.tolist() == [[2, 1, 1, 0]]


def test_the_twenty_thresholds_are_those_of_the_paper() -> None:
    assert pytest.approx([0.05 * step for step in range(20)]) == TWENTY_THRESHOLDS
    assert FmaxGrid(3).thresholds.tolist() == pytest.approx(TWENTY_THRESHOLDS, abs=1e-7)


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from([1, 3, 10, 50]).flatmap(tables),
    st.lists(st.integers(0, 49), min_size=1, max_size=6, unique=True),
)
def test_equals_the_definition_on_its_thresholds(
    table: tuple[Table, Table], chosen: list[int]
) -> None:
    scores, targets = (torch.tensor(part) for part in table)
    metric = FmaxGrid(scores.shape[1], [k / 50 for k in sorted(chosen)])
    for part in torch.arange(len(scores)).split(2):
        metric.update(scores[part], targets[part], torch.ones(len(part), dtype=torch.bool))
    value, n = metric.compute()
    assert n == len(scores)
    on_grid = fmax_by_definition(scores.tolist(), table[1], metric.thresholds.tolist())
    assert value == pytest.approx(on_grid, abs=1e-11)
    assert value <= exact_fmax(scores, targets) + 1e-11


def test_small_probabilities_hide_a_good_ranking() -> None:
    """The reason why it stands beside the exact value and never instead of it."""
    targets = (torch.rand(50, 20, generator=torch.Generator().manual_seed(1)) < 0.2).float()
    scores = 0.001 + 0.04 * targets
    metric = FmaxGrid(20)
    metric.update(scores, targets, torch.ones(50, dtype=torch.bool))
    value, _ = metric.compute()
    assert value is not None
    assert value < 0.4
    assert exact_fmax(scores, targets) > 0.98  # rows without positives have recall 0


def test_states_do_not_grow() -> None:
    metric = FmaxGrid(3)

    def size() -> int:
        return sum(getattr(metric, name).numel() for name in metric._defaults)

    before = size()
    for _ in range(5):
        metric.update(torch.rand(50, 3), torch.ones(50, 3), torch.ones(50, dtype=torch.bool))
    assert size() == before
    assert metric.n == 250


def test_no_labelled_rows_and_not_finite() -> None:
    metric = FmaxGrid(2)
    metric.update(torch.rand(3, 2), torch.ones(3, 2), torch.zeros(3, dtype=torch.bool))
    assert metric.compute() == (None, 0)
    metric.update(torch.full((1, 2), torch.nan), torch.ones(1, 2), torch.ones(1, dtype=torch.bool))
    value, n = metric.compute()
    assert value is not None
    assert value != value
    assert n == 1


@pytest.mark.parametrize("grid", [[0.0, 0.5, 0.5], [], [0.0, 0.7, 0.2]])
def test_refuses_grids(grid: list[float]) -> None:
    with pytest.raises(ValueError, match="they must be ascending probabilities"):
        FmaxGrid(2, grid)
