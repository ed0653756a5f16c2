"""The command line's parser: helpful errors, and clean switching between classes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn

import jsonargparse._typehints as typehints
import torch
from jsonargparse import Namespace
from lightning.pytorch.cli import LightningArgumentParser

from hemenet_lab.plugins import encoder_classes

SUBCOMMANDS = ("fit", "validate", "test", "predict")


class SuiteArgumentParser(LightningArgumentParser):
    """LightningCLI's parser, with two changes.

    Choosing another class for an argument (another encoder, say) starts from that class's defaults;
    jsonargparse would keep the former class's arguments where the names agree. And errors say what
    is known.
    """

    def parse_args(self, *args: Any, **kwargs: Any) -> Namespace:
        with _fresh_arguments_on_class_change():
            return super().parse_args(*args, **kwargs)

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        super().error(_explain(message, self), ex)


@contextmanager
def _fresh_arguments_on_class_change() -> Iterator[None]:
    """Drop every init_arg of the former class when a later source names another class."""
    original = typehints.discard_init_args_on_class_path_change

    def discard(action: Any, previous: Any, value: Any) -> None:
        if previous and "init_args" in previous and _differ(action, previous, value):
            for key in list(previous["init_args"].keys()):
                previous["init_args"].pop(key)

    typehints.discard_init_args_on_class_path_change = discard
    try:
        yield
    finally:
        typehints.discard_init_args_on_class_path_change = original


def _differ(action: Any, previous: Any, value: Any) -> bool:
    """Whether two class specifications name different classes, short names resolved."""
    names = (previous["class_path"], value["class_path"])
    if names[0] == names[1]:
        return False
    short = [name.rsplit(".", 1)[-1] for name in names]
    known = encoder_classes()
    return not (short[0] == short[1] and short[0] in known and "." not in min(names, key=len))


def _explain(message: str, parser: SuiteArgumentParser) -> str:
    """Add what is allowed to an error message of the parser."""
    unknown_class = re.search(r"Expected a dot import path string: (\S+)", message)
    if unknown_class and "encoder" in message:
        known = list(encoder_classes())
        return f"unknown encoder {unknown_class[1]!r};{_nearest(unknown_class[1], known)} known: {known}"
    subcommand = re.search(r"invalid choice: '?([\w-]+)'?.*fit", message)
    if subcommand or "expected at least one subcommand" in message.lower():
        found = f"unknown command {subcommand[1]!r}" if subcommand else "no command given"
        return (
            f"{found}; choose one of {', '.join(SUBCOMMANDS)}, for example: "
            "lightning fit --config experiments/multitask.yaml"
        )
    unknown_key = re.search(r"(?:Unrecognized arguments: |Key |Option )'?-*([\w.]+)", message)
    if unknown_key:
        known = _known_keys(parser)
        return f"{message};{_nearest(unknown_key[1], known)} see --help for all"
    return message


def _known_keys(parser: SuiteArgumentParser) -> list[str]:
    actions = list(parser._actions)
    for action in list(actions):
        for subparser in (getattr(action, "choices", None) or {}).values() if isinstance(
            getattr(action, "choices", None), dict
        ) else ():
            actions.extend(subparser._actions)
    keys = {action.dest for action in actions if action.dest}
    for cls in encoder_classes().values():
        arguments = cls.__init__.__code__.co_varnames[1 : cls.__init__.__code__.co_argcount]
        keys.update(f"model.encoder.{name}" for name in arguments)
        keys.update(arguments)
    return sorted(keys)


def _nearest(word: str, known: Sequence[str]) -> str:
    close = get_close_matches(word, known, n=1, cutoff=0.6)
    if not close:  # a nested key is often right but for its last part
        tails = {key.rsplit(".", 1)[-1]: key for key in known}
        tail = get_close_matches(word.rsplit(".", 1)[-1], list(tails), n=1, cutoff=0.6)
        close = [tails[tail[0]]] if tail else []
    return f" did you mean {close[0]!r}?" if close else ""


def checkpoint_defaults(args: Sequence[str]) -> dict[str, Any]:
    """Model and data settings stored in the checkpoint that ``args`` name, as parser defaults.

    Raises:
        ValueError: ``--ckpt_path`` names a file that is not there.
    """
    path = _option(args, "--ckpt_path")
    if path is None or path in ("best", "last", "hpc", "registry"):
        return {}
    if not Path(path).is_file():
        raise SystemExit(f"lightning: checkpoint {path} not found; give the path of a .ckpt file")
    checkpoint = torch.load(path, weights_only=True, map_location="cpu")
    defaults: dict[str, Any] = {}
    for group, key in (("model", "hyper_parameters"), ("data", "datamodule_hyper_parameters")):
        for name, value in checkpoint.get(key, {}).items():
            if not name.startswith("_"):
                defaults[f"{group}.{name}"] = value
    return defaults


def _option(args: Sequence[str], name: str) -> str | None:
    for position, word in enumerate(args):
        if word == name and position + 1 < len(args):
            return args[position + 1]
        if word.startswith(name + "="):
            return word.split("=", 1)[1]
    return None
