"""The command line: `lightning` (fit, pretrain, validate, test, predict) and `hemenet` (and tools).

Nothing heavy is imported before a command is chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hemenet_lab.cli.main import hemenet

__all__ = ["config_reader", "hemenet", "lightning"]


def lightning(args: Sequence[str] | None = None) -> None:
    """Entry point of the `lightning` command.

    Args:
        args: Words after the command; those of the shell if None.
    """
    from hemenet_lab.cli.lightning_adapter import run_lightning

    run_lightning(args)


def config_reader() -> Any:
    """A reader of what `lightning` commands ask for: ``config_reader().read(words)``."""
    from hemenet_lab.cli.lightning_adapter import config_reader

    return config_reader()
