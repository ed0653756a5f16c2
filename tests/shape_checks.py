"""Checks the shapes and types in the annotations of tensors while tests run.

`install` must come before the packages are imported. Users' runs never come here: without it the
annotations are plain text.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, get_args

import torch
from beartype import BeartypeConf, beartype
from jaxtyping import AbstractArray, config, install_import_hook

LARGE = ("torch._dynamo", "torch_geometric.nn", "lightning.pytorch")
"""What checked packages import: loaded before, or all its sources would be compiled anew."""
CHECKED = ("hemenet_lab.nn", "hemenet_lab.encoders", "hemenet_lab.model.readout")


# an int is a float, as for mypy
_BEARTYPE = beartype(conf=BeartypeConf(is_pep484_tower=True))


def install() -> None:
    """Has every function of `CHECKED` packages compare its tensors with its annotations."""
    for name in LARGE:
        import_module(name)
    install_import_hook(CHECKED, "tests.shape_checks.check")
    # torch.compile cannot trace the checks
    vars(config).pop("jaxtyping_disable", None)
    type(config).jaxtyping_disable = property(lambda _: torch.compiler.is_compiling())


def check(function: Any) -> Any:
    """beartype for the arguments that are tensors with a shape; others are the code's own task."""
    hints = function.__annotations__
    hints.update({name: Any for name, hint in hints.items() if not _has_shape(hint)})
    return _BEARTYPE(function)


def _has_shape(hint: Any) -> bool:
    if isinstance(hint, type) and issubclass(hint, AbstractArray):
        return True
    return any(_has_shape(part) for part in get_args(hint))
