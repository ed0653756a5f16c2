"""Standardised targets, and the rate that rises and falls."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from hemenet_lab.model import WarmupCosine
from hemenet_lab.model.heads import Head
from hemenet_lab.model.losses import masked_loss
from hemenet_lab.tasks import LBA


def test_a_scaled_head_starts_at_the_mean_and_predicts_in_the_unit_of_the_task() -> None:
    torch.manual_seed(0)
    head = Head(4, LBA)
    features = torch.randn(5, 4)
    plain = head(features)
    head.set_scale(6.0, 1.5)
    assert torch.allclose(head(features), plain * 1.5 + 6.0)
    head.initialise_output([6.0])
    assert head.output is not None
    assert float(head.output.bias) == 0.0


def test_the_scale_is_no_weight() -> None:
    """Checkpoints from before there were scales load."""
    assert set(Head(4, LBA).state_dict()) == {
        *("hidden.weight", "hidden.bias", "output.weight", "output.bias")
    }


@pytest.mark.parametrize("deviation", [0.0, -1.0, float("nan"), float("inf")])
def test_wrong_scales_are_refused(deviation: float) -> None:
    with pytest.raises(ValueError, match="deviation"):
        Head(4, LBA).set_scale(0.0, deviation)


def test_the_loss_is_in_units_of_the_scale() -> None:
    prediction, target = torch.tensor([[1.0], [5.0]]), torch.tensor([[4.0], [9.0]])
    loss, count = masked_loss(LBA, prediction, target, torch.tensor([True, False]), 1.5)
    assert float(loss) == pytest.approx(4.0)  # (3 / 1.5)²
    assert int(count) == 1


def test_the_rate_rises_then_falls() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2.0)
    schedule = WarmupCosine(optimizer, warmup=0.1, floor=0.05)
    schedule.total = 100
    rates = [schedule.share(step) for step in range(101)]
    assert rates[0] == pytest.approx(1 / 11)
    assert rates[10] == 1.0
    assert all(a < b for a, b in pairwise(rates[:11]))
    assert all(a > b for a, b in pairwise(rates[10:]))
    assert rates[55] == pytest.approx((1 + 0.05) / 2)
    assert rates[100] == pytest.approx(0.05)


@pytest.mark.parametrize("settings", [{"warmup": 1.5}, {"floor": -0.1}])
def test_shares_outside_0_to_1_are_refused(settings: dict[str, float]) -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2.0)
    with pytest.raises(ValueError, match="share from 0 to 1"):
        WarmupCosine(optimizer, **settings)
