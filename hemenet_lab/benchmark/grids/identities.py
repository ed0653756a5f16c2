"""Identities of a grid's runs before they start."""

from __future__ import annotations

from typing import Any

from hemenet_lab.benchmark.grids.run import GridRun, Resolve
from hemenet_lab.store import Store, store_folder
from hemenet_lab.tracking import run_identity


class Identities:
    """Identities of runs before they start; each combination is resolved once.

    Args:
        resolve: Makes the config of a command.
    """

    def __init__(self, resolve: Resolve) -> None:
        self._resolve = resolve
        self._configs: dict[tuple[str, ...], dict[str, Any]] = {}
        self._hashes: dict[str, str] = {}

    def config(self, run: GridRun) -> dict[str, Any]:
        """The resolved config of a run.

        Raises:
            ValueError: The parser refuses the command; it has said why on stderr.
        """
        key = (*run.cell, *(word for word in run.record if ".folder=" in word))
        if key not in self._configs:
            try:
                self._configs[key] = self._resolve(("fit", *key))
            except SystemExit as error:
                message = (
                    f"run {run.name} has settings that are refused (see above): {run.command()}"
                )
                raise ValueError(message) from error
        return {**self._configs[key], "seed_everything": run.seed}

    def of(self, run: GridRun) -> str:
        """The identity that the run's fit will record."""
        config = self.config(run)
        return run_identity(config, self._store_hash(str(config["data"]["root"])))

    def _store_hash(self, root: str) -> str:
        if root not in self._hashes:
            self._hashes[root] = Store(store_folder(root)).hash
        return self._hashes[root]
