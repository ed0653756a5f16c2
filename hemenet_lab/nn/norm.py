"""Normalisation over the nodes of a batch."""

from __future__ import annotations

from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

Norm = Literal["batch", "layer", "none"]


class NodeBatchNorm(nn.BatchNorm1d):
    """Batch normalisation of [N, d] that also trains on a batch of a single node.

    One row has no variance, so such a batch is normalised with the running statistics.
    """

    def forward(self, input: Float[Tensor, "nodes dim"]) -> Float[Tensor, "nodes dim"]:
        if self.training and len(input) < 2:
            return functional.batch_norm(
                input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        return super().forward(input)


def node_norm(kind: Norm, dim: int) -> nn.Module:
    """``batch`` (over nodes), ``layer`` (over features) or ``none``.

    Raises:
        ValueError: Another kind.
    """
    if kind == "batch":
        return NodeBatchNorm(dim)
    if kind == "layer":
        return nn.LayerNorm(dim)
    if kind == "none":
        return nn.Identity()
    raise ValueError(f"norm {kind!r}; allowed: batch, layer, none")
