"""Reads `lightning` commands, such as those of a grid, without carrying them out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hemenet_lab.cli.lightning_adapter import SuiteCLI, start_cli
from hemenet_lab.tracking import plain_config


class ConfigReader(SuiteCLI):
    """Reads commands without carrying them out."""

    def parse_arguments(self, parser: Any, args: Any) -> None:
        self.config = parser.parse_args(list(args))

    def _set_seed(self) -> None:
        """Nothing: random numbers are none of its business."""

    def instantiate_classes(self) -> None:
        """Nothing: the config is all that is wanted."""

    def _run_subcommand(self, subcommand: str) -> None:
        """Nothing."""

    def read(self, args: Sequence[str]) -> dict[str, Any]:
        """The whole config of a `lightning` command, defaults included, as plain data."""
        self.parse_arguments(self.parser, list(args))
        name = self.config.subcommand
        return plain_config(self._parser(name), self.config[name])


def config_reader() -> ConfigReader:
    """Make a reader of what `lightning` commands ask for."""
    return start_cli(ConfigReader, ["fit", "--model.encoder=HeMeNet"])
