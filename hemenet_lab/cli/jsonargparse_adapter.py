"""The parser of `lightning`: helpful errors, and clean switching between classes.

All that is used of jsonargparse's private names stands here, and `check_library` says when a new
version of it no longer has them.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from importlib import import_module
from typing import Any, NoReturn

import jsonargparse._typehints as typehints
from jsonargparse import Namespace
from lightning.pytorch.cli import LightningArgumentParser

from hemenet_lab.basics import present_name
from hemenet_lab.cli.checkpoint_path import PRETRAIN, SUBCOMMANDS
from hemenet_lab.model import Readout
from hemenet_lab.saved import encoder_classes

DISCARD = "discard_init_args_on_class_path_change"
"""Function of jsonargparse, called with (parser or action, former value, new value)."""
EXAMPLE = "lightning fit --config experiments/multitask.yaml"

OUR_PATH = re.compile(r"\b(?:hemenet_lab|baselines)(?:\.\w+)+")


class SuiteArgumentParser(LightningArgumentParser):
    """LightningCLI's parser, with two changes.

    Choosing another class for an argument (another encoder, say) starts from that class's defaults;
    jsonargparse would keep the former class's arguments where the names agree. And errors say what
    is known.
    """

    def parse_args(self, *args: Any, **kwargs: Any) -> Any:
        with _fresh_arguments_on_class_change():
            return super().parse_args(*args, **kwargs)

    def print_usage(self, file: Any = None) -> None:
        """Nothing: the usage of a parser with hundreds of options would hide the error below it."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        super().error(explain(message, self), ex)


@contextmanager
def _fresh_arguments_on_class_change() -> Iterator[None]:
    """Drop every init_arg of the former class when a later source names another class."""
    original = getattr(typehints, DISCARD)

    def discard(action: Any, previous: Any, value: Any) -> None:
        if previous and "init_args" in previous and _differ(previous, value):
            for key in list(previous["init_args"].keys()):
                previous["init_args"].pop(key)
            if "init_args" not in value:
                value["init_args"] = Namespace()

    setattr(typehints, DISCARD, discard)
    try:
        yield
    finally:
        setattr(typehints, DISCARD, original)


def check_library() -> str:
    """List what a new version of jsonargparse has changed that this module builds on.

    Used by a test, so that an update is refused with a sentence and not by wrong settings.
    """
    function = getattr(typehints, DISCARD, None)
    if function is None:
        return (
            f"jsonargparse has no _typehints.{DISCARD} any more; choosing another class on the "
            "command line would keep arguments of the former one: find what took its place"
        )
    expected, found = 3, len(inspect.signature(function).parameters)
    if found != expected:
        return f"jsonargparse's {DISCARD} takes {found} arguments and not {expected}; adapt discard"
    return ""


def _differ(previous: Any, value: Any) -> bool:
    """Compare the classes that two specifications name; an encoder's short name counts."""
    first, second = (
        encoder_classes().get(name, name) for name in (previous["class_path"], value["class_path"])
    )
    return _path(first) != _path(second)


def _path(spec: Any) -> str:
    if isinstance(spec, type):
        return f"{spec.__module__}.{spec.__qualname__}"
    try:
        module, _, name = present_name(spec).rpartition(".")
        return _path(getattr(import_module(module), name))
    except (ImportError, ValueError, AttributeError, TypeError):
        return str(spec)  # unknown: the parser reports it itself


def present_word(word: str) -> str:
    """A word of the command line with present names of our classes."""
    value = word.partition("=")[2] or word
    if "class_path" in word or OUR_PATH.fullmatch(value):
        return OUR_PATH.sub(lambda match: present_name(match[0]), word)
    return word


def explain(message: str, parser: SuiteArgumentParser) -> str:
    """Add what is known, and the nearest right word, to the parser's message."""
    unknown_class = re.search(r"Expected a dot import path string: (\S+)", message)
    if unknown_class:
        what = "readout" if "model.readout" in message else "encoder"
        known = [cls.__name__ for cls in Readout.__subclasses__()]
        known = sorted(known) if what == "readout" else list(encoder_classes())
        hint = _nearest(unknown_class[1], known)
        return f"unknown {what} {unknown_class[1]!r};{hint} known: {known}"
    if "File does not exist" in message and ".y" in message:
        return f"{message}; `hemenet recipes` lists those that came with the package"
    command = re.search(r"invalid choice: '?([\w-]+)'?.*fit", message)
    if command or 'expected "subcommand"' in message:
        found = f"unknown command {command[1]!r}" if command else "no command given"
        known = ", ".join((*SUBCOMMANDS, PRETRAIN))
        return f"{found}; choose one of {known}, for example: {EXAMPLE}"
    key = re.search(r"(?:[Uu]nrecognized arguments: |Key |Option )['\"]?-*([\w.]+)", message)
    if key and "did you mean" not in message:
        return f"{message};{_nearest(key[1], _known_keys(parser))} see --help for all"
    return message


def _known_keys(parser: SuiteArgumentParser) -> list[str]:
    """List every key that the parser, its subcommands and the known encoders accept."""
    actions = list(parser._actions)
    for action in parser._actions:
        if isinstance(action.choices, dict):
            for subparser in action.choices.values():
                actions.extend(subparser._actions)
    keys = {action.dest for action in actions if action.dest}
    for encoder in encoder_classes().values():
        keys.update(f"model.encoder.{name}" for name in inspect.signature(encoder).parameters)
    return sorted(keys)


def _nearest(word: str, known: Sequence[str]) -> str:
    """`` did you mean …?`` for the closest known word, compared whole and by its last part."""
    close = get_close_matches(word, known, n=1, cutoff=0.7)
    if not close:
        tails = {key.rsplit(".", 1)[-1]: key for key in known}
        tail = get_close_matches(word.rsplit(".", 1)[-1], list(tails), n=1, cutoff=0.6)
        close = [tails[tail[0]]] if tail else []
    return f" did you mean {close[0]!r}?" if close else ""
