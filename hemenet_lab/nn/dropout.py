"""Dropout whose random numbers are cheap on a CPU."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int16
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

_LEVELS = 1 << 16


def random_bits(x: Float[Tensor, "*shape"]) -> Int16[Tensor, "*shape"]:
    """Random int16 numbers shaped like ``x``, all 65,536 values equally likely.

    Each 64-bit random number gives four of them. ``torch.nn.functional.dropout`` draws a number
    per entry, one after the other, which on a CPU takes longer than a matrix product.
    """
    size = x.numel()
    numbers = torch.empty(-(-size // 4), dtype=torch.int64, device=x.device)
    return numbers.random_(-(2**63), None).view(torch.int16)[:size].view(x.shape)


def scaled_mask(
    bits: Int16[Tensor, "*shape"], p: float, like: Float[Tensor, "*shape"]
) -> Float[Tensor, "*shape"]:
    """0 with probability ``p`` (rounded to 1/65536) and 1/(1 - p) otherwise, shaped as ``bits``."""
    threshold = round(p * _LEVELS) - _LEVELS // 2
    return torch.ge(bits, threshold, out=torch.empty_like(like)).mul_(1 / (1 - p))


class _Masked(torch.autograd.Function):
    """``x * scaled_mask``; keeps the random bits instead of a mask of floats."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, p: float) -> Tensor:
        bits = random_bits(x)
        ctx.save_for_backward(bits)
        ctx.p = p
        return scaled_mask(bits, p, x).mul_(x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (bits,) = ctx.saved_tensors
        return scaled_mask(bits, ctx.p, grad).mul_(grad), None


class Dropout(nn.Module):
    """Sets entries to 0 with probability ``p`` in training and scales the others by 1/(1 - p).

    On other devices than the CPU and in compiled graphs this is torch's own, one operation there.

    Args:
        p: Probability, 0 to below 1.
    """

    def __init__(self, p: float = 0.1) -> None:
        super().__init__()
        if not 0 <= p < 1:
            raise ValueError(f"dropout {p} is not a probability; it must be 0 to below 1")
        self.p = p

    def forward(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        if not self.training or self.p == 0:
            return x
        if x.device.type != "cpu" or torch.compiler.is_compiling():
            return functional.dropout(x, self.p)
        dropped: Tensor = _Masked.apply(x, self.p)
        return dropped

    def extra_repr(self) -> str:
        return f"p={self.p}"
