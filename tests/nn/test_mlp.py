"""Layout of the perceptrons."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from hemenet_lab.nn.mlp import mlp


def test_keys_and_bias():
    net = mlp([3, 5, 2], final_bias=False)
    assert sorted(net.state_dict()) == ["0.bias", "0.weight", "2.weight"]
    assert [type(layer) for layer in net] == [nn.Linear, nn.SiLU, nn.Linear]


def test_final_activation_and_values():
    net = mlp([2, 4, 3], nn.ReLU, final_activation=True)
    x = torch.randn(7, 2)
    expected = (net[2](net[0](x).relu())).relu()
    torch.testing.assert_close(net(x), expected)


def test_one_width_is_refused():
    with pytest.raises(ValueError, match="needs an input and an output width"):
        mlp([3])
