"""Makes a command of a typed function: its parameters are the options, its docstring the help."""

from __future__ import annotations

import dataclasses
import inspect
import sys
import typing
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, NoReturn

import docstring_parser
from jsonargparse import ActionYesNo, ArgumentParser


@dataclass(frozen=True)
class Parameter:
    """One argument of a command.

    Args:
        name: Of the function's parameter, or of a field of the dataclass that it takes.
        kind: Its type.
        default: Its default; `inspect.Parameter.empty` where it must be given.
        help: From the docstring.
        positional: Given by place, not by name.
        group: Parameter that takes the dataclass; empty for one of the function's own.
    """

    name: str
    kind: Any
    default: Any
    help: str
    positional: bool = False
    group: str = ""


class CommandParser(ArgumentParser):
    """Parser whose errors are one line, with the nearest right word."""

    def format_help(self, *args: Any, **options: Any) -> str:
        return super().format_help(*args, **options).replace("<class 'Path'>", "Path")

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        text = " ".join(message.split())
        unknown = text.rpartition("nrecognized arguments: ")[2].split(" ")[0].partition("=")[0]
        known = [word for word in self.format_usage().split() if "--" in word]
        close = get_close_matches(unknown, [word.strip("[]") for word in known], n=1)
        hint = f"; did you mean {close[0]}?" if close and "nrecognized" in text else ""
        print(f"{self.prog}: {text}{hint} (see {self.prog} --help)", file=sys.stderr)
        raise SystemExit(2)


def call(function: Any, words: Sequence[str], prog: str) -> int:
    """Run a command.

    A parameter without a star before it is given by place, one after the star by name
    (``--max-atoms``; ``--max_atoms`` as well). A parameter that takes a dataclass gives an option
    for each field. A ``bool`` is a flag, and a tuple takes several words and may be repeated.

    Args:
        function: Returns the exit status, or None for 0.
        words: Words of the command line after the command's name.
        prog: The command's name, for help and errors.

    Returns:
        The exit status.
    """
    parameters = [*parameters_of(function)]
    parsed = _parser(function, parameters, prog).parse_args(_hyphenated(words, parameters))
    values: dict[str, Any] = {}
    groups: dict[str, dict[str, Any]] = {}
    for each in parameters:
        target = groups.setdefault(each.group, {}) if each.group else values
        value = parsed[each.name]
        target[each.name] = tuple(value) if _takes_several(each.kind) else value
    hints = typing.get_type_hints(function)
    for name, fields in groups.items():
        values[name] = hints[name](**fields)
    return function(**values) or 0


def parameters_of(function: Callable[..., Any]) -> Iterator[Parameter]:
    """The arguments of a command, in the order of its signature."""
    hints = typing.get_type_hints(function)
    texts = _texts(function)
    for name, parameter in inspect.signature(function).parameters.items():
        if dataclasses.is_dataclass(hints[name]):
            yield from _fields(hints[name], name)
            continue
        yield Parameter(
            name,
            hints[name],
            parameter.default,
            texts.get(name, ""),
            positional=parameter.kind is not parameter.KEYWORD_ONLY,
        )


def _fields(cls: Any, group: str) -> Iterator[Parameter]:
    hints, texts = typing.get_type_hints(cls), _texts(cls)
    for field in dataclasses.fields(cls):
        default = field.default
        if field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        if default is dataclasses.MISSING:
            default = inspect.Parameter.empty
        yield Parameter(
            field.name, hints[field.name], default, texts.get(field.name, ""), False, group
        )


def _texts(thing: Any) -> dict[str, str]:
    """What the docstring says of each parameter."""
    parsed = docstring_parser.parse_from_object(thing)
    return {part.arg_name: " ".join((part.description or "").split()) for part in parsed.params}


def _parser(function: Any, parameters: Sequence[Parameter], prog: str) -> CommandParser:
    parsed = docstring_parser.parse(function.__doc__ or "")
    texts = (parsed.short_description, parsed.long_description)
    parser = CommandParser(prog=prog, description=" ".join(filter(None, texts)), allow_abbrev=False)
    for each in parameters:
        _add(parser, each)
    return parser


def _add(parser: ArgumentParser, parameter: Parameter) -> None:
    options: dict[str, Any] = {"help": parameter.help}
    kind = parameter.kind
    if not parameter.positional:
        if parameter.default is inspect.Parameter.empty:
            options["required"] = True
        else:
            options["default"] = parameter.default
    if kind is bool:
        options["action"] = ActionYesNo(no_prefix="no-")
    elif _takes_several(kind):
        options |= {"type": typing.get_args(kind)[0], "nargs": "+"}
        if not parameter.positional:
            options |= {"action": "extend", "default": list(parameter.default)}
    else:
        options["type"] = kind
    name = parameter.name if parameter.positional else f"--{parameter.name.replace('_', '-')}"
    parser.add_argument(name, **options)


def _takes_several(kind: Any) -> bool:
    return typing.get_origin(kind) is tuple


def _hyphenated(words: Sequence[str], parameters: Sequence[Parameter]) -> list[str]:
    """The words with hyphens in the names of options, however they were written."""
    known = {f"--{each.name}" for each in parameters}
    known |= {f"--no_{each.name}" for each in parameters if each.kind is bool}
    result = []
    for word in words:
        name, sign, value = word.partition("=")
        plain = name.replace("-", "_").replace("__", "--", 1) if name.startswith("--") else name
        result.append(plain.replace("_", "-") + sign + value if plain in known else word)
    return result
