"""`hemenet encoders`: every encoder that the command line knows."""

from __future__ import annotations

import inspect

from rich.console import Console
from rich.table import Table

from hemenet_lab.encoders import Encoder
from hemenet_lab.saved import encoder_classes, load_encoders


def encoders() -> None:
    """List the encoders, ours and plugged-in ones, built with their default settings."""
    load_encoders()
    table = Table(title="Encoders (parameters at default settings)")
    for column in ("name", "class", "view", "symmetry", "parameters", "paper"):
        table.add_column(column, overflow="fold")
    for name, cls in encoder_classes().items():
        table.add_row(name, f"{cls.__module__}.{cls.__qualname__}", *describe(cls))
    Console().print(table)


def describe(cls: type[Encoder]) -> tuple[str, str, str, str]:
    """The view, symmetry, number of parameters and paper of an encoder."""
    required = [
        name
        for name, parameter in inspect.signature(cls).parameters.items()
        if parameter.default is inspect.Parameter.empty
        and parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
    ]
    if required:
        return ", ".join(cls.view_nodes), cls.symmetry, f"needs {', '.join(required)}", cls.paper
    try:
        encoder = cls()  # type: ignore[call-arg]  # a concrete class has its own signature
    except Exception as error:
        # whatever is wrong with one package, the other encoders must still be listed
        reason = f"cannot be built: {type(error).__name__}: {error}"
        return ", ".join(cls.view_nodes), cls.symmetry, reason, cls.paper
    count = sum(parameter.numel() for parameter in encoder.parameters())
    return encoder.view.nodes, cls.symmetry, f"{count:,}", cls.paper
