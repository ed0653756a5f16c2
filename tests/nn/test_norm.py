"""Node norms, and batches of a single node."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from hemenet_lab.nn.norm import NodeBatchNorm, node_norm


def test_equals_torch_on_several_rows():
    x = torch.randn(6, 3)
    ours, theirs = NodeBatchNorm(3), nn.BatchNorm1d(3)
    torch.testing.assert_close(ours(x), theirs(x))
    torch.testing.assert_close(ours.running_var, theirs.running_var)
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x))


def test_one_row_in_training_uses_the_running_statistics():
    norm = NodeBatchNorm(2)
    norm.running_mean.copy_(torch.tensor([1.0, 2.0]))
    norm.running_var.fill_(4.0)
    x = torch.tensor([[3.0, 2.0]], requires_grad=True)
    got = norm(x)
    torch.testing.assert_close(got, torch.tensor([[1.0, 0.0]]))
    got.sum().backward()
    assert norm.running_mean.tolist() == [1, 2]
    assert norm.weight.grad is not None


def test_kinds():
    assert isinstance(node_norm("layer", 3), nn.LayerNorm)
    assert isinstance(node_norm("none", 3), nn.Identity)
    with pytest.raises(ValueError, match="allowed: batch, layer, none"):
        node_norm("instance", 3)
