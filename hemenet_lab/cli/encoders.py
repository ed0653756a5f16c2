"""`hemenet encoders`: every encoder that the command line knows."""

from __future__ import annotations

import inspect
import textwrap

from hemenet_lab.encoders import Encoder
from hemenet_lab.saved import encoder_classes, load_encoders

LINE = 80
WIDEST = 26
"""Columns for names."""


def encoders() -> None:
    """List the encoders, ours and plugged-in ones, built with their default settings."""
    load_encoders()
    classes = encoder_classes()
    width = min(max(map(len, classes)) + 2, WIDEST)
    print(f"{'name':<{width}}{'nodes':<14}{'symmetry':<10}parameters at default settings\n")
    for name, cls in classes.items():
        view, symmetry, parameters, paper = describe(cls)
        if len(name) >= width:  # a line of its own
            print(name)
            name = ""
        print("\n".join(_filled(f"{name:<{width}}{view:<14}{symmetry:<10}", parameters)))
        print("\n".join(_filled("  ", f"{cls.__module__}.{cls.__qualname__}: {paper}")))


def _filled(head: str, text: str) -> list[str]:
    """Lines of at most 80 columns: the head, and the text beside and under its end."""
    text = " ".join(text.split())
    indent = " " * min(len(head), 24)
    return textwrap.wrap(text, LINE, initial_indent=head, subsequent_indent=indent) or [head]


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
