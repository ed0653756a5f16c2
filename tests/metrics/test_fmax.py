from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hemenet_lab.metrics import Fmax
from hemenet_lab.metrics.fmax import exact_fmax, precision_recall
from hemenet_lab.testing.goldens import check_file
from tests.metrics.reference import fmax_by_definition

GOLDENS = Path(__file__).parents[1] / "goldens"

Table = list[list[float]]


def tables(levels: int) -> st.SearchStrategy[tuple[Table, Table]]:
    """Small tables of scores with ``levels`` values, so with many ties, and of 0/1 targets."""
    sizes = st.tuples(st.integers(1, 6), st.integers(1, 7))

    def filled(size: tuple[int, int]) -> st.SearchStrategy[tuple[Table, Table]]:
        def table(values: st.SearchStrategy[float]) -> st.SearchStrategy[Table]:
            row = st.lists(values, min_size=size[1], max_size=size[1])
            return st.lists(row, min_size=size[0], max_size=size[0])

        score = st.integers(0, levels).map(lambda k: k / levels)
        return st.tuples(table(score), table(st.sampled_from([0.0, 0.0, 1.0])))

    return sizes.flatmap(filled)


def test_hand_computed() -> None:
    # t = 0.9: precision 1 over row 0 only, recall (1/2 + 0) / 2, F = 0.4
    # t = 0.8: row 1 joins with its hit: precision 1, recall (1/2 + 1) / 2, F = 6/7
    # t = 0.3: row 0 now has 1 of 2: precision 3/4, recall 3/4; t = 0.2: all of row 0, 2 of 3
    scores = torch.tensor([[0.9, 0.3, 0.2], [0.1, 0.8, 0.1]])
    targets = torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
    curve = precision_recall(scores, targets)
    torch.testing.assert_close(curve.thresholds, torch.tensor([0.9, 0.8, 0.3, 0.2, 0.1]))
    want = [[1, 1, 3 / 4, 5 / 6, 1 / 2], [1 / 4, 3 / 4, 3 / 4, 1, 1]]
    torch.testing.assert_close(
        torch.stack([curve.precision, curve.recall]), torch.tensor(want, dtype=torch.float64)
    )
    assert exact_fmax(scores, targets) == pytest.approx(10 / 11, abs=1e-12)


def test_perfect_and_hopeless() -> None:
    targets = torch.tensor([[1, 0], [0, 1]])
    assert exact_fmax(targets.float(), targets) == 1.0
    assert exact_fmax(torch.rand(2, 2), torch.zeros(2, 2)) == 0.0


def test_row_without_positives_counts_as_recall_0() -> None:
    scores, targets = torch.tensor([[0.9], [0.1]]), torch.tensor([[1], [0]])
    assert exact_fmax(scores, targets) == pytest.approx(2 / 3)  # precision 1, recall 1/2


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([1, 2, 4, 50]).flatmap(tables))
def test_equals_definition_with_ties(table: tuple[Table, Table]) -> None:
    scores, targets = (torch.tensor(part, dtype=torch.float64) for part in table)
    assert exact_fmax(scores, targets) == pytest.approx(fmax_by_definition(*table), abs=1e-11)


def test_equals_definition_on_a_larger_table() -> None:
    generator = torch.Generator().manual_seed(3)
    scores = torch.rand(40, 25, generator=generator, dtype=torch.float64)
    targets = (torch.rand(40, 25, generator=generator) < 0.1).double()
    want = fmax_by_definition(scores.tolist(), targets.tolist())
    assert exact_fmax(scores, targets) == pytest.approx(want, abs=1e-11)


def test_wrong_conventions_would_be_seen() -> None:
    """The reference itself tells a micro-average, or precision over all rows, from Fmax."""
    scores = [[0.9, 0.8, 0.7], [0.1, 0.6, 0.2]]
    targets = [[1.0, 1.0, 1.0], [1.0, 0.0, 0.0]]
    pooled = [scores[0] + scores[1]], [targets[0] + targets[1]]
    assert fmax_by_definition(scores, targets) != pytest.approx(fmax_by_definition(*pooled))


def test_no_rows_or_terms() -> None:
    with pytest.raises(ValueError, match="at least one row and term"):
        exact_fmax(torch.zeros(0, 3), torch.zeros(0, 3))


def test_metric_selects_labelled_rows() -> None:
    generator = torch.Generator().manual_seed(0)
    scores = torch.rand(30, 5, generator=generator)
    targets = (torch.rand(30, 5, generator=generator) < 0.4).float()
    mask = torch.rand(30, generator=generator) < 0.5
    garbage = torch.where(mask.unsqueeze(1), targets, torch.nan)
    metric = Fmax(5)
    for part in torch.arange(30).split(7):
        metric.update(scores[part], garbage[part], mask[part])
    value, n = metric.compute()
    assert value == exact_fmax(scores[mask], targets[mask])
    assert value != exact_fmax(scores, targets)
    assert (n, metric.n) == (int(mask.sum()), int(mask.sum()))


def test_metric_widens_bfloat16() -> None:
    scores = torch.rand(6, 4).bfloat16()
    targets = torch.eye(6, 4)
    metric = Fmax(4)
    metric.update(scores, targets, torch.ones(6, dtype=torch.bool))
    assert metric.compute().value == exact_fmax(scores.float(), targets)


def test_goldens() -> None:
    rows = list(check_file(GOLDENS / "f1_max.npz"))
    assert rows
    assert [row for row in rows if not row.ok] == []
    skipped = [row.quantity for row in rows if "not a target" in row.note]
    names = ("f1_max", "auprc_flat", "auprc_per_row")
    assert skipped == [f"output/case4/{name}" for name in names]
