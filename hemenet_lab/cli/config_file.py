"""Config files that build on others: ``include: [../configs/data/demo.yaml, ...]``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import ActionConfigFile

from hemenet_lab.basics import included_path, present_names, recipe_note, recipe_path

INCLUDE = "include"
ADDRESS = re.compile(r"[A-Za-z][\w+.:-]*://|file:")


class IncludingConfigFile(ActionConfigFile):
    """``--config FILE`` where FILE may list others under ``include``, relative to itself.

    A path such as ``experiments/multitask.yaml`` that is not there means the recipe of that name.
    The included files are applied first, in order, then the file's own keys, exactly as if each had
    been given by its own ``--config``. Class paths of former versions are translated.
    """

    def __call__(
        self, parser: Any, cfg: Any, values: Any, option_string: str | None = None
    ) -> None:
        for source in expand_includes(values):
            self.apply_config(parser, cfg, self.dest, source)


def config_words(words: Sequence[str]) -> list[str]:
    """Values of the options ``--config`` and ``-c`` among the words of a command line."""
    values = []
    for word, following in zip(words, [*words[1:], ""], strict=False):
        name, sign, value = word.partition("=")
        if name in ("--config", "-c"):
            values.append(value if sign else following)
    return values


def config_notes(words: Sequence[str]) -> list[str]:
    """Lines on which files the configs of a command line are, where there is a choice."""
    notes = (recipe_note(value) for value in config_words(words) if "\n" not in value)
    return [note for note in dict.fromkeys(notes) if note]


def expand_includes(value: str, _open: tuple[Path, ...] = ()) -> Iterator[str]:
    """The configs that ``value`` (a path, or YAML text) stands for, in the order of application.

    Raises:
        ValueError: An included file is missing or is an address, files include each other in a
            circle, or a file is nested too deeply to be read.
    """
    if ADDRESS.match(value):
        raise ValueError(f"--config {value}: configs are read from files only; download it first")
    if "\n" in value:
        yield value
        return
    value = recipe_path(value)
    path = Path(value)
    if not path.is_file():
        yield value  # YAML text, or a path whose absence the parser reports itself
        return
    path = path.resolve()
    if path in _open:
        circle = " → ".join(str(part) for part in (*_open, path))
        raise ValueError(f"config files include each other: {circle}")
    content = _read(path)
    if not isinstance(content, dict):
        yield value
        return
    present = present_names(content)
    if INCLUDE not in content and present == content:
        yield value
        return
    yield from _included(present.pop(INCLUDE, []), path, _open)
    if present:
        yield yaml.safe_dump(present, sort_keys=False) + "\n"


def _read(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8-sig")) or {}
    except RecursionError as error:
        raise ValueError(f"{path} is nested too deeply for a config") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is no YAML file: {' '.join(str(error).split())}") from error


def _included(names: Any, path: Path, opened: tuple[Path, ...]) -> Iterator[str]:
    names = [names] if isinstance(names, str) else names
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"{path}: include is {names!r}; give a path, or a list of paths")
    for name in names:
        if ADDRESS.match(name):
            raise ValueError(
                f"{path} includes {name}; only files of this machine can be included: download it"
            )
        target = included_path(name, path.parent)
        if not target.is_file():
            raise ValueError(
                f"{path} includes {name}, which is not there; paths are relative to {path.parent}, "
                "or of the recipes that `hemenet recipes` lists"
            )
        yield from expand_includes(str(target), (*opened, path))
