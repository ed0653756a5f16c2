from __future__ import annotations

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer

from hemenet_lab.callbacks import NonFiniteGuard, merge_updates, peak_memory_mib


def test_merged_updates_are_those_of_one_process() -> None:
    generator = torch.Generator().manual_seed(0)
    start, first, second = torch.randn(3, 2, 5, generator=generator).unbind()
    momentum = 0.1
    alone = start
    for batch in (first, second):
        alone = (1 - momentum) * alone + momentum * batch
    ranks = [(1 - momentum) * start + momentum * batch for batch in (first, second)]
    merged = merge_updates(start, [rank.flatten() for rank in ranks], momentum)
    torch.testing.assert_close(merged, alone)
    assert not torch.allclose(merged, ranks[0])


def test_guard_names_the_batch() -> None:
    class Batch:
        entry_id = ("1abc", "2xyz-A")

    guard, trainer, module = NonFiniteGuard(), Trainer(logger=False), LightningModule()
    guard.on_train_batch_end(trainer, module, {"loss": torch.tensor(1.0)}, Batch(), 4)
    with pytest.raises(FloatingPointError, match=r"is nan in epoch 0, batch 4.*2xyz-A.*learning"):
        guard.on_train_batch_end(trainer, module, {"loss": torch.tensor(torch.nan)}, Batch(), 4)


def test_peak_memory_grows_with_what_is_held() -> None:
    before = peak_memory_mib(torch.device("cpu"))
    held = torch.ones(int(before + 64) * 2**18)  # float32, more than the peak so far
    assert peak_memory_mib(torch.device("cpu")) >= before + 32
    del held
