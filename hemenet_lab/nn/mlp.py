"""Multi-layer perceptrons with the layout that published checkpoints use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from torch import nn


def mlp(
    dims: Sequence[int],
    activation: Callable[[], nn.Module] = nn.SiLU,
    *,
    final_activation: bool = False,
    final_bias: bool = True,
) -> nn.Sequential:
    """Linear layers with an activation between them, numbered ``0``, ``2``, ``4``...

    Args:
        dims: Widths from input to output, at least two.
        activation: Makes an activation module.
        final_activation: Puts an activation after the last Linear too.
        final_bias: Whether the last Linear has a bias.

    Raises:
        ValueError: Fewer than two widths.
    """
    if len(dims) < 2:
        raise ValueError(f"mlp got widths {list(dims)}; it needs an input and an output width")
    layers: list[nn.Module] = []
    last = len(dims) - 2
    for step, (wide, narrow) in enumerate(pairwise(dims)):
        layers.append(nn.Linear(wide, narrow, bias=final_bias or step < last))
        if step < last or final_activation:
            layers.append(activation())
    return nn.Sequential(*layers)


def linear_at(net: nn.Sequential, index: int) -> nn.Linear:
    """The Linear at a position of a perceptron, for code that splits or rescales its weight."""
    layer = net[index]
    assert isinstance(layer, nn.Linear)
    return layer
