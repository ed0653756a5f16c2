"""Which runs are the same: a hash of the resolved config, the store and the seed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hemenet_lab.benchmark.grid_run import Run
from hemenet_lab.former_names import former_paths
from hemenet_lab.loading import ProteinMTDataModule

IDENTITY_TAG = "benchmark_identity"
VOLATILE = (
    "ckpt_path",
    "weights_only",
    "checkpoint.every_n_train_steps",
    "data.root",  # a path; what is in the store has its own hash
    "data.num_workers",
    "data.pin_memory",
    "trainer.logger",
    "trainer.default_root_dir",
    "trainer.enable_autolog_hparams",
    "trainer.enable_model_summary",
    "trainer.enable_progress_bar",
    "trainer.log_every_n_steps",
    "trainer.model_registry",
    "trainer.profiler",
)
"""Settings that change where and how a run is recorded or how fast it is, not its result."""

Resolve = Callable[[Sequence[str]], dict[str, Any]]
"""Words of a `lightning` command → its whole config as plain data."""


def identity(config: Mapping[str, Any], store_hash: str) -> str:
    """SHA-256 (hexadecimal) of what decides a run's result.

    Args:
        config: The resolved config of a fit, as ``--print_config`` shows it, with its seed.
        store_hash: Hash of the data.
    """
    kept = former_paths(_numbers(_without(config, VOLATILE)))
    text = json.dumps({"config": kept, "store": store_hash}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _numbers(value: Any) -> Any:
    """The same with 2 for 2.0: which of them a parser makes of "2" depends on what is imported.

    1 and 1.0 stay apart, since Lightning's limits mean one batch and all batches by them.
    """
    if isinstance(value, Mapping):
        return {key: _numbers(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_numbers(inner) for inner in value]
    if isinstance(value, float) and value.is_integer() and value != 1.0:
        return int(value)
    return value


def _without(config: Mapping[str, Any], paths: Sequence[str]) -> dict[str, Any]:
    """A copy of nested settings without some of them."""
    heads = {path for path in paths if "." not in path}
    kept: dict[str, Any] = {}
    for key, value in config.items():
        inner = [path.partition(".")[2] for path in paths if path.startswith(f"{key}.")]
        if key not in heads:
            kept[key] = _without(value, inner) if isinstance(value, Mapping) and inner else value
    return kept


class Identities:
    """Identities of runs before they start; each combination is resolved once.

    Args:
        resolve: Makes the config of a command.
    """

    def __init__(self, resolve: Resolve) -> None:
        self._resolve = resolve
        self._configs: dict[tuple[str, ...], dict[str, Any]] = {}
        self._hashes: dict[str, str] = {}

    def config(self, run: Run) -> dict[str, Any]:
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

    def of(self, run: Run) -> str:
        """The identity that the run's fit will record."""
        config = self.config(run)
        return identity(config, self._store_hash(str(config["data"]["root"])))

    def _store_hash(self, root: str) -> str:
        if root not in self._hashes:
            self._hashes[root] = ProteinMTDataModule(root=root).store.hash
        return self._hashes[root]
