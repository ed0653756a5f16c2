"""Own regression tasks: standardised or logarithmic inside the model, in their unit outside."""

from __future__ import annotations

import pytest
import torch

from hemenet_lab.model.heads import Head
from hemenet_lab.model.losses import masked_loss
from hemenet_lab.tasks import Task, require_same_tasks

TM = Task("tm", "complex", "regression", unit="°C", transform="standardise")
RATE = Task("rate", "chain", "regression", unit="1/s", transform="log")


def test_a_log_head_gives_the_geometric_mean_at_first_and_stays_above_zero() -> None:
    torch.manual_seed(0)
    head = Head(4, RATE)
    head.set_scale(2.0, 1.5)
    head.initialise_output([100.0])
    assert head.output is not None
    assert float(head.output.bias) == 0.0
    raw = torch.nn.functional.silu(head.hidden(torch.ones(1, 4))) if head.hidden else None
    assert raw is not None
    torch.testing.assert_close(head(torch.ones(1, 4)), (head.output(raw) * 1.5 + 2.0).exp())
    with torch.no_grad():
        head.output.bias.fill_(-1e6)
        assert float(head(torch.ones(1, 4))) > 0
        head.output.bias.fill_(1e6)
        assert torch.isfinite(head(torch.ones(1, 4))).all()


def test_the_loss_of_a_log_task_is_that_of_the_logarithms() -> None:
    prediction = torch.tensor([[10.0], [3.0]], requires_grad=True)
    target = torch.tensor([[1000.0], [float("nan")]])
    loss, count = masked_loss(RATE, prediction, target, torch.tensor([True, False]), 2.0)
    assert float(loss.detach()) == pytest.approx((torch.tensor(100.0).log() / 2).item() ** 2)
    assert int(count) == 1
    loss.backward()
    assert prediction.grad is not None
    assert torch.isfinite(prediction.grad).all()
    assert prediction.grad[1] == 0


def test_a_log_task_learns_over_decades() -> None:
    torch.manual_seed(0)
    features = torch.linspace(-1, 1, 40).unsqueeze(1)
    target = 10 ** (3 * features)
    head = Head(1, RATE, hidden=8)
    head.set_scale(float(target.log().mean()), float(target.log().std()))
    optimizer = torch.optim.Adam(head.parameters(), lr=0.05)
    for _ in range(200):
        optimizer.zero_grad()
        loss, _ = masked_loss(RATE, head(features), target, torch.ones(40, dtype=torch.bool))
        loss.backward()
        optimizer.step()
    error = (head(features) / target).log10().abs().max()
    assert float(error.detach()) < 0.3


def test_another_unit_or_transform_is_another_task() -> None:
    require_same_tasks([TM], [TM])
    for other in ({"unit": "K"}, {"transform": "none"}, {"level": "chain"}):
        changed = Task.from_dict(TM.to_dict() | other)
        with pytest.raises(ValueError, match=r"differ in \['tm'\]"):
            require_same_tasks([TM], [changed])
