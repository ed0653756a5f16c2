"""The matrix products of a computation, and their time: what a step cannot do without."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

aten = torch.ops.aten
KINDS = {aten.mm.default: 0, aten.bmm.default: 0} | dict.fromkeys(
    (aten.addmm.default, aten.addmm_.default, aten.baddbmm.default, aten.baddbmm_.default), 1
)
"""Products, and the place of their first factor."""


class MatrixProducts(TorchDispatchMode):
    """Notes every product of matrices inside its ``with`` block, the backward pass included.

    Attributes:
        operations: Their multiplications and additions.
        seconds: Their CPU time.
        count: Their number.
    """

    def __init__(self) -> None:
        super().__init__()
        self.operations, self.seconds, self.count = 0, 0.0, 0

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        place = KINDS.get(func)  # type: ignore[call-overload]
        if place is None:
            return func(*args, **(kwargs or {}))
        start = time.process_time()
        result = func(*args, **(kwargs or {}))
        self.seconds += time.process_time() - start
        first, second = args[place : place + 2]
        self.operations += 2 * first.numel() * second.shape[-1]
        self.count += 1
        return result
