"""A second device made of CPU memory: whatever mixes the two, or waits for the other, is noticed.

On a GPU a tensor made without ``device=`` lies in the wrong place, and reading a number from a
tensor stops the queue of work. Here tensors of the pretended device show the device type ``meta``
but hold CPU tensors that all operations are done with.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_leaves, tree_map
from torchmetrics import Metric

DEVICE = torch.device("meta")
CPU = torch.device("cpu")

_BY_SIZE = ("nonzero", "unique", "masked_select", "repeat_interleave", "local_scalar", "equal")


class There(Tensor):
    """A tensor of the pretended device."""

    here: Tensor

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]  # untyped

    @staticmethod
    def __new__(cls, here: Tensor) -> There:
        made = Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]  # torch lacks the type
            cls,
            here.shape,
            strides=here.stride(),
            storage_offset=here.storage_offset(),
            dtype=here.dtype,
            device=DEVICE,
        )
        made.here = here
        return made

    def tolist(self) -> Any:
        return self.to(CPU).tolist()

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]  # torch calls the class, not an instance
        cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        raise AssertionError(f"{func} outside of the pretended device")


class Device(TorchDispatchMode):
    """Operations on the pretended device, inside a ``with`` block.

    Attributes:
        waits: Operation → how often the host had to wait for its result.
    """

    def __init__(self) -> None:
        super().__init__()
        self.waits: Counter[str] = Counter()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        there = any(isinstance(tensor, There) for tensor in tensors)
        name = func.name().removeprefix("aten::")
        asked = kwargs.get("device")
        if asked is not None:
            kwargs["device"] = CPU
        if there:
            self._refuse_a_mixture(name, tensors)
            self._count_wait(name, tensors, asked)
        result = func(*tree_map(_here, args), **tree_map(_here, kwargs))
        lands_there = there if asked is None else torch.device(asked).type == DEVICE.type
        if not lands_there:
            return result
        result = tree_map(lambda x: There(x) if isinstance(x, Tensor) else x, result)
        return return_and_correct_aliasing(func, args, kwargs, result)

    def _refuse_a_mixture(self, name: str, tensors: list[Tensor]) -> None:
        if name.startswith(("copy_", "_to_copy")):
            return
        for tensor in tensors:
            if not isinstance(tensor, There) and tensor.dim():
                raise RuntimeError(f"{name} of tensors on both devices, {tuple(tensor.shape)} here")

    def _count_wait(self, name: str, tensors: list[Tensor], asked: Any) -> None:
        by_mask = name.startswith(("index.", "index_put"))
        masked = by_mask and any(tensor.dtype == torch.bool for tensor in tensors[1:])
        home = asked is not None and torch.device(asked).type == CPU.type
        if masked or home or any(part in name for part in _BY_SIZE):
            self.waits[name] += 1


def _here(x: Any) -> Any:
    return x.here if isinstance(x, There) else x


def move(module: nn.Module) -> None:
    """Puts parameters, buffers and metrics' states onto the pretended device, in `pretended`."""
    for part in module.modules():
        for name, parameter in part._parameters.items():
            if parameter is not None:
                part._parameters[name] = nn.Parameter(There(parameter.detach()))
        for name, buffer in part._buffers.items():
            if buffer is not None:
                part._buffers[name] = There(buffer)
        if isinstance(part, Metric):
            for name in part._defaults:
                state = getattr(part, name)
                if isinstance(state, Tensor):
                    setattr(part, name, There(state))


@contextmanager
def pretended() -> Iterator[Device]:
    """The device, with `torch.autocast` made to accept it (nothing here is in half precision)."""
    autocast: Callable[..., Any] = torch.autocast
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            torch,
            "autocast",
            lambda kind, *args, **options: (
                nullcontext() if kind == DEVICE.type else autocast(kind, *args, **options)
            ),
        )
        with Device() as device:
            yield device
