"""Plain types: what a checkpoint may hold so that it loads with ``weights_only=True``."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any


def keep_plain(values: MutableMapping[str, Any]) -> None:
    """Remove every value that is not made of dicts, lists, numbers, strings and None."""
    for name, value in list(values.items()):
        if not is_plain(value):
            values.pop(name)


def is_plain(value: Any) -> bool:
    """Check that a value is made of dicts, lists, tuples, numbers, strings and None only."""
    if isinstance(value, dict):
        return all(is_plain(part) for part in value.values())
    if isinstance(value, (list, tuple)):
        return all(is_plain(part) for part in value)
    return value is None or isinstance(value, (bool, int, float, str))
