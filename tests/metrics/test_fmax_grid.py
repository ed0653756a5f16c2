from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hemenet_lab.metrics import FmaxGrid
from hemenet_lab.metrics.counts import counts_above
from hemenet_lab.metrics.fmax import fmax
from tests.metrics.reference import fmax_by_definition
from tests.metrics.test_fmax import Table, tables


def test_counts_above_by_hand() -> None:
    scores = torch.tensor([[0.0, 0.5, 0.7]])
    predicted, hits = counts_above(
        scores, torch.tensor([[1, 0, 1]]), torch.tensor([0.0, 0.5, 0.6, 0.9])
    )
    assert predicted.tolist() == [[3, 2, 1, 0]]
    assert hits.tolist() == [[2, 1, 1, 0]]


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from([1, 3, 10, 50]).flatmap(tables),
    st.lists(st.integers(1, 49), max_size=6, unique=True),
)
def test_exact_value_lies_in_the_bounds(table: tuple[Table, Table], inner: list[int]) -> None:
    scores, targets = (torch.tensor(part) for part in table)
    metric = FmaxGrid(scores.shape[1], [0.0, *(k / 50 for k in sorted(inner))])
    metric.update(scores, targets, torch.ones(len(scores), dtype=torch.bool))
    value, n, error = metric.compute()
    assert n == len(scores)
    assert value is not None
    on_grid = fmax_by_definition(scores.tolist(), table[1], metric.thresholds.tolist())
    assert value == pytest.approx(on_grid, abs=1e-11)
    exact = fmax(scores, targets)
    assert value <= exact + 1e-11
    assert exact <= value + error + 1e-11


def test_bound_is_reached() -> None:
    """One threshold, and scores that put all hits first: the bound is the exact value."""
    metric = FmaxGrid(4, [0.0])
    scores, targets = torch.tensor([[0.9, 0.8, 0.2, 0.1]]), torch.tensor([[1, 1, 0, 0]])
    metric.update(scores, targets, torch.ones(1, dtype=torch.bool))
    value, _, error = metric.compute()
    assert value is not None
    assert value == pytest.approx(2 / 3)
    assert value + error == fmax(scores, targets) == 1.0


@pytest.mark.parametrize("scale", [1.0, 0.05, 0.001])
def test_default_grid_is_tight_also_for_small_probabilities(scale: float) -> None:
    generator = torch.Generator().manual_seed(1)
    targets = (torch.rand(400, 50, generator=generator) < 0.05).float()
    noise = torch.randn(400, 50, generator=generator)
    scores = scale * (2 * noise - 3 + 3 * targets).sigmoid()
    metric = FmaxGrid(50)
    metric.update(scores, targets, torch.ones(400, dtype=torch.bool))
    value, _, error = metric.compute()
    assert value == pytest.approx(fmax(scores, targets), abs=0.01)
    assert error < 0.05
    assert fmax_by_definition(
        scores.tolist(), targets.tolist(), [0.05 * step for step in range(20)]
    ) < fmax(scores, targets) - (0.02 if scale < 1 else 0)


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
    assert metric.compute() == (None, 0, 0.0)
    metric.update(torch.full((1, 2), torch.nan), torch.ones(1, 2), torch.ones(1, dtype=torch.bool))
    value, n, _ = metric.compute()
    assert value is not None
    assert value != value
    assert n == 1


@pytest.mark.parametrize("grid", [[0.1, 0.5], [0.0, 0.5, 0.5], [], [0.0, 0.7, 0.2]])
def test_refuses_grids(grid: list[float]) -> None:
    with pytest.raises(ValueError, match="ascending probabilities that begin with 0"):
        FmaxGrid(2, grid)
