"""Class paths of former versions, so that old configs and checkpoints stay readable."""

from __future__ import annotations

from typing import Any

FORMER_NAMES: dict[str, str] = {
    "hemenet_lab.plugins": "hemenet_lab.saved.plugins",
    "hemenet_lab.config_file": "hemenet_lab.cli.config_file",
}
"""Former module or class → present one. The longest entry that leads a class path decides."""


def present_name(path: str, table: dict[str, str] | None = None) -> str:
    """The present name of a class path; the same text if it was never moved.

    Args:
        path: Dotted path such as ``hemenet_lab.tracking.Tracker``.
        table: Former → present names; `FORMER_NAMES` if None.
    """
    table = FORMER_NAMES if table is None else table
    parts = path.split(".")
    for length in range(len(parts), 0, -1):
        found = table.get(".".join(parts[:length]))
        if found is not None:
            return ".".join([found, *parts[length:]])
    return path


def present_names(content: Any, table: dict[str, str] | None = None) -> Any:
    """A copy of plain settings with present names in every ``class_path``."""
    if isinstance(content, dict):
        return {
            key: present_name(value, table)
            if key == "class_path" and isinstance(value, str)
            else present_names(value, table)
            for key, value in content.items()
        }
    if isinstance(content, list):
        return [present_names(value, table) for value in content]
    return content
