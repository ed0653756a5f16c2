from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from hemenet_lab.model.losses import default_loss_weights, masked_loss
from hemenet_lab.tasks import EC, LBA, PROTEIN_MT, Task

EC3 = EC.with_terms(["1", "2", "3"])
MASK = torch.tensor([True, False, True])


def slow_loss(task: Task, prediction: Tensor, target: Tensor, mask: Tensor) -> float:
    """Row by row, as one would say it."""
    rows = []
    for p, t, labelled in zip(prediction.tolist(), target.tolist(), mask.tolist(), strict=True):
        if not labelled:
            continue
        if task.kind == "regression":
            rows.append((p[0] - t[0]) ** 2)
        else:
            terms = [
                -y * math.log(1 / (1 + math.exp(-x))) - (1 - y) * math.log(1 / (1 + math.exp(x)))
                for x, y in zip(p, t, strict=True)
            ]
            rows.append(sum(terms) / len(terms))
    return sum(rows) / len(rows)


def test_hand_computed() -> None:
    prediction, target = torch.tensor([[1.0], [9.0], [4.0]]), torch.tensor([[3.0], [0.0], [1.0]])
    loss, count = masked_loss(LBA, prediction, target, MASK)
    assert float(loss) == (4 + 9) / 2
    assert int(count) == 2
    loss, _ = masked_loss(EC3, torch.zeros(3, 3), torch.ones(3, 3), MASK)
    assert float(loss) == pytest.approx(math.log(2))


@pytest.mark.parametrize("task", [LBA, EC3], ids=lambda task: task.name)
def test_equals_slow_form(task: Task) -> None:
    generator = torch.Generator().manual_seed(2)
    shape = (20, task.num_outputs)
    prediction = torch.randn(shape, generator=generator, dtype=torch.float64)
    target = torch.randint(0, 2, shape, generator=generator).double()
    mask = torch.rand(20, generator=generator) < 0.6
    loss, count = masked_loss(task, prediction, target, mask)
    assert float(loss) == pytest.approx(slow_loss(task, prediction, target, mask), rel=1e-12)
    assert int(count) == int(mask.sum())
    assert float(loss) != pytest.approx(slow_loss(task, prediction, target, ~mask))


@pytest.mark.parametrize("task", [LBA, EC3], ids=lambda task: task.name)
def test_no_labelled_row_gives_0_with_all_parameters(task: Task) -> None:
    model = nn.Linear(4, task.num_outputs)
    target = torch.full((3, task.num_outputs), torch.nan)
    loss, count = masked_loss(task, model(torch.randn(3, 4)), target, torch.zeros(3).bool())
    loss.backward()
    assert (loss.item(), int(count)) == (0.0, 0)
    for parameter in model.parameters():
        assert parameter.grad is not None
        assert not parameter.grad.any()


@pytest.mark.parametrize("task", [LBA, EC3], ids=lambda task: task.name)
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_unlabelled_rows_have_no_influence(task: Task, bad: float) -> None:
    shape = (3, task.num_outputs)
    clean, target = torch.randn(shape), torch.ones(shape)
    dirty = clean.clone()
    dirty[1] = bad
    dirty.requires_grad_()
    dirty_target = torch.where(MASK[:, None], target, bad)
    loss, _ = masked_loss(task, dirty, dirty_target, MASK)
    loss.backward()
    assert loss.item() == float(masked_loss(task, clean, target, MASK)[0])
    assert dirty.grad is not None
    assert not dirty.grad[1].any()
    assert torch.isfinite(dirty.grad).all()


@pytest.mark.parametrize("task", [LBA, EC3], ids=lambda task: task.name)
def test_labelled_predictions_that_are_not_finite_show(task: Task) -> None:
    prediction = torch.zeros(3, task.num_outputs)
    prediction[0, 0] = torch.nan
    loss, _ = masked_loss(task, prediction, torch.ones(3, task.num_outputs), MASK)
    assert not torch.isfinite(loss)


def test_half_precision_is_widened() -> None:
    prediction = torch.randn(3, 3).bfloat16()
    loss, _ = masked_loss(EC3, prediction, torch.ones(3, 3), MASK)
    assert loss.dtype == torch.float32
    assert float(loss) == float(masked_loss(EC3, prediction.float(), torch.ones(3, 3), MASK)[0])


@pytest.mark.parametrize("rows", [0, 3])
def test_task_without_outputs_and_batch_without_rows(rows: int) -> None:
    mask = torch.ones(rows, dtype=torch.bool)
    for task in (EC, LBA) if rows == 0 else (EC,):
        prediction = torch.zeros(rows, task.num_outputs, requires_grad=True)
        loss, count = masked_loss(task, prediction, prediction.detach(), mask)
        loss.backward()
        assert (loss.item(), int(count)) == (0.0, rows)


def test_refuses_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match=r"they must be \[n, 1\], \[n, 1\] and \[n\]"):
        masked_loss(LBA, torch.zeros(3), torch.zeros(3), MASK)
    with pytest.raises(ValueError, match="it must be bool"):
        masked_loss(LBA, torch.zeros(3, 1), torch.zeros(3, 1), MASK.float())


def test_default_loss_weights() -> None:
    assert default_loss_weights(PROTEIN_MT) == {
        **dict.fromkeys(("lba", "ppa"), 1.0),
        **dict.fromkeys(("ec", "mf", "bp", "cc"), 10.0),
    }
    overrides = {"multilabel": 5, "ec": 2}
    assert default_loss_weights((LBA, EC3), {"lba": 0}) == {"lba": 0.0, "ec": 10.0}
    assert default_loss_weights(PROTEIN_MT[2:4], overrides) == {"ec": 2.0, "mf": 5.0}


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"lbaa": 1.0}, "did you mean lba"),
        ({"zzz": 1.0}, r"allowed: the tasks \['lba', 'ec'\]"),
        ({"ec": -1.0}, "must be finite and ≥ 0"),
        ({"ec": float("inf")}, "must be finite and ≥ 0"),
    ],
)
def test_wrong_weights(overrides: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        default_loss_weights((LBA, EC), overrides)
