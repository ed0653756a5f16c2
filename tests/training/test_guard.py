"""The guard against numbers that are not finite."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import nn

from hemenet_lab.tasks import Task
from hemenet_lab.training import NonFiniteGuard, RunCheckpoint, first_non_finite, load_case
from tests.store.small_store import small_store
from tests.training.runs import fitted, small_module

PLACE = "encoder.stack.layers.0.norm"


class Spoil(Callback):
    """Makes a weight infinite before a step, or all gradients NaN after it."""

    def __init__(self, step: int, gradient: bool = False) -> None:
        self.step, self.gradient = step, gradient

    def on_train_batch_start(self, trainer: Trainer, module: LightningModule, *args: Any) -> None:
        if trainer.global_step == self.step and not self.gradient:
            with torch.no_grad():
                module.get_submodule(PLACE).bias[0] = torch.inf

    def on_after_backward(self, trainer: Trainer, module: LightningModule) -> None:
        if trainer.global_step == self.step and self.gradient:
            for parameter in module.parameters():
                if parameter.grad is not None:
                    parameter.grad.fill_(torch.nan)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_store(tmp_path_factory.mktemp("guard") / "store", 40).path


@pytest.mark.parametrize("every", [1, 4])
def test_it_names_task_layer_and_entries_and_keeps_the_case(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, every: int
) -> None:
    guard = NonFiniteGuard()
    if every > 1:  # as on a GPU
        start = guard.on_train_start

        def seldom(trainer: Trainer, module: LightningModule) -> None:
            start(trainer, module)
            guard._every = every
            guard._steps = type(guard._steps)(maxlen=every)

        monkeypatch.setattr(guard, "on_train_start", seldom)
    with pytest.raises(FloatingPointError) as raised:
        fitted(store, tmp_path, guard, Spoil(1))
    text = str(raised.value)
    assert "of lba" in text
    assert "epoch 0, batch 1" in text
    assert f"output of {PLACE}" in text
    path = next(tmp_path.glob("runs/*/non_finite_rank0.pt"))
    assert str(path) in text
    case, batch = load_case(path)
    assert all(name in text for name in batch.entry_id)
    again = _module_of(case)
    assert first_non_finite(again, batch).layer == PLACE
    assert nn.utils.parameters_to_vector(again.encoder.parameters()).isinf().sum() == 1


def _module_of(case: dict[str, Any]) -> Any:
    module = small_module()
    module.build([Task.from_dict(record) for record in case["tasks"]])
    module.load_state_dict(case["state_dict"])
    return module


def test_bad_gradients_leave_the_weights_alone(store: Path, tmp_path: Path) -> None:
    module = small_module()
    with pytest.raises(FloatingPointError, match=r"gradient \(not the loss\).*batch 1"):
        fitted(store, tmp_path, Spoil(1, gradient=True), NonFiniteGuard(), module=module)
    assert all(bool(one.isfinite().all()) for one in module.parameters())


def test_it_looks_before_a_checkpoint_is_written(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guard = NonFiniteGuard()
    start = guard.on_train_start

    def never(trainer: Trainer, module: LightningModule) -> None:
        start(trainer, module)
        guard._every = 1000
        guard._steps = type(guard._steps)(maxlen=1000)

    monkeypatch.setattr(guard, "on_train_start", never)
    with pytest.raises(FloatingPointError, match="batch 1"):
        fitted(store, tmp_path, guard, Spoil(1), RunCheckpoint(every_n_train_steps=4))
    assert list(tmp_path.rglob("*.ckpt")) == []


def test_a_good_run_is_left_alone(store: Path, tmp_path: Path) -> None:
    states = []
    for folder, more in ((tmp_path / "a", [NonFiniteGuard()]), (tmp_path / "b", [])):
        module = small_module()
        fitted(store, folder, *more, module=module)
        states.append(module.state_dict())
    for name, value in states[0].items():
        assert torch.equal(value, states[1][name]), name
