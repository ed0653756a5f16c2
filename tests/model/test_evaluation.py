"""A task's evaluation over a stage, by hand, and whatever the batches were."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from hemenet_lab.model.evaluation import TaskEvaluation
from hemenet_lab.model.losses import masked_loss
from hemenet_lab.tasks import EC, LBA, Task

EC3 = EC.with_terms(["1", "2", "3"])


def evaluated(
    task: Task, data: tuple[Tensor, Tensor, Tensor], size: int, constant: Tensor | None
) -> TaskEvaluation:
    """After batches of ``size`` rows of (output, target, mask)."""
    evaluation = TaskEvaluation(task, keep_rows=True)
    evaluation.set_constant(constant)
    items = torch.stack([torch.arange(len(data[0])), torch.zeros(len(data[0])).long()], dim=1)
    for part in torch.arange(len(data[0])).split(size):
        output, target, mask = (values[part] for values in data)
        loss = masked_loss(task, output, target, mask)
        evaluation.update(output, target, mask, loss, items[part])
    return evaluation


def rows(task: Task, n: int = 23) -> tuple[Tensor, Tensor, Tensor]:
    """Outputs, targets and masks; the first 8 rows are not labelled."""
    generator = torch.Generator().manual_seed(1)
    output = torch.randn(n, task.num_outputs, generator=generator)
    target = (torch.rand(n, task.num_outputs, generator=generator) < 0.4).float()
    return output, target, (torch.rand(n, generator=generator) < 0.6) & (torch.arange(n) >= 8)


@pytest.mark.parametrize("task", [LBA, EC3], ids=lambda task: task.name)
@pytest.mark.parametrize("size", [1, 4, 23])
def test_numbers_do_not_depend_on_the_batches(task: Task, size: int) -> None:
    data, constant = rows(task), torch.full((task.num_outputs,), 0.3)
    evaluation = evaluated(task, data, size, constant)
    whole, count = masked_loss(task, *data)
    assert float(evaluation.mean_loss()) == pytest.approx(float(whole), rel=1e-6)
    reference = evaluated(task, data, 23, constant)
    assert evaluation.scores() == reference.scores()
    assert evaluation.constant_scores() == reference.constant_scores()
    assert evaluation.skill() == reference.skill()
    assert {score.n for score in evaluation.scores().values()} == {int(count)}


def test_skill_by_hand() -> None:
    target, mask = torch.tensor([[1.0], [3.0]]), torch.ones(2, dtype=torch.bool)
    # errors of the model 0.5 and 0.5, of the constant 2 and 0
    data = torch.tensor([[1.5], [2.5]]), target, mask
    skill = evaluated(LBA, data, 2, torch.tensor([3.0])).skill()
    assert skill == pytest.approx(1 - 0.5 / math.sqrt(2))
    far = torch.tensor([[90.0], [2.5]]), target, mask
    assert evaluated(LBA, far, 2, torch.tensor([3.0])).skill() == -1.0
    broken = torch.tensor([[math.nan], [2.5]]), target, mask
    assert evaluated(LBA, broken, 2, torch.tensor([3.0])).skill() == -1.0


def test_fmax_skill_by_hand() -> None:
    target, mask = torch.tensor([[1.0, 0, 0], [0, 1, 0]]), torch.ones(2, dtype=torch.bool)
    perfect = 8 * target - 4, target, mask
    constant = torch.tensor([0.5, 0.5, 0.1])
    evaluation = evaluated(EC3, perfect, 2, constant)
    # the constant finds one of two predicted terms in each row: precision 1/2, recall 1
    assert evaluation.constant_scores()["fmax"].value == pytest.approx(2 / 3)
    assert evaluation.skill() == 1.0


def test_without_statistics_or_labels_there_is_no_skill() -> None:
    data = rows(LBA)
    assert evaluated(LBA, data, 23, None).skill() is None
    nothing = data[0], data[1], torch.zeros(23, dtype=torch.bool)
    empty = evaluated(LBA, nothing, 4, torch.tensor([0.3]))
    assert empty.skill() is None
    assert math.isnan(float(empty.mean_loss()))
    assert [score.value for score in empty.scores().values()] == [None] * 4


def test_a_constant_that_cannot_be_beaten_gives_0() -> None:
    data = torch.tensor([[2.0]]), torch.tensor([[3.0]]), torch.ones(1, dtype=torch.bool)
    assert evaluated(LBA, data, 1, torch.tensor([3.0])).skill() == 0.0


def test_rows_come_in_the_order_of_the_items() -> None:
    task, evaluation = LBA, TaskEvaluation(LBA, keep_rows=True)
    mask = torch.ones(3, dtype=torch.bool)
    items = torch.tensor([[7, -1], [2, -1], [5, -1]])
    values = torch.tensor([[7.0], [2.0], [5.0]])
    evaluation.update(values, values + 1, mask, masked_loss(task, values, values + 1, mask), items)
    assert evaluation.rows is not None
    prediction, target, found = evaluation.rows.gathered()
    assert prediction.flatten().tolist() == [2, 5, 7]
    assert target.flatten().tolist() == [3, 6, 8]
    assert found[:, 0].tolist() == [2, 5, 7]


def test_reset_forgets_everything() -> None:
    evaluation = evaluated(LBA, rows(LBA), 4, torch.tensor([0.3]))
    evaluation.reset()
    assert math.isnan(float(evaluation.mean_loss()))
    assert {score.n for score in evaluation.scores().values()} == {0}
    assert evaluation.rows is not None
    assert len(evaluation.rows.gathered()[0]) == 0
