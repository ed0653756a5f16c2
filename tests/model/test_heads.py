from __future__ import annotations

import warnings

import pytest
import torch

from hemenet_lab.model.heads import MARGIN, Head
from hemenet_lab.tasks import EC, LBA

EC3 = EC.with_terms(["1", "2", "3"])


def test_equals_its_formula() -> None:
    torch.manual_seed(0)
    head = Head(5, EC3, hidden=4)
    assert head.hidden is not None
    assert head.output is not None
    x = torch.randn(7, 5)
    hidden = x @ head.hidden.weight.T + head.hidden.bias
    want = (hidden / (1 + (-hidden).exp())) @ head.output.weight.T + head.output.bias
    torch.testing.assert_close(head(x), want)


def test_hidden_width_defaults_to_the_input() -> None:
    head = Head(6, LBA)
    assert [tuple(p.shape) for p in head.parameters()] == [(6, 6), (6,), (1, 6), (1,)]
    assert head(torch.randn(4, 6)).shape == (4, 1)
    assert head(torch.randn(0, 6)).shape == (0, 1)


def test_dropout_acts_in_training_only() -> None:
    torch.manual_seed(0)
    head, x = Head(8, LBA, dropout=0.5), torch.randn(5, 8)
    assert not torch.equal(head(x), head(x))
    head.eval()
    assert torch.equal(head(x), head(x))


def test_task_without_outputs() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        head = Head(8, EC)
    assert list(head.parameters()) == []
    assert head(torch.randn(5, 8)).shape == (5, 0)
    head.initialise_output(torch.zeros(0))


def test_initial_bias_gives_the_constant_prediction() -> None:
    zeros = torch.zeros(1, 4)
    regression, multilabel = Head(4, LBA), Head(4, EC3)
    regression.initialise_output(torch.tensor([6.25]))
    multilabel.initialise_output([0.25, 0.0, 1.0])
    for head in (regression, multilabel):
        assert head.output is not None
        torch.nn.init.zeros_(head.output.weight)
    assert regression(zeros).item() == 6.25
    torch.testing.assert_close(
        multilabel(zeros).sigmoid(), torch.tensor([[0.25, MARGIN, 1 - MARGIN]])
    )


def test_without_statistics_nothing_changes() -> None:
    head = Head(4, EC3)
    before = {name: value.clone() for name, value in head.state_dict().items()}
    head.initialise_output(None)
    assert all(torch.equal(before[name], value) for name, value in head.state_dict().items())


@pytest.mark.parametrize(
    ("constant", "message"),
    [
        ([0.1, 0.2], "3 finite numbers, one per output"),
        ([0.1, 0.2, float("nan")], "3 finite numbers"),
        ([0.1, 0.2, 1.5], r"must lie in \[0, 1\]"),
    ],
)
def test_wrong_statistics(constant: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Head(4, EC3).initialise_output(constant)


def test_wrong_sizes() -> None:
    with pytest.raises(ValueError, match="dropout is 1"):
        Head(4, LBA, dropout=1.0)
    with pytest.raises(ValueError, match="must be 1 or more"):
        Head(4, LBA, hidden=0)
