"""Layers that are computed again: the same numbers, and less that is kept."""

from __future__ import annotations

import copy
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from baselines import GVP
from hemenet_lab.encoders import Encoder, HeMeNet, SequenceOnly
from hemenet_lab.graphs import build_graph
from hemenet_lab.loading import collate
from hemenet_lab.testing import random_entry
from hemenet_lab.training import Recompute


def step(encoder: Encoder, batch: Any) -> tuple[Tensor, dict[str, Tensor], int]:
    """Features, gradients and the bytes that were kept for them."""
    kept = 0

    def pack(x: Tensor) -> Tensor:
        nonlocal kept
        kept += x.nbytes
        return x

    torch.manual_seed(3)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
        out = encoder(batch)
    out.square().sum().backward()
    return out, {name: p.grad for name, p in encoder.named_parameters()}, kept


@pytest.mark.parametrize(
    "encoder",
    [
        HeMeNet(hidden_dim=8, num_layers=3, channel_dim=4, relation_dim=4, dropout=0.3),
        GVP(hidden_dim=8, num_layers=2, vector_dim=2, dropout=0.3),
    ],
    ids=["hemenet", "gvp"],
)
def test_numbers_are_the_same_and_less_is_kept(encoder: Encoder) -> None:
    plain, again = encoder.train(), copy.deepcopy(encoder).train()
    view = encoder.view
    batch = encoder.prepare(collate([build_graph(random_entry(seed), view) for seed in (0, 1)]))
    callback = Recompute()
    callback.apply(again)
    want, gradients, kept = step(plain, batch)
    got, others, fewer = step(again, batch)
    torch.testing.assert_close(got, want)
    for name, gradient in gradients.items():
        torch.testing.assert_close(others[name], gradient, msg=name)
    assert 2 * fewer < kept
    # a batch counts once in running statistics, and nothing is added to what is saved
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], value, msg=name)
    assert plain.state_dict().keys() == again.state_dict().keys()
    callback.remove()
    assert not any("forward" in vars(layer) for layer in again.modules())


def test_what_cannot_be_computed_again_is_refused() -> None:
    with pytest.raises(ValueError, match=r"SequenceOnly has no nn.ModuleList called 'layers'"):
        Recompute().apply(SequenceOnly())
    module: Any = SimpleNamespace(hparams={"compile": True}, encoder=nn.Identity())
    with pytest.raises(ValueError, match=r"Recompute and --model.compile together"):
        Recompute().setup(None, module, "fit")  # type: ignore[arg-type]
