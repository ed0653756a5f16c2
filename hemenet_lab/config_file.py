"""Config files that build on others: ``include: [../configs/data/demo.yaml, ...]``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import ActionConfigFile

INCLUDE = "include"


class IncludingConfigFile(ActionConfigFile):
    """``--config FILE`` where FILE may list others under ``include``, relative to itself.

    The included files are applied first, in order, then the file's own keys, exactly as if each had
    been given by its own ``--config``.
    """

    def __call__(
        self, parser: Any, cfg: Any, values: Any, option_string: str | None = None
    ) -> None:
        for source in expand_includes(values):
            self.apply_config(parser, cfg, self.dest, source)


def expand_includes(value: str, _open: tuple[Path, ...] = ()) -> Iterator[str]:
    """The configs that ``value`` (a path, or YAML text) stands for, in the order of application.

    Raises:
        ValueError: An included file is missing, or files include each other in a circle.
    """
    path = Path(value)
    if "\n" in value or not path.is_file():
        yield value  # YAML text, or a path whose absence the parser reports itself
        return
    path = path.resolve()
    if path in _open:
        circle = " → ".join(str(part) for part in (*_open, path))
        raise ValueError(f"config files include each other: {circle}")
    content = yaml.safe_load(path.read_text()) or {}
    if not isinstance(content, dict) or INCLUDE not in content:
        yield value
        return
    included = content.pop(INCLUDE)
    for name in [included] if isinstance(included, str) else included:
        target = path.parent / name
        if not target.is_file():
            raise ValueError(
                f"{path} includes {name}, which is not there; paths are relative to {path.parent}"
            )
        yield from expand_includes(str(target), (*_open, path))
    if content:
        yield yaml.safe_dump(content, sort_keys=False) + "\n"
