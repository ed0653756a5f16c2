"""The largest tensor that a computation makes, to show that nothing grows with the square of N."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class LargestTensor(TorchDispatchMode):
    """Watches every operation inside its ``with`` block, those of a backward pass included.

    Memory counts, not shape: a broadcast view is as large as what it is a view of.

    Attributes:
        bytes: Size of the largest tensor.
        shape: Shape of the first tensor of that size.
        operation: What made it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0
        self.shape: tuple[int, ...] = ()
        self.operation = ""

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        for value in tree_leaves(result):
            if isinstance(value, Tensor) and value.layout == torch.strided:
                size = value.untyped_storage().nbytes()
                if size > self.bytes:
                    self.bytes, self.shape = size, tuple(value.shape)
                    self.operation = str(func)
        return result
